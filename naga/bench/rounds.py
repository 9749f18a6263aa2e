"""Many short paired rounds: both sides do the same work, one right after the other.

The speed of a shared machine moves within seconds, so only pairs are compared: each round gives one
ratio per case, and who goes first alternates. A first, uncounted round warms both sides up. Knows
neither side; draws the tokens, takes the times it is told, and makes the comparisons.

B sequences of a case, C tokens each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from naga.train.progress import clock, say

Work = Literal["prefill", "decode", "train"]
Tokens = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the result."""

    work: Work
    batch: int
    context: int
    """Tokens of each sequence: the prompt, or the row that is trained on."""
    new_tokens: int = 0
    """Decode: the tokens of each sequence that are timed."""

    @property
    def timed_tokens(self) -> int:
        """What tokens/s counts."""
        return self.batch * (self.new_tokens if self.work == "decode" else self.context)

    def draw(self, generator: np.random.Generator, vocab_size: int) -> Tokens:
        """(B, C) random ids."""
        return generator.integers(vocab_size, size=(self.batch, self.context))


class Side(Protocol):
    """One of the two that are compared."""

    def seconds(self, case: Case, tokens: Tokens) -> float:
        """Do the case's work on tokens (B, C) once; the time that counts."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Tokens/s of a case on both sides, by round."""

    case: Case
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours over theirs, by round."""
        return tuple(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        return median(self.ratios)


class RoundsProgress:
    """A bar on a terminal, plain lines elsewhere; drawn between rounds only, never during one."""

    def __init__(self, console: Console, label: str, total: int) -> None:
        self._console, self._label, self._total = console, label, total
        self._started = perf_counter()
        self._done = 0
        self._bar = Progress(
            TextColumn(label),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=console,
            # No thread that redraws: it would take time from what is measured.
            auto_refresh=False,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("warm-up", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        self._bar.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self) -> None:
        """A round is over."""
        self._done += 1
        spent = perf_counter() - self._started
        eta = f"ETA {clock(spent / self._done * (self._total - self._done))}"
        self._bar.update(self._task, completed=self._done, description=eta, refresh=True)
        if not self._console.is_terminal:
            say(self._console, f"{self._label} {self._done}/{self._total}  {eta}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounds:
    """How often to compare, and with what tokens."""

    count: int
    vocab_size: int
    generator: np.random.Generator
    console: Console

    def compare(
        self, label: str, cases: Sequence[Case], ours: Side, theirs: Side
    ) -> list[Comparison]:
        """`count` pairs of each case, after a warm-up round."""
        pairs: list[list[tuple[float, float]]] = []
        with RoundsProgress(self.console, label, self.count + 1) as progress:
            for number in range(self.count + 1):
                pairs.append(
                    [
                        self._pair(case, ours, theirs, ours_first=(number + index) % 2 == 0)
                        for index, case in enumerate(cases)
                    ]
                )
                progress.step()
        # Round 0 was the warm-up: first calls choose kernels and fill caches.
        by_case = zip(*pairs[1:], strict=True)
        return [_comparison(case, found) for case, found in zip(cases, by_case, strict=True)]

    def _pair(
        self, case: Case, ours: Side, theirs: Side, *, ours_first: bool
    ) -> tuple[float, float]:
        """Seconds of both on the same tokens."""
        tokens = case.draw(self.generator, self.vocab_size)
        if ours_first:
            mine = ours.seconds(case, tokens)
            return mine, theirs.seconds(case, tokens)
        other = theirs.seconds(case, tokens)
        return ours.seconds(case, tokens), other


def _comparison(case: Case, pairs: Sequence[tuple[float, float]]) -> Comparison:
    return Comparison(
        case=case,
        ours=tuple(case.timed_tokens / ours for ours, _ in pairs),
        theirs=tuple(case.timed_tokens / theirs for _, theirs in pairs),
    )
