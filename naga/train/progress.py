"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere.

Writes to the console it is given and nowhere else; metrics.jsonl (naga/record.py) is the record.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Literal, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from naga.record import StepMetrics

ItemT = TypeVar("ItemT")
LATE_S = 2.0


class TrainingProgress:
    """A context manager around the loop; `step` after every optimizer step."""

    def __init__(self, console: Console, *, total: int, done: int, log_every: int) -> None:
        self._console, self._total, self._first, self._every = console, total, done, log_every
        self._started = perf_counter()
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, row: StepMetrics) -> None:
        text = f"loss {row.loss:.4f}  lr {row.lr:.2e}  {row.tokens_per_s:,.0f} tokens/s"
        self._bar.update(self._task, completed=row.step, description=text)
        last = row.step == self._total
        if not self._console.is_terminal and (row.step % self._every == 0 or last):
            say(
                self._console,
                f"step {row.step}/{self._total}  {text}  grad {row.grad_norm:.3f}  "
                f"ETA {clock(self._remaining(row.step))}",
            )

    def _remaining(self, step: int) -> float:
        spent = perf_counter() - self._started
        return spent / (step - self._first) * (self._total - step)


def say(console: Console, text: str) -> None:
    """One plain line, above the bar where there is one."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def counted(
    items: Iterable[ItemT],
    noun: str,
    console: Console,
    *,
    verb: str = "reading",
    total: int | None = None,
) -> Iterator[ItemT]:
    """Pass `items` on, counting them on a terminal; with a bar where their total is known."""
    with counter(noun, console, verb=verb, total=total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def counter(
    noun: str, console: Console, *, verb: str, total: int | None = None
) -> Iterator[Callable[[], None]]:
    """A bar that each call of what it gives moves by one; nothing where there is no terminal."""
    known = (BarColumn(), MofNCompleteColumn()) if total else (TextColumn("{task.completed:,}"),)
    with Progress(
        TextColumn(verb),
        *known,
        TextColumn("{task.description}"),
        RateColumn(),
        TimeRemainingColumn() if total else TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(noun, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def late_bar(
    verb: str, console: Console, *, total: int, unit: Literal["bytes", "tokens"]
) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left that shows once LATE_S have passed, on a terminal alone.

    What it gives moves the bar by so many units, from any thread.
    """
    sizes = (DownloadColumn(), TransferSpeedColumn())
    counts = (MofNCompleteColumn(), TextColumn(unit), RateColumn())
    columns = (TextColumn(verb), BarColumn(), *(sizes if unit == "bytes" else counts))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    task, started = bar.add_task(verb, total=total), perf_counter()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if console.is_terminal and perf_counter() - started > LATE_S:
            bar.start()

    try:
        yield advance
    finally:
        # One that never showed would leave an empty line.
        if bar.live.is_started:
            bar.stop()


class RateColumn(ProgressColumn):
    """Items per second, once there is a speed to speak of."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def clock(seconds: float) -> str:
    """`42s`, `3m05s`, `2h10m`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes_left:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def load_bar(total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Of reading a model's `total` bytes, on the error stream, where that takes long."""
    return late_bar("loading 加载", Console(stderr=True), total=total, unit="bytes")
