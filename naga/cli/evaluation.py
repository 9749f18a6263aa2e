"""`naga eval`: accuracy on held-out problems, or how well a model predicts a text."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.options import (
    AsJson,
    Backend,
    Device,
    DtypeOption,
    Kv,
    MaxTokens,
    Model,
    QuotedTexts,
    Seed,
    Thinking,
    Weights,
    engine_config,
    load_bar,
    read_texts,
    sampling_params,
)
from naga.cli.printing import print_report
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig


def evaluate(
    model: Model,
    tasks: Annotated[str, typer.Option(help="Comma-separated; default: all scored.")] = "",
    level: Annotated[Literal["easy", "medium", "hard"], typer.Option(help="难度")] = "easy",
    count: Annotated[int, typer.Option(min=1, help="Problems per task. 每项题数")] = 200,
    seed: Seed = 0,
    max_tokens: MaxTokens = 512,
    thinking: Thinking = True,
    dtype: DtypeOption = None,
    weights: Weights = None,
    kv: Kv = None,
    device: Device = "cpu",
    backend: Backend = None,
    documents: QuotedTexts = None,
    samples: Annotated[Path | None, typer.Option(help="Write every answer here (jsonl).")] = None,
    perplexity: Annotated[
        Path | None,
        typer.Option(help="No tasks: how well the model predicts this text. 测文本的困惑度"),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="For --perplexity: tokens read at once, at most 2048 by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy on held-out problems, with 95 % intervals. 评测."""
    config = engine_config(dtype, weights, kv, device, backend)
    if perplexity is not None:
        if tasks or documents or samples:
            raise ConfigError("--perplexity runs no tasks: leave out what is for tasks")
        return _measure_perplexity(model, perplexity, config, window, as_json)
    if window is not None:
        raise ConfigError("--window is for --perplexity: name a text with it")
    from naga.bench.report import make_room
    from naga.engine.chat import open_engine
    from naga.eval import engine_answerer, evaluate, write_samples
    from naga.tasks import SCORED, make_tasks
    from naga.train.progress import counter

    make_room(samples)
    names = [name.strip() for name in tasks.split(",") if name.strip()] or list(SCORED)
    made = make_tasks(names, read_texts(documents))
    sampling = sampling_params(0.0, 1.0, 0, max_tokens)
    progress = counter("answers", Console(stderr=True), verb="evaluating", total=count * len(made))
    with open_engine(find_model(model), config, load_bar) as engine, progress as finished:
        report = evaluate(
            engine_answerer(engine, sampling, finished),
            made,
            model=str(model),
            levels=(level,),
            count=count,
            seed=seed,
            thinking=thinking,
        )
    if samples is not None:
        write_samples(report, samples)
    print_report(report, as_json)


def _measure_perplexity(
    model: Path, file: Path, config: EngineConfig, window: int | None, as_json: bool
) -> None:
    from naga.eval import measure_perplexity
    from naga.train.progress import counted

    def watch(nats: Iterable[float], total: int) -> Iterable[float]:
        return counted(nats, "tokens", Console(stderr=True), verb="scoring", total=total)

    print_report(
        measure_perplexity(find_model(model), file, config, window=window, watch=watch), as_json
    )
