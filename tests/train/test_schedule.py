"""naga.train.schedule: warm-up, stable, decay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.train import ScheduleConfig
from naga.train.schedule import learning_rate

WSD = ScheduleConfig(steps=100, warmup_steps=10, decay_steps=25, final_lr_ratio=0.1)


def test_the_three_phases_meet_at_the_peak() -> None:
    assert learning_rate(1, 2.0, WSD) == pytest.approx(0.2)
    assert {learning_rate(step, 2.0, WSD) for step in range(10, 76)} == {2.0}
    assert learning_rate(76, 2.0, WSD) < 2.0
    assert learning_rate(100, 2.0, WSD) == pytest.approx(0.2)


def test_the_decay_is_one_minus_square_root() -> None:
    schedule = ScheduleConfig(steps=100, decay_steps=100, final_lr_ratio=0.0)
    assert learning_rate(25, 1.0, schedule) == pytest.approx(0.5)


@given(
    steps=st.integers(1, 60),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    ratio=st.floats(0, 1),
)
def test_the_rate_rises_then_falls_within_bounds(
    steps: int, cuts: tuple[float, float], ratio: float
) -> None:
    first, second = sorted(round(cut * steps) for cut in cuts)
    schedule = ScheduleConfig(
        steps=steps, warmup_steps=first, decay_steps=steps - second, final_lr_ratio=ratio
    )
    rates = [learning_rate(step, 1.0, schedule) for step in range(1, steps + 1)]
    assert all(0 <= rate <= 1 for rate in rates)
    top = max(1, first) - 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
