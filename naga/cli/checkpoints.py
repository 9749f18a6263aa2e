"""`naga convert` and `naga inspect`: a checkpoint for others to open; what a model consists of."""

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
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.quantisation import Quantisation

if TYPE_CHECKING:
    from naga.model.account import Account


# GiB.
PLAN_MEMORY = 24.0


def convert(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder. 模型目录")],
    target: Annotated[Path | None, typer.Argument(help="Folder to write. 输出目录")] = None,
    quantize: Annotated[
        Literal["int8", "int4"] | None, typer.Option(help="Bits of a weight. 量化格式")
    ] = None,
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
    to: Annotated[
        str | None,
        typer.Option(help="Layout: naga, or a family, as nemotron_h; no bit changes. 格式"),
    ] = None,
    widen: Annotated[
        bool,
        typer.Option("--widen", help="With --to: zero columns, until the heads fill it. 补零加宽"),
    ] = False,
    plan: Annotated[
        str | None,
        typer.Option(help="vllm, sglang, llama.cpp or transformers: print its command. 部署命令"),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(min=0.0, help="With --plan: GiB the engine may take; default 24. 内存"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A quantised copy, another layout, or the command that serves it elsewhere. 转换模型."""
    chosen = [name for name in (quantize, to, plan) if name is not None]
    if len(chosen) != 1:
        raise ConfigError("naga convert: give one of --quantize, --to and --plan")
    if quantize is None and (group is not None or calibrate is not None):
        raise ConfigError("naga convert: --group and --calibrate are for --quantize")
    if to is None and widen:
        raise ConfigError("naga convert: --widen is for --to")
    if plan is None and memory is not None:
        raise ConfigError("naga convert: --memory is for --plan")
    if plan is not None:
        if target is not None:
            raise ConfigError("naga convert: --plan writes nothing; leave the folder out")
        given = PLAN_MEMORY if memory is None else memory
        _print_plan(find_model(source, weights=False), plan, given, as_json)
        return
    if target is None:
        raise ConfigError("naga convert: give the folder to write, too: naga convert SOURCE TARGET")
    source = find_model(source)
    if to is not None:
        _transcode(source, target, to, widen, as_json)
    else:
        asked: dict[str, str | int | None] = {"format": quantize}
        if group is not None:
            asked["group"] = int(group) if group.isdecimal() else group
        quantisation = parse_config(Quantisation, asked, source="naga convert")
        _quantise(source, target, quantisation, calibrate, as_json)


def _quantise(
    source: Path, out: Path, quantisation: Quantisation, calibrate: Path | None, as_json: bool
) -> None:
    from naga.checkpoint.convert import convert as run

    found = run(source, out, quantisation, calibrate, progress=_steps("quantising"))
    if as_json:
        print(json.dumps({"path": str(out), **found.to_dict()}, ensure_ascii=False))
    else:
        before, after = (size / 1e6 for size in (found.source_bytes, found.num_bytes))
        print(f"{out}: {found.quantisation}, {before:,.1f} MB -> {after:,.1f} MB")


def _transcode(source: Path, out: Path, layout: str, widen: bool, as_json: bool) -> None:
    from naga.checkpoint.transcode import transcode

    found = transcode(source, out, layout, widen=widen, progress=_steps("copying"))
    if as_json:
        print(json.dumps({"path": str(out), **found.to_dict()}, ensure_ascii=False))
    else:
        size = f"{found.tensors:,} tensors, {found.num_bytes / 1e6:,.1f} MB"
        print(f"{out}: {found.source_layout} -> {found.layout}, {size}")


def _steps(verb: str) -> Callable[[int], AbstractContextManager[Callable[[], None]]]:
    from naga.train.progress import counter

    def progress(total: int) -> AbstractContextManager[Callable[[], None]]:
        return counter("steps", Console(stderr=True), verb=verb, total=total)

    return progress


def _print_plan(source: Path, engine: str, memory: float, as_json: bool) -> None:
    from naga.bench.plans import make_plan

    plan = make_plan(source, engine, memory_bytes=int(memory * 2**30))
    if as_json:
        print(json.dumps(plan.to_dict(), ensure_ascii=False, indent=1))
    else:
        print(plan.to_text())


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
