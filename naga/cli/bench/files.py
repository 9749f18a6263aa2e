"""`naga bench make-model` and `convert-gguf`: files to measure with."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.configs import named_config
from naga.cli.options import Dtype, Model


def make_model(
    name: Annotated[str, typer.Argument(help="As in recipes/models, or a .toml. 模型名或配置")],
    out: Annotated[Path, typer.Option(help="Folder to write. 输出目录")],
    seed: Annotated[int, typer.Option(help="Of the random weights. 随机种子")] = 0,
    dtype: Annotated[Dtype, typer.Option(help="Of the stored matrices. 存储精度")] = "bfloat16",
) -> None:
    """Write a checkpoint with random weights, to measure speed with. 生成随机权重的模型."""
    from naga.bench import models
    from naga.runtime import DTYPES
    from naga.train.progress import counter

    config = named_config(name)
    total = models.count_tensors(config)
    with counter("tensors", Console(stderr=True), verb="writing", total=total) as made:
        models.make_model(config, out, seed=seed, dtype=DTYPES[dtype], made=made)
    print(f"{out}: {sum(file.stat().st_size for file in out.iterdir()):,} bytes")


def convert_gguf(
    model: Model,
    out: Annotated[Path, typer.Option(help="File to write (.gguf). 输出文件")],
    kind: Annotated[
        Literal["f32", "bf16", "q8_0", "q4_0"],
        typer.Option("--type", help="Of the matrices. 存储格式"),
    ] = "bf16",
) -> None:
    """Write the file that llama.cpp opens, without a tokenizer, to measure it. 转换为 GGUF."""
    from naga.bench.convert_gguf import convert_gguf as run
    from naga.bench.report import make_room

    make_room(out)
    run(find_model(model), out, kind)
    print(f"{out}: {out.stat().st_size:,} bytes")
