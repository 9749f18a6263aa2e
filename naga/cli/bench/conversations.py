"""`naga bench cache` and `cache-trace`: what a conversation's next turn need not read."""

from typing import Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.bench.options import (
    Markdown,
    NewTokens,
    Seed,
    Threads,
    Weights,
    split_list,
    thread_count,
    typed_command,
)
from naga.cli.options import AsJson, Model
from naga.cli.printing import print_report, write_page
from naga.config.base import ConfigError


def cache(
    model: Model,
    turns: Annotated[int, typer.Option(min=2, help="Of the conversation. 轮数")] = 8,
    document_tokens: Annotated[int, typer.Option(min=1, help="Of its document. 文档长度")] = 16_000,
    new_tokens: NewTokens = 32,
    weights: Weights = None,
    kv: Annotated[
        Literal["int8"] | None, typer.Option(help="Of keys and values. 键值缓存精度")
    ] = None,
    seed: Seed = 0,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """First tokens of a conversation about a document, warm and cold. 多轮对话的缓存命中."""
    from naga.bench.cache import run_cache
    from naga.bench.report import make_room
    from naga.config.load import parse_config
    from naga.config.serve import EngineConfig

    make_room(markdown)
    report = run_cache(
        find_model(model),
        parse_config(EngineConfig, {"weights": weights, "kv": kv}, source="naga bench cache"),
        turns=turns,
        document_tokens=document_tokens,
        new_tokens=new_tokens,
        seed=seed,
        command=typed_command(),
        console=Console(stderr=True),
    )
    write_page(report, markdown)
    print_report(report, as_json)
    if not report.identical:
        raise typer.Exit(1)


def cache_trace(
    model: Model,
    traces: Annotated[str, typer.Option(help="Of contract,agent,steps. 对话轨迹")] = (
        "contract,agent,steps"
    ),
    beside: Annotated[
        list[str] | None,
        typer.Option(help="NAME=http://HOST:PORT, or NAME=COMMAND with {port}. 与之对比的服务"),
    ] = None,
    beside_api: Annotated[
        Literal["chat", "tokens"],
        typer.Option(help="tokens: send token ids, for models without a tokenizer. 请求方式"),
    ] = "tokens",
    serve_args: Annotated[str, typer.Option(help="More of naga serve's. naga serve 的参数")] = "",
    new_tokens: NewTokens = 32,
    threads: Threads = None,
    seed: Annotated[int | None, typer.Option(help="Default: a new one. 随机种子")] = None,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Conversations over HTTP: what comes from the cache, and how soon. 经 HTTP 的对话轨迹."""
    import os
    import secrets

    from naga.bench.cache_trace import our_contender, parse_contender, run_traces
    from naga.bench.machine import describe_machine
    from naga.bench.report import make_room
    from naga.bench.traces import TRACES

    asked = split_list(traces)
    unknown = next((name for name in asked if name not in TRACES), None)
    if unknown is not None or not asked:
        raise ConfigError(f"--traces {traces!r}: use some of {','.join(TRACES)}")
    make_room(markdown)
    model = find_model(model)
    others = [parse_contender(item, beside_api) for item in beside or []]
    # Servers started here take it from the environment.
    os.environ["OMP_NUM_THREADS"] = str(thread_count(threads))
    report = run_traces(
        model,
        [our_contender(model, serve_args), *others],
        asked,
        seed=secrets.randbits(31) if seed is None else seed,
        new_tokens=new_tokens,
        machine=describe_machine(thread_count(threads)),
        command=typed_command(),
        console=Console(stderr=True),
    )
    write_page(report, markdown)
    print_report(report, as_json)
