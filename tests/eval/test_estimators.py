"""pass@k and maj@k against counting every choice; intervals against published values."""

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.eval import Score
from naga.eval.estimators import canonical, majority_at, pass_at, powers_up_to, wilson

ANSWERS = st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=9)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_choices_with_a_right_answer(n: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    answers = [True] * right + [False] * (n - right)
    counted = fmean(any(chosen) for chosen in combinations(answers, k))
    assert pass_at(k, right, n) == pytest.approx(counted)


def test_pass_at_k_stays_exact_for_many_answers() -> None:
    assert pass_at(100, 1, 10_000) == pytest.approx(0.01)
    assert pass_at(1, 2_500, 10_000) == pytest.approx(0.25)
    for k in (0, 5):
        with pytest.raises(ValueError, match="of 4 answers"):
            pass_at(k, 1, 4)


@given(ANSWERS, st.data())
def test_majority_is_what_counting_the_blocks_gives(votes: list[str], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(votes)))
    scores = [float(vote == "a") for vote in votes]

    def block(start: int) -> float:
        counts = {v: votes[start : start + k].count(v) for v in "abc"}
        most = max(counts.values())
        winners = [v for v, count in counts.items() if count == most > 0]
        return winners.count("a") / len(winners) if winners else 0.0

    expected = fmean(block(start) for start in range(0, len(votes) - k + 1, k))
    assert majority_at(k, votes, scores) == pytest.approx(expected)


def test_majority_of_one_is_the_mean_and_a_tie_is_shared() -> None:
    assert majority_at(1, ["a", "b", "a"], [1.0, 0.0, 1.0]) == pytest.approx(2 / 3)
    assert majority_at(2, ["a", "b"], [1.0, 0.0]) == 0.5
    assert majority_at(3, ["", "", ""], [0.0, 0.0, 0.0]) == 0.0


def test_answers_that_mean_the_same_vote_together() -> None:
    same = ["so \\boxed{0.5}", "The answer is 0.5.", "0.5", " 0.5\n"]
    assert len({canonical(reply) for reply in same}) == 1
    assert canonical("") == canonical(" \n") == ""
    assert canonical("word " * 1000) == ""
    assert canonical("b") != canonical("a")


@given(st.integers(1, 500))
def test_reported_k_begin_at_one_and_end_with_all(most: int) -> None:
    found = powers_up_to(most)
    assert found[0] == 1 and found[-1] == most and list(found) == sorted(set(found))


def test_wilson_interval_equals_published_values() -> None:
    # Newcombe 1998, table I, method 3 (Wilson without continuity correction).
    for points, count, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(points, count) == pytest.approx((low, high), abs=5e-5)
        values = (1.0,) * points + (0.0,) * (count - points)
        assert Score(values=values).interval == pytest.approx((low, high), abs=5e-5)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=60))
def test_interval_holds_the_accuracy(values: list[float]) -> None:
    score = Score(values=tuple(values))
    low, high = score.interval
    assert 0.0 <= low <= score.accuracy + 1e-9 and score.accuracy - 1e-9 <= high <= 1.0


def test_bootstrap_is_as_wide_as_theory_says_and_repeats_itself() -> None:
    values = tuple((i % 4) / 3 for i in range(400))
    low, high = Score(values=values).interval
    deviation = (sum((v - 0.5) ** 2 for v in values) / 400) ** 0.5
    assert high - low == pytest.approx(2 * 1.96 * deviation / 20, rel=0.1)
    assert Score(values=values).interval == (low, high)


def test_a_score_of_nothing_says_so() -> None:
    score = Score(values=())
    assert score.count == 0 and score.accuracy != score.accuracy and score.interval == (0.0, 1.0)
