"""`naga eval`: accuracy on held-out problems and public sets, or how well a model predicts a text.

What is asked is put together in naga/cli/asking.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.asking import Questions, Target
from naga.cli.options import (
    AsJson,
    Backend,
    Device,
    DtypeOption,
    Kv,
    MaxTokens,
    QuotedTexts,
    Seed,
    Thinking,
    TopP,
    Weights,
    engine_config,
    read_texts,
    sampling_params,
)
from naga.cli.printing import print_report
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig

if TYPE_CHECKING:
    from naga.engine.request import SamplingParams
    from naga.eval import Plan, Report

KEY = "OPENAI_API_KEY"


def evaluate(
    model: Annotated[
        str,
        typer.Argument(help="Checkpoint folder, OWNER/NAME on the hub, or URL of a server. 模型"),
    ],
    tasks: Annotated[
        str, typer.Option(help="Comma-separated tasks and groups, or all. 任务或任务组")
    ] = "",
    level: Annotated[Literal["easy", "medium", "hard", "all"], typer.Option(help="难度")] = "easy",
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Problems per task; default 200, of files all. 每项题数"),
    ] = None,
    seed: Seed = 0,
    n: Annotated[int, typer.Option("--n", min=1, help="Answers to a problem. 每题回答数")] = 1,
    temperature: Annotated[float, typer.Option(help="Above 0 for --n. 采样温度")] = 0.0,
    top_p: TopP = 1.0,
    max_tokens: MaxTokens = 512,
    thinking: Thinking = True,
    chinese: Annotated[float, typer.Option(min=0, max=1, help="Share in Chinese.")] = 0.3,
    data: Annotated[
        list[str] | None, typer.Option(help="PATH of a public set, or NAME=PATH. 公开评测集文件")
    ] = None,
    shots: Annotated[
        list[str] | None, typer.Option(help="PATH:COUNT of worked examples, or NAME=PATH:COUNT.")
    ] = None,
    grid: Annotated[
        str, typer.Option(help="needles or key_values: LENGTHS/DEPTHS, as 1000,4000/0,0.5,1.")
    ] = "",
    contamination: Annotated[
        list[Path] | None, typer.Option(help="Training files to look for the problems in. 污染检查")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report and samples; resumes. 输出目录")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Write every answer here (jsonl).")] = None,
    model_name: Annotated[str, typer.Option(help="Of a server: which of its models.")] = "",
    key_env: Annotated[str, typer.Option(help="Variable that has the server's key.")] = KEY,
    concurrency: Annotated[int, typer.Option(min=1, help="Of a server: answers at once.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Of a server: seconds.")] = 600.0,
    dtype: DtypeOption = None,
    weights: Weights = None,
    kv: Kv = None,
    device: Device = "cpu",
    backend: Backend = None,
    documents: QuotedTexts = None,
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
    """Accuracy with 95 % intervals, of a checkpoint or of a server. 评测."""
    config = engine_config(dtype, weights, kv, device, backend)
    if perplexity is not None:
        if tasks or documents or samples or data or grid or out or shots or contamination or n > 1:
            raise ConfigError("--perplexity runs no tasks: leave out what is for tasks")
        return _measure_perplexity(Path(model), perplexity, config, window, as_json)
    if window is not None:
        raise ConfigError("--window is for --perplexity: name a text with it")
    if n > 1 and temperature == 0:
        raise ConfigError("--n: at temperature 0 all answers are the same; give --temperature")
    questions = Questions(
        tasks=tasks,
        level=level,
        count=count,
        seed=seed,
        thinking=thinking,
        chinese=chinese,
        data=tuple(data or ()),
        shots=tuple(shots or ()),
        grid=grid,
        documents=tuple(read_texts(documents)),
    )
    target = Target(
        model=model,
        config=config,
        name=model_name,
        key_env=key_env,
        concurrency=concurrency,
        timeout_s=timeout,
    )
    run = _Run(
        questions=questions,
        target=target,
        sampling=sampling_params(temperature, top_p, seed, max_tokens),
        answers=n,
        training_files=tuple(contamination or ()),
        out=out,
        samples=samples,
    )
    print_report(run(), as_json)


@dataclass(frozen=True, kw_only=True)
class _Run:
    questions: Questions
    target: Target
    sampling: "SamplingParams"
    answers: int
    training_files: tuple[Path, ...]
    out: Path | None
    samples: Path | None

    def __call__(self) -> "Report":
        from naga.bench.report import make_room
        from naga.eval import evaluate_items, open_store, write_pages, write_samples
        from naga.eval.plots import require_matplotlib
        from naga.tasks import Judging
        from naga.train.progress import counter

        make_room(self.samples)
        if self.out is not None:
            require_matplotlib()
        kept = None if self.out is None else self.out / "samples.jsonl"
        with Judging() as judging:
            items = self.questions.items(judging)
            total = self.answers * sum(len(item.examples) for item in items)
            progress = counter("answers", Console(stderr=True), verb="evaluating", total=total)
            with (
                self.target.opened(self.sampling, lasting=kept is not None) as answerer,
                open_store(kept) as store,
                progress as finished,
            ):
                report = evaluate_items(answerer, items, self._plan(), store, finished)
        if self.samples is not None:
            write_samples(report, self.samples)
        if self.out is not None:
            write_pages(report, self.out)
        return report

    def _plan(self) -> "Plan":
        from naga.eval import Plan

        sampling = self.sampling
        return Plan(
            model=self.target.model if not self.target.name else self.target.name,
            seed=self.questions.seed,
            thinking=self.questions.thinking,
            samples=self.answers,
            training_files=self.training_files,
            settings=(
                ("temperature", f"{sampling.temperature:g}"),
                ("top_p", f"{sampling.top_p:g}"),
                ("max_tokens", f"{sampling.max_tokens}"),
            ),
        )


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
