"""naga.train.progress: what a person sees."""

from io import StringIO
from typing import Literal

import pytest
from rich.console import Console

from naga.record import StepMetrics
from naga.train import progress
from naga.train.progress import TrainingProgress, clock, counted


def row(step: int) -> StepMetrics:
    return StepMetrics(
        step=step,
        loss=1.25,
        balance=0.0,
        lr=1e-3,
        grad_norm=0.5,
        expert_load=None,
        tokens=step,
        tokens_per_s=1234.5,
        seconds=1.0,
    )


def run(console: Console) -> str:
    with TrainingProgress(console, total=7, done=1, log_every=3) as shown:
        for step in range(2, 8):
            shown.step(row(step))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_without_a_terminal_every_nth_and_the_last_step_are_plain_lines() -> None:
    lines = run(Console(file=StringIO(), width=40)).splitlines()
    assert [line.split()[1] for line in lines] == ["3/7", "6/7", "7/7"]
    assert all("loss 1.2500  lr 1.00e-03  1,234 tokens/s  grad 0.500  ETA " in x for x in lines)


def test_on_a_terminal_a_bar_shows_loss_and_speed() -> None:
    shown = run(Console(file=StringIO(), width=120, force_terminal=True))
    assert "7/7" in shown and "loss 1.2500" in shown and "1,234 tokens/s" in shown
    assert "grad" not in shown


def test_counting_passes_items_on() -> None:
    console = Console(file=StringIO(), force_terminal=True)
    assert list(counted(iter("abc"), "documents", console)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7800, "2h10m")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("unit", ["bytes", "tokens"])
def test_a_late_bar_shows_rate_and_time_left_once_it_is_late(
    monkeypatch: pytest.MonkeyPatch, unit: Literal["bytes", "tokens"]
) -> None:
    shown = {}
    for late, terminal in ((-1.0, True), (1e9, True), (-1.0, False)):
        monkeypatch.setattr(progress, "LATE_S", late)
        console = Console(file=StringIO(), width=120, force_terminal=terminal)
        with progress.late_bar("hashing", console, total=3000, unit=unit) as advance:
            for _ in range(3):
                advance(1000)
        assert isinstance(console.file, StringIO)
        shown[late, terminal] = console.file.getvalue()
    assert "hashing" in shown[-1.0, True] and "/s" in shown[-1.0, True]
    assert "0:00:00" in shown[-1.0, True]
    assert shown[1e9, True] == shown[-1.0, False] == ""
