"""naga.bench.rounds: who does what when, and what comes of the times."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from naga.bench.rounds import Case, Rounds, RoundsProgress, Tokens

PREFILL = Case(work="prefill", batch=1, context=10)
DECODE = Case(work="decode", batch=3, context=10, new_tokens=4)


class Scripted:
    """A side that takes the given seconds, and notes its calls in a log shared by both."""

    def __init__(
        self, name: str, seconds: list[float], log: list[tuple[str, Case, Tokens]]
    ) -> None:
        self._name, self._seconds, self._log = name, iter(seconds), log

    def seconds(self, case: Case, tokens: Tokens) -> float:
        self._log.append((self._name, case, tokens))
        return next(self._seconds)


def rounds(count: int, console: Console | None = None) -> Rounds:
    return Rounds(
        count=count,
        vocab_size=50,
        generator=np.random.default_rng(0),
        console=console or Console(file=StringIO()),
    )


def test_speeds_are_tokens_over_seconds_and_the_warm_up_does_not_count() -> None:
    ours, theirs = Scripted("ours", [99, 2, 1, 4], []), Scripted("theirs", [99, 4, 8, 2], [])
    (found,) = rounds(3).compare("x", [PREFILL], ours, theirs)
    assert found.ours == (5, 10, 2.5)
    assert found.theirs == (2.5, 1.25, 5)
    assert found.ratios == (2, 8, 0.5)
    assert found.ratio == 2


def test_decode_counts_the_new_tokens_of_all_sequences() -> None:
    ours, theirs = Scripted("ours", [99, 2], []), Scripted("theirs", [99, 1], [])
    (found,) = rounds(1).compare("x", [DECODE], ours, theirs)
    assert (found.ours, found.theirs) == ((6,), (12,))


def test_both_get_the_same_tokens_and_every_pair_gets_fresh_ones() -> None:
    log: list[tuple[str, Case, Tokens]] = []
    rounds(2).compare(
        "x", [PREFILL, DECODE], Scripted("ours", [1] * 6, log), Scripted("theirs", [1] * 6, log)
    )
    pairs = list(zip(log[::2], log[1::2], strict=True))
    assert all(a[2] is b[2] and a[1] is b[1] and a[0] != b[0] for a, b in pairs)
    assert all(a[2].shape == (a[1].batch, a[1].context) for a, _ in pairs)
    assert len({a[2].tobytes() for a, _ in pairs}) == len(pairs) == 6


def test_who_goes_first_alternates_in_each_case() -> None:
    log: list[tuple[str, Case, Tokens]] = []
    rounds(3).compare(
        "x", [PREFILL, DECODE], Scripted("ours", [1] * 8, log), Scripted("theirs", [1] * 8, log)
    )
    for case in (PREFILL, DECODE):
        first = [name for name, done, _ in log[::2] if done is case]
        assert first in (["ours", "theirs"] * 2, ["theirs", "ours"] * 2)


def test_progress_goes_on_lines_without_a_terminal() -> None:
    console = Console(file=StringIO())
    rounds(2, console).compare(
        "training", [PREFILL], Scripted("ours", [1] * 3, []), Scripted("theirs", [1] * 3, [])
    )
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
