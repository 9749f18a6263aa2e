"""naga.rl.advantages: who is better than his group, and what a token counts."""

import numpy as np
import pytest

from naga.rl.advantages import group_advantages, is_degenerate, make_samples, weigh
from naga.rl.algorithms import ALGORITHMS, make_algorithm
from rl.tiny import algorithm, answer, group


def test_advantages_are_centred_and_over_the_deviation() -> None:
    found = group_advantages(
        group(answer(1), answer(0), answer(0), answer(0)), normalise="std", adjust="none"
    )
    assert found == pytest.approx(np.array([0.75, -0.25, -0.25, -0.25]) / (0.5 + 1e-4))
    plain = group_advantages(group(answer(1), answer(0)), normalise="mean", adjust="none")
    assert plain == pytest.approx([0.5, -0.5])


def test_a_wrong_answer_never_gains() -> None:
    """Here the better of two wrong ones, and of two right ones the worse."""
    wrong = group(answer(0.4, score=0.4), answer(0.0))
    assert group_advantages(wrong, normalise="std", adjust="none").max() > 0
    assert group_advantages(wrong, normalise="std", adjust="wrong").max() == 0
    right = group(answer(0.8, score=1.0), answer(1.2, score=1.0))
    assert group_advantages(right, normalise="std", adjust="wrong").min() < 0
    assert group_advantages(right, normalise="std", adjust="both").min() == 0


def test_equal_answers_teach_nothing() -> None:
    assert is_degenerate(group(answer(0.1), answer(0.1), answer(0.1)), algorithm())
    assert not is_degenerate(group(answer(1.0), answer(0.1)), algorithm())


def test_truncated_answers_are_compared_but_not_learned() -> None:
    found = group(answer(1.0), answer(0.0, reason="length"))
    kept = make_samples([found], algorithm(), mask_truncated=True)
    assert len(kept) == 1 and kept[0].advantages.max() > 0
    assert len(make_samples([found], algorithm(), mask_truncated=False)) == 2


@pytest.mark.parametrize("name", ALGORITHMS)
def test_weights_sum_to_one_over_an_update(name: str) -> None:
    groups = [group(answer(1, 2), answer(0, 5)), group(answer(1, 7), answer(0, 1))]
    samples = make_algorithm(algorithm(name=name)).samples(groups)
    assert sum(float(sample.weights.sum()) for sample in samples) == pytest.approx(1)


def test_sequences_or_tokens_count_alike() -> None:
    samples = make_samples([group(answer(1, 2), answer(0, 6))], algorithm(), mask_truncated=False)
    by_sequence, by_token = (weigh(samples, per, None) for per in ("sequence", "token"))
    assert [sample.weights.max() for sample in by_sequence] == pytest.approx([1 / 4, 1 / 12])
    assert [sample.weights.max() for sample in by_token] == pytest.approx([1 / 8, 1 / 8])


@pytest.mark.parametrize("per", ["sequence", "token"])
def test_a_mode_token_is_weighed_apart(per: str) -> None:
    samples = make_samples([group(answer(1, 3), answer(0, 5))], algorithm(), mask_truncated=False)
    for sample in weigh(samples, per, 0.3):  # type: ignore[arg-type]
        first = int(sample.learned.argmax())
        assert sample.weights[first] == pytest.approx(0.15)
        others = np.delete(sample.weights, first)
        assert (others.sum() == pytest.approx(0.5)) == (per == "sequence")
    total = sum(sample.weights.sum() for sample in weigh(samples, per, 0.3))  # type: ignore[arg-type]
    assert total == pytest.approx(1.3)


def test_best_of_n_keeps_the_better_answers_alone() -> None:
    chosen = make_algorithm(algorithm(name="best_of_n"))
    samples = chosen.samples([group(answer(1), answer(0), answer(0))])
    assert len(samples) == 1 and samples[0].advantages.max() > 0
