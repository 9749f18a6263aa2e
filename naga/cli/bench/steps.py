"""`naga bench ops`, `gaps` and `overhead`: naga alone, in this process."""

from typing import Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.bench.options import (
    Batches,
    Markdown,
    Precisions,
    Rounds,
    Threads,
    Weights,
    known_precisions,
    thread_count,
    typed_command,
    whole_numbers,
)
from naga.cli.options import AsJson, Model, ModelOption
from naga.cli.printing import print_report, write_page


def ops(
    model: ModelOption,
    precisions: Precisions = "bf16",
    batch: Batches = "1,8",
    context: Annotated[str, typer.Option(help="Before a decoded token. 上下文")] = "0,16384",
    prompt: Annotated[int, typer.Option(min=2, help="Tokens of a prompt. 提示长度")] = 512,
    rounds: Rounds = 15,
    threads: Threads = None,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """The native kernels by kind of layer, against the machine's limits. 各类层的速度."""
    from naga.bench.ops import Shape, measure_ops
    from naga.bench.report import make_room
    from naga.checkpoint.config import read_model_config

    make_room(markdown)
    shapes = [
        Shape(batch=count, length=1, context=before)
        for before in whole_numbers("--context", context)
        for count in whole_numbers("--batch", batch)
    ]
    report = measure_ops(
        str(model),
        read_model_config(find_model(model, weights=False)),
        known_precisions(precisions),
        [*shapes, Shape(batch=1, length=prompt, context=0)],
        rounds=rounds,
        threads=thread_count(threads),
        command=typed_command(),
    )
    write_page(report, markdown)
    print_report(report, as_json)


def gaps(
    model: Model,
    concurrent: Annotated[int, typer.Option(min=1, help="Requests at once. 并发请求数")] = 32,
    requests: Annotated[int, typer.Option(min=1, help="In all. 请求总数")] = 96,
    long_requests: Annotated[int, typer.Option(min=0, help="With long prompts. 长请求数")] = 6,
    long_prompt: Annotated[int, typer.Option(min=1, help="Tokens. 长提示词元数")] = 8000,
    new_tokens: Annotated[int, typer.Option(min=2, help="Of an answer. 回答长度")] = 64,
    weights: Weights = None,
    seed: Annotated[int, typer.Option(help="Of the requests. 随机种子")] = 0,
    as_json: AsJson = False,
) -> None:
    """The time between two tokens while others read long prompts. 混合负载下的词元间隔."""
    from naga.bench.gaps import Load, measure_gaps

    load = Load(
        concurrent=concurrent,
        requests=max(requests, long_requests),
        long_requests=long_requests,
        long_prompt=long_prompt,
        new_tokens=new_tokens,
    )
    print_report(
        measure_gaps(find_model(model), load, weights, seed, typed_command(), Console(stderr=True)),
        as_json,
    )


def overhead(
    model: ModelOption,
    precisions: Precisions = "bf16",
    rounds: Rounds = 15,
    as_json: AsJson = False,
) -> None:
    """Python's share of a decoded token. 每个词元中 Python 所占的时间."""
    from naga.bench.overhead import measure_overhead

    print_report(
        measure_overhead(find_model(model), known_precisions(precisions), rounds, typed_command()),
        as_json,
    )


def sandbox(
    seconds: Annotated[float, typer.Option(min=0.1, help="How long. 秒")] = 5.0,
    workers: Annotated[int, typer.Option(min=1, help="Programs at once. 并行数")] = 2,
    tier: Annotated[
        Literal["cgroup", "namespace", "landlock"] | None,
        typer.Option(help="How they are isolated; default: the strongest here. 隔离级别"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Untrusted programs run and tested in a second. 沙箱速度."""
    from naga.bench.sandbox import measure_sandbox

    print_report(measure_sandbox(seconds=seconds, workers=workers, tier=tier), as_json)
