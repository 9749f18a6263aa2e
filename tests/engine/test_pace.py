"""The pace: what is bounded, what is learned, and what no measurement can break."""

from hypothesis import given
from hypothesis import strategies as st

from naga.engine.pace import LEAST, STRETCH, Pace

CHUNK = 512


def taught(decode_s: float, token_s: float) -> Pace:
    pace = Pace(CHUNK)
    for _ in range(50):
        pace.observe(4, 0, decode_s)
        pace.observe(4, 100, decode_s + 100 * token_s)
    return pace


def test_where_nobody_waits_for_a_token_a_step_is_as_long_as_may_be() -> None:
    assert Pace(CHUNK).budget(0) == taught(0.05, 0.01).budget(0) == CHUNK


def test_a_step_beside_answers_is_so_many_times_a_plain_one() -> None:
    decode_s, token_s = 0.05, 0.001
    budget = taught(decode_s, token_s).budget(4)
    assert abs(decode_s + budget * token_s - STRETCH * decode_s) < 0.002


def test_it_follows_the_machine() -> None:
    pace = taught(0.05, 0.001)
    before = pace.budget(4)
    for _ in range(50):
        pace.observe(4, 100, 0.05 + 100 * 0.002)
    assert pace.budget(4) < 0.6 * before


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 600), st.floats(0, 1e308)), max_size=20),
    st.integers(1, 9),
    st.integers(1, 600),
)
def test_any_times_give_a_budget_within_bounds(
    steps: list[tuple[int, int, float]], decoding: int, chunk: int
) -> None:
    pace = Pace(chunk)
    for step in steps:
        pace.observe(*step)
    assert min(LEAST, chunk) <= pace.budget(decoding) <= chunk
