"""`naga convert` and `naga inspect`: a quantised copy of a checkpoint; what a model consists of."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from naga.checkpoint.hub import find_model
from naga.cli.configs import model_config
from naga.cli.options import AsJson
from naga.config.load import parse_config
from naga.config.quantisation import Quantisation

if TYPE_CHECKING:
    from naga.model.account import Account


def convert(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder. 模型目录")],
    out: Annotated[Path, typer.Option(help="Folder to write. 输出目录")],
    quantize: Annotated[Literal["int8", "int4"], typer.Option(help="Bits of a weight. 量化格式")],
    group: Annotated[
        str | None,
        typer.Option(
            help="Columns that share a scale: 32 (int4's default), 64, 128 (int8's default), or "
            "channel: all, for int8. 每组列数"
        ),
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Text whose activations choose the scales. 校准文本")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a copy of a checkpoint with quantised weights, for the CPU. 量化模型."""
    from naga.checkpoint.convert import convert as run
    from naga.train.progress import counter

    asked: dict[str, str | int] = {"format": quantize}
    if group is not None:
        asked["group"] = int(group) if group.isdecimal() else group
    quantisation = parse_config(Quantisation, asked, source="naga convert")

    def progress(total: int) -> AbstractContextManager[Callable[[], None]]:
        return counter("steps", Console(stderr=True), verb="quantising", total=total)

    found = run(find_model(source), out, quantisation, calibrate, progress=progress)
    if as_json:
        print(json.dumps({"path": str(out), **found.to_dict()}, ensure_ascii=False))
    else:
        before, after = (size / 1e6 for size in (found.source_bytes, found.num_bytes))
        print(f"{out}: {found.quantisation}, {before:,.1f} MB -> {after:,.1f} MB")


def inspect(
    source: Annotated[Path, typer.Argument(help="Checkpoint, model or recipe .toml. 模型或配置")],
    as_json: AsJson = False,
) -> None:
    """Layers, parameters, FLOPs and memory of a model, without loading it. 查看模型."""
    from naga.model.account import account

    config = model_config(source)
    total = account(config)
    summary = {
        "parameters": total.parameters,
        "active_parameters": total.active_parameters,
        "flops_per_token": total.flops_per_token,
        "kv_bytes_per_token": total.kv_bytes_per_token,
        "state_bytes": total.state_bytes,
    }
    if as_json:
        layers = [
            {"index": i, "kind": x.kind, "parameters": x.parameters}
            for i, x in enumerate(total.layers)
        ]
        print(json.dumps({"pattern": config.layers, **summary, "layers": layers}, indent=2))
        return
    console = Console()
    console.print(_layer_table(total))
    for name, value in summary.items():
        console.print(f"{name:>20}  {value:,}", highlight=False)


def _layer_table(total: "Account") -> Table:
    from naga.checkpoint.layout import KINDS

    table = Table(
        "layer 层", "kind 类型", "parameters 参数", "active 激活", "FLOPs/token", box=None
    )
    for index, layer in enumerate(total.layers):
        table.add_row(
            str(index),
            f"{layer.kind} {KINDS[layer.kind]}",
            f"{layer.parameters:,}",
            f"{layer.active_parameters:,}",
            f"{layer.flops_per_token:,}",
        )
    return table
