"""naga.train.progress: what a person sees."""

from io import StringIO

import pytest
from rich.console import Console

from naga.record import StepMetrics
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
    with TrainingProgress(console, total=7, done=1, log_every=3) as progress:
        for step in range(2, 8):
            progress.step(row(step))
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
