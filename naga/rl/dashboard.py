"""What a person sees while a run goes on: live panels on a terminal, plain lines elsewhere.

Writes to the console it is given and nowhere else; metrics.jsonl (record.py) is the record.
"""

from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from naga.rl.record import RlMetrics
from naga.rl.types import Group as Answers
from naga.train.progress import clock, say

BARS = "▁▂▃▄▅▆▇█"
KEPT = 60
SHOWN_TEXT = 400


class Dashboard:
    """A context manager around the loop; `step` after every step."""

    def __init__(self, console: Console, *, total: int, done: int, log_every: int) -> None:
        self._console, self._total, self._first, self._every = console, total, done, log_every
        self._started = perf_counter()
        self._rewards: deque[float] = deque(maxlen=KEPT)
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def step(self, row: RlMetrics, shown: Answers | None) -> None:
        """`shown`: a group of this step, of which the best answer is seen."""
        if row.reward is not None:
            self._rewards.append(row.reward)
        if self._live.is_started:
            self._live.update(self._page(row, shown), refresh=True)
        elif row.step % self._every == 0 or row.step == self._total:
            eta = clock(self._remaining(row.step))
            say(self._console, f"step {row.step}/{self._total}  {summary(row)}  ETA {eta}")

    def _page(self, row: RlMetrics, shown: Answers | None) -> RenderableType:
        bar = ProgressBar(total=self._total, completed=row.step, width=40)
        left = clock(self._remaining(row.step))
        parts: list[RenderableType] = [
            Columns([Text(f"step {row.step}/{self._total}"), bar, Text(f"ETA {left}")]),
            Text(f"reward {sparkline(list(self._rewards))}"),
            _table(row),
        ]
        if shown is not None:
            parts.append(_answer(shown))
        return Group(*parts)

    def _remaining(self, step: int) -> float:
        spent = perf_counter() - self._started
        return spent / max(1, step - self._first) * (self._total - step)


def summary(row: RlMetrics) -> str:
    """One line."""
    return "  ".join(f"{name} {value}" for name, value in _facts(row))


def _facts(row: RlMetrics) -> list[tuple[str, str]]:
    """Names and values, of what the step has."""
    found = (
        ("reward", row.reward, ".3f"),
        ("pass", row.pass_rate, ".3f"),
        ("entropy", row.entropy, ".3f"),
        ("kl", row.kl, ".4f"),
        ("clip", row.clipped, ".3f"),
        ("mismatch", row.mismatch, ".4f"),
        ("tokens", row.length, ".0f"),
        ("think", row.think_rate, ".2f"),
    )
    seconds = row.rollout_s + row.reward_s + row.train_s
    return [
        *((name, f"{value:{form}}") for name, value, form in found if value is not None),
        ("groups", f"{row.groups}+{row.degenerate + row.dropped}"),
        ("seconds", f"{seconds:.1f}"),
    ]


def _table(row: RlMetrics) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _facts(row):
        table.add_row(name, value)
    times = f"{row.rollout_s:.1f} + {row.reward_s:.1f} + {row.train_s:.1f}"
    table.add_row("rollout + reward + training", times)
    return table


def _answer(group: Answers) -> Panel:
    best = max(group.answers, key=lambda answer: answer.reward)
    question = group.prompt.example.prompt[-1].content[-SHOWN_TEXT:]
    text = Text(f"{question}\n", style="bold")
    text.append(best.rollout.reasoning[-SHOWN_TEXT:], style="dim")
    text.append(f"\n{best.rollout.text[-SHOWN_TEXT:]}")
    return Panel(text, title=f"reward {best.reward:.2f}, {best.rollout.num_chosen} tokens")


def sparkline(values: Sequence[float]) -> str:
    """One bar each, between the lowest and the highest."""
    if not values:
        return ""
    low, span = min(values), (max(values) - min(values)) or 1.0
    return "".join(BARS[int((value - low) / span * (len(BARS) - 1))] for value in values)
