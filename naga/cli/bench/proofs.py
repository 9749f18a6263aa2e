"""`naga bench determinism`, `real` and `handoff`: whether answers are right; exit code 1 if not."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.bench.options import Markdown, NewTokens, Pythons, Seed, thread_count, typed_command
from naga.cli.options import AsJson, Model
from naga.cli.printing import print_report, write_page


def determinism(
    model: Model,
    schedules: Annotated[int, typer.Option(min=1, help="How many. 次数")] = 100,
    seed: Annotated[int, typer.Option(help="Of the schedules. 随机种子")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Number of the first. 起始编号")] = 0,
    dtype: Annotated[
        Literal["float32", "bfloat16"] | None, typer.Option(help="Default: the model's. 计算精度")
    ] = None,
    backend: Annotated[
        Literal["native", "reference"] | None, typer.Option(help="Default: native. 计算后端")
    ] = None,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Whether answers are the same, bit for bit, under random schedules. 回答是否逐位一致."""
    from naga.bench.determinism import run_determinism
    from naga.bench.report import make_room
    from naga.config.load import parse_config
    from naga.config.serve import EngineConfig

    make_room(markdown)
    asked = {"dtype": dtype, "backend": backend}
    report = run_determinism(
        find_model(model),
        parse_config(EngineConfig, asked, source="naga bench determinism"),
        schedules=schedules,
        seed=seed,
        first=first,
        command=typed_command(),
        console=Console(stderr=True),
    )
    write_page(report, markdown)
    print_report(report, as_json)
    if report.differences:
        raise typer.Exit(1)


def real(
    model: Model,
    text: Annotated[
        Path | None, typer.Option(help="For perplexity and prompts; default: built in. 文本")
    ] = None,
    schedules: Annotated[int, typer.Option(min=1, help="Of determinism. 随机调度次数")] = 3,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Acceptance of a real checkpoint: parity, determinism, cache, speed. 真实模型验收."""
    from naga.bench.real import built_in_text, run_real
    from naga.bench.report import make_room

    make_room(markdown)
    folder = find_model(model)
    report = run_real(
        folder,
        str(model),
        text or built_in_text(),
        schedules=schedules,
        command=typed_command(),
        console=Console(stderr=True),
    )
    write_page(report, markdown)
    print_report(report, as_json)
    if not report.passed:
        raise typer.Exit(1)


def handoff(
    work: Annotated[Path, typer.Option(help="Folder for checkpoints; emptied. 工作目录")],
    peer_python: Pythons = None,
    prompts: Annotated[int, typer.Option(min=1, help="For each pair. 提示数")] = 40,
    new_tokens: NewTokens = 64,
    seed: Seed = 0,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Whether vLLM and llama.cpp answer as naga does, over HTTP. 与其他引擎对照."""
    from naga.bench.handoff import run_handoff
    from naga.bench.machine import describe_machine
    from naga.bench.report import make_room

    make_room(markdown)
    report = run_handoff(
        work,
        peer_python or [],
        prompts=prompts,
        tokens=new_tokens,
        seed=seed,
        command=typed_command(),
        machine=describe_machine(thread_count(None)),
        console=Console(stderr=True),
    )
    write_page(report, markdown)
    print_report(report, as_json)
    if not report.passed:
        raise typer.Exit(1)
