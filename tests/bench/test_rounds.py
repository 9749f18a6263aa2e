"""naga.bench.rounds: who does what when, and what comes of the times."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from naga.bench.limits import Rates
from naga.bench.rounds import Case, Contender, Name, Rounds, RoundsProgress, Tokens

PREFILL = Case(work="prefill", batch=1, context=10)
DECODE = Case(work="decode", batch=3, context=10, new_tokens=4)
OURS = Name(engine="naga", version="1", precision="int8")
THEIRS = Name(engine="other", version="2", precision="bf16")


class Scripted:
    """A side that takes the given seconds, and notes its calls in a log shared by both."""

    def __init__(
        self, name: str, seconds: list[float], log: list[tuple[str, Case, Tokens]]
    ) -> None:
        self._name, self._seconds, self._log = name, iter(seconds), log

    def seconds(self, case: Case, tokens: Tokens) -> float:
        self._log.append((self._name, case, tokens))
        return next(self._seconds)


class Readings:
    """A meter whose bandwidth is 1, 2, 3, ..."""

    def __init__(self) -> None:
        self.taken = 0

    def read(self, case: Case) -> Rates:
        self.taken += 1
        return Rates(bytes_per_s=float(self.taken))


def rounds(count: int, console: Console | None = None) -> Rounds:
    return Rounds(
        count=count,
        vocab_size=50,
        generator=np.random.default_rng(0),
        console=console or Console(file=StringIO()),
    )


def pair(
    ours: list[float], theirs: list[float], log: list[tuple[str, Case, Tokens]]
) -> tuple[Contender, Contender]:
    return (
        Contender(name=OURS, side=Scripted("ours", ours, log)),
        Contender(name=THEIRS, side=Scripted("theirs", theirs, log)),
    )


def test_ratios_are_of_pairs_and_the_warm_up_does_not_count() -> None:
    (found,) = rounds(3).compare("x", [PREFILL], *pair([99, 2, 1, 4], [99, 4, 8, 2], []))
    assert (found.ours.name, found.theirs.name) == (OURS, THEIRS)
    assert found.ours.seconds == (2, 1, 4)
    assert found.theirs.seconds == (4, 8, 2)
    assert found.ratios == (2, 8, 0.5)
    assert found.ratio == 2
    assert found.ours.of_limit is None


def test_decode_counts_the_new_tokens_of_all_sequences() -> None:
    assert (PREFILL.timed_tokens, DECODE.timed_tokens) == (10, 12)


def test_an_empty_context_has_a_prompt_of_one_token() -> None:
    case = Case(work="decode", batch=2, context=0, new_tokens=1)
    assert case.draw(np.random.default_rng(0), 9).shape == (2, 1)


def test_each_is_held_against_the_readings_before_and_after_it() -> None:
    ours, theirs = (
        Contender(name=one.name, side=one.side, limit=lambda _, rates: 10 * rates.bytes_per_s)
        for one in pair([1, 100, 100], [1, 50, 50], [])
    )
    (found,) = rounds(2).compare("x", [PREFILL], ours, theirs, Readings())
    # Readings 4, 5, 6 of round 1, where they go first, and 7, 8, 9 of round 2.
    assert found.theirs.limits == (45, 85)
    assert found.ours.limits == (55, 75)
    assert found.ours.shares == (0.55, 0.75)
    assert found.theirs.of_limit == pytest.approx(1.3)


def test_both_get_the_same_tokens_and_every_pair_gets_fresh_ones() -> None:
    log: list[tuple[str, Case, Tokens]] = []
    rounds(2).compare("x", [PREFILL, DECODE], *pair([1] * 6, [1] * 6, log))
    pairs = list(zip(log[::2], log[1::2], strict=True))
    assert all(a[2] is b[2] and a[1] is b[1] and a[0] != b[0] for a, b in pairs)
    assert all(a[2].shape == (a[1].batch, a[1].context) for a, _ in pairs)
    assert len({a[2].tobytes() for a, _ in pairs}) == len(pairs) == 6


def test_a_case_is_over_before_the_next_begins_and_who_goes_first_alternates() -> None:
    log: list[tuple[str, Case, Tokens]] = []
    rounds(3).compare("x", [PREFILL, DECODE], *pair([1] * 8, [1] * 8, log))
    assert [case for _, case, _ in log] == [PREFILL] * 8 + [DECODE] * 8
    assert [name for name, _, _ in log[::2]] == ["ours", "theirs"] * 4


def test_progress_goes_on_lines_without_a_terminal() -> None:
    console = Console(file=StringIO())
    rounds(2, console).compare("training", [PREFILL], *pair([1] * 3, [1] * 3, []))
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"training {n}/3" for n in (1, 2, 3)]
    assert lines[-1].endswith("ETA 0s")


@pytest.mark.parametrize("total", [1, 4])
def test_a_terminal_shows_a_bar(total: int) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=100)
    with RoundsProgress(console, "inference", total) as progress:
        for _ in range(total):
            progress.step()
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert f"0/{total}" in shown and f"{total}/{total}" in shown and "ETA 0s" in shown
