"""`naga doctor`, `naga models`: this machine, and the models on it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from naga.cli.configs import named_config
from naga.cli.options import AsJson
from naga.cli.printing import print_report


def doctor(
    model: Annotated[
        str | None, typer.Argument(help="Preset, checkpoint folder or .toml. 模型")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What this machine can do, and which models fit it. 检查本机."""
    from naga.bench.doctor import diagnose
    from naga.bench.models import presets
    from naga.bench.speeds import keep_speeds

    named = {} if model is None else {model: named_config(model)}
    with Console(stderr=True).status("measuring 测量中"):
        diagnosis = diagnose(presets() | named)
    if diagnosis.kernels is not None:
        keep_speeds(diagnosis.kernels, diagnosis.threads)
    print_report(diagnosis, as_json)


def models(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Checkpoints, or folders of some. 模型目录")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="This machine again, whatever is known. 重新测量")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Which models are here, which fit, and how fast they can be. 列出本地模型."""
    import torch

    from naga.bench.local_models import list_models
    from naga.bench.speeds import known_or_measured
    from naga.engine.memory import read_memory

    with Console(stderr=True).status("looking 查看中"):
        kernels = known_or_measured(torch.get_num_threads(), again=measure)
        found = list_models(folders or [], kernels, read_memory().available)
    print_report(found, as_json)
