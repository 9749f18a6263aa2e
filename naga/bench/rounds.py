"""Many short paired rounds: two contenders do the same work, one right after the other.

The speed of a shared machine moves within seconds, so only pairs are compared: each round gives one
ratio, and who goes first alternates. A first, uncounted round warms both up. A meter, if there is
one, reads the machine's limits before, between and after the two, and each is held against the
readings on its own sides. Knows neither contender; draws the tokens, takes the times it is told.

B sequences of a case, C tokens each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from naga.bench.limits import Kv, Precision, Rates, average
from naga.train.progress import clock, say

Work = Literal["prefill", "decode", "train"]
Tokens = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the result."""

    work: Work
    batch: int
    context: int
    """Tokens of each sequence: the prompt, or the row that is trained on. Decode from an empty
    context (0) has a prompt of one token."""
    new_tokens: int = 0
    """Decode: the tokens of each sequence that are timed in a round."""
    continued: bool = False
    """Decode: later rounds go on with the same sequences, as reading a long prompt takes long."""

    @property
    def timed_tokens(self) -> int:
        """What tokens/s counts."""
        return self.batch * (self.new_tokens if self.work == "decode" else self.context)

    @property
    def prompt_len(self) -> int:
        return max(self.context, 1)

    def draw(self, generator: np.random.Generator, vocab_size: int) -> Tokens:
        """(B, C) random ids."""
        return generator.integers(vocab_size, size=(self.batch, self.prompt_len))


class Side(Protocol):
    """One of the two that are compared."""

    def seconds(self, case: Case, tokens: Tokens) -> float:
        """Do the case's work on tokens (B, C) once; the time that counts."""


class Meter(Protocol):
    def read(self, case: Case) -> Rates:
        """What the machine can do now, of what the case needs."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """Who did it, and with what weights."""

    engine: str
    version: str
    precision: Precision
    kv: Kv | None = None

    @property
    def format(self) -> str:
        """`int4`, or `int4 kv8` where keys and values are int8."""
        return self.precision if self.kv is None else f"{self.precision} kv8"

    def __str__(self) -> str:
        return f"{self.engine} {self.format}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Contender:
    name: Name
    side: Side
    limit: Callable[[Case, Rates], float] | None = None
    """Seconds of a case on a machine that is never slower than these rates."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Of one contender on one case, by round."""

    name: Name
    seconds: tuple[float, ...]
    limits: tuple[float, ...] = ()
    """Seconds at the limit; none without a meter."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the machine's limit, that was reached."""
        return tuple(limit / took for limit, took in zip(self.limits, self.seconds, strict=False))

    @property
    def of_limit(self) -> float | None:
        return median(self.shares) if self.shares else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    case: Case
    ours: Times
    theirs: Times

    @property
    def ratios(self) -> tuple[float, ...]:
        """Our speed over theirs, by round."""
        pairs = zip(self.ours.seconds, self.theirs.seconds, strict=True)
        return tuple(theirs / ours for ours, theirs in pairs)

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


@dataclass(frozen=True, kw_only=True)
class _Sample:
    seconds: float
    limit: float | None
    """Seconds at the limit, where there is a meter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounds:
    """How often to compare, and with what tokens."""

    count: int
    vocab_size: int
    generator: np.random.Generator
    console: Console

    def compare(
        self,
        label: str,
        cases: Sequence[Case],
        ours: Contender,
        theirs: Contender,
        meter: Meter | None = None,
    ) -> list[Comparison]:
        """`count` pairs of each case, after a warm-up round of it; one case after the other."""
        found = []
        with RoundsProgress(self.console, label, len(cases) * (self.count + 1)) as progress:
            for case in cases:
                pairs = []
                for number in range(self.count + 1):
                    pairs.append(self._pair(case, ours, theirs, meter, ours_first=number % 2 == 0))
                    progress.step()
                # Pair 0 was the warm-up: first calls choose kernels and fill caches.
                mine, others = zip(*pairs[1:], strict=True)
                times = {"ours": _times(ours.name, mine), "theirs": _times(theirs.name, others)}
                found.append(Comparison(case=case, **times))
        return found

    def _pair(
        self,
        case: Case,
        ours: Contender,
        theirs: Contender,
        meter: Meter | None,
        *,
        ours_first: bool,
    ) -> tuple[_Sample, _Sample]:
        """Ours and theirs, on the same tokens."""
        tokens = case.draw(self.generator, self.vocab_size)
        readings = [meter.read(case)] if meter else []
        samples = []
        for contender in (ours, theirs) if ours_first else (theirs, ours):
            seconds, limit = contender.side.seconds(case, tokens), None
            if meter and contender.limit:
                readings.append(meter.read(case))
                limit = contender.limit(case, average(*readings[-2:]))
            samples.append(_Sample(seconds=seconds, limit=limit))
        first, second = samples
        return (first, second) if ours_first else (second, first)


def _times(name: Name, samples: Sequence[_Sample]) -> Times:
    return Times(
        name=name,
        seconds=tuple(sample.seconds for sample in samples),
        limits=tuple(sample.limit for sample in samples if sample.limit is not None),
    )
