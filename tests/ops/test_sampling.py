"""Gumbel-max draws from the softmax, within the masks, as a pure function of its arguments."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from naga.ops.sampling import Draw, Sample, sample
from naga.ops.sampling.reference import allowed, gumbel_noise, log_softmax

LOGITS = np.array([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -3.0, 1.0], np.float32)
# Few values in long rows, so that there are ties.
logits_rows = st.one_of(
    st.lists(st.integers(0, 2), min_size=1, max_size=80),
    st.lists(st.integers(-40, 40), min_size=1, max_size=30),
).map(lambda eighths: np.array(eighths, np.float32) / 8)


def a_draw(
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    choice: int = 0,
    position: int = 0,
) -> Draw:
    return Draw(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        choice=choice,
        position=position,
    )


def chosen(row: NDArray[np.float32], draw: Draw) -> Sample:
    found = sample(row, draw)
    assert found is not None
    return found


def draw_many(draw: Draw, draws: int) -> NDArray[np.intp]:
    """How often each token is drawn, over positions and choices."""
    tokens = [
        chosen(LOGITS, replace(draw, choice=index % 3, position=index // 3)).token
        for index in range(draws)
    ]
    return np.bincount(tokens, minlength=len(LOGITS))


def chi_square(counts: NDArray[np.intp], probs: NDArray[np.float64]) -> float:
    expected = probs * counts.sum()
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature: float) -> None:
    draw = a_draw(temperature=temperature, seed=3)
    probs = np.exp(log_softmax(LOGITS.astype(np.float64) / temperature))
    # 99.9 % of true samples stay below 24.3 (7 degrees of freedom).
    assert chi_square(draw_many(draw, 6000), probs) < 24.3


def test_draws_within_a_mask_follow_the_rest_renormalised() -> None:
    probs = np.exp(log_softmax(LOGITS.astype(np.float64)))
    # 0, 1, 7 are the most likely, ids 1 and 7 being equal.
    counts = draw_many(a_draw(top_k=3, seed=5), 3000)
    kept = [0, 1, 7]
    assert counts.sum() == counts[kept].sum()
    # 99.9 % below 13.8 (2 degrees of freedom).
    assert chi_square(counts[kept], probs[kept] / probs[kept].sum()) < 13.8


@given(logits_rows, st.integers(1, 40))
def test_top_k_keeps_the_k_most_likely_lower_ids_first(row: NDArray[np.float32], k: int) -> None:
    kept = allowed(row.astype(np.float64), top_k=k, top_p=1.0)
    best = sorted(range(len(row)), key=lambda token: (-row[token], token))[:k]
    assert kept.tolist() == sorted(best)


@given(logits_rows, st.floats(0.01, 0.999), st.none() | st.integers(1, 40))
def test_top_p_keeps_the_fewest_that_reach_it(
    row: NDArray[np.float32], top_p: float, k: int | None
) -> None:
    kept = allowed(row.astype(np.float64), top_k=k, top_p=top_p)
    best = sorted(range(len(row)), key=lambda token: (-row[token], token))[:k]
    probs = np.exp(log_softmax(row[best].astype(np.float64)))
    assert kept.tolist() == sorted(best[: len(kept)])
    assert probs[: len(kept)].sum() >= top_p - 1e-12
    assert probs[: len(kept) - 1].sum() < top_p + 1e-12


@given(logits_rows, st.integers(-(2**63), 2**63 - 1), st.integers(0, 5), st.integers(0, 10**6))
def test_a_draw_is_the_same_again_and_its_logprob_is_raw(
    row: NDArray[np.float32], seed: int, choice: int, position: int
) -> None:
    draw = a_draw(0.7, 0.9, 5, seed, choice, position)
    first = chosen(row, draw)
    assert sample(row.copy(), draw) == first
    assert first.logprob == log_softmax(row.astype(np.float64))[first.token]


@given(logits_rows)
def test_temperature_zero_is_the_lowest_of_the_most_likely(row: NDArray[np.float32]) -> None:
    assert chosen(row, a_draw(temperature=0)).token == row.tolist().index(row.max())


@given(logits_rows)
def test_a_tiny_temperature_chooses_among_the_most_likely(row: NDArray[np.float32]) -> None:
    assert row[chosen(row, a_draw(temperature=1e-300)).token] == row.max()


@pytest.mark.parametrize("other", [{"seed": 1}, {"choice": 1}, {"position": 8}], ids=str)
def test_seed_choice_and_position_each_change_the_noise(other: dict[str, int]) -> None:
    base = {"seed": 0, "choice": 0, "position": 7}
    noise = [gumbel_noise(64, **given) for given in (base, base | other)]
    assert not set(noise[0]) & set(noise[1])


def test_neighbouring_positions_share_no_noise() -> None:
    # 100 000 tokens use 25 000 counter blocks; the next position starts beyond them.
    noise = [gumbel_noise(100_000, seed=0, choice=0, position=p) for p in (5, 6)]
    assert not set(noise[0]) & set(noise[1])


def test_a_tokens_noise_does_not_depend_on_the_vocabulary_size() -> None:
    long, short = (gumbel_noise(size, seed=9, choice=2, position=4) for size in (1000, 10))
    assert long[:10].tolist() == short.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(bad: float) -> None:
    row = LOGITS.copy()
    row[3] = bad
    assert sample(row, a_draw()) is None


def mask_of(tokens: list[int], size: int) -> bytes:
    return sum(1 << token for token in tokens).to_bytes((size + 7) // 8, "little")


def test_a_mask_renormalises_what_it_leaves() -> None:
    probs = np.exp(log_softmax(LOGITS.astype(np.float64)))
    kept = [1, 3, 6]
    counts = draw_many(replace(a_draw(seed=6), mask=mask_of(kept, len(LOGITS))), 3000)
    assert counts.sum() == counts[kept].sum()
    # 99.9 % below 13.8 (2 degrees of freedom).
    assert chi_square(counts[kept], probs[kept] / probs[kept].sum()) < 13.8


def test_a_bias_multiplies_probabilities() -> None:
    draw = replace(a_draw(seed=8), bias=((3, 1.5), (0, -np.inf), (3, 0.5)))
    biased = LOGITS.astype(np.float64)
    biased[3] += 2.0
    counts = draw_many(draw, 6000)
    assert counts[0] == 0
    probs = np.exp(log_softmax(biased[1:]))
    # 99.9 % below 22.5 (6 degrees of freedom).
    assert chi_square(counts[1:], probs) < 22.5


@given(logits_rows, st.data())
def test_greedy_within_a_mask_is_the_best_it_allows(
    row: NDArray[np.float32], data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.integers(0, len(row) - 1), min_size=1, unique=True))
    found = chosen(row, replace(a_draw(temperature=0), mask=mask_of(kept, len(row))))
    assert found.token == min(kept, key=lambda token: (-row[token], token))


@given(logits_rows, st.integers(1, 100))
def test_top_is_in_order_and_of_the_plain_softmax(row: NDArray[np.float32], top: int) -> None:
    draw = replace(a_draw(0.3, 0.5, 2), bias=((0, 5.0),), mask=b"\x01", top=top)
    best = sorted(range(len(row)), key=lambda token: (-row[token], token))[:top]
    logprobs = log_softmax(row.astype(np.float64))
    assert chosen(row, draw).top == tuple((token, logprobs[token]) for token in best)


def test_a_forced_token_comes_whatever_is_allowed() -> None:
    found = chosen(LOGITS, replace(a_draw(), forced=6, mask=b"\x01"))
    assert found == Sample(token=6, logprob=log_softmax(LOGITS.astype(np.float64))[6])


@pytest.mark.parametrize(
    "nothing",
    [{"mask": b"\x00"}, {"mask": b""}, {"mask": b"\x02", "bias": ((1, -np.inf),)}],
    ids=str,
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_there_is_no_sample_where_nothing_is_allowed(
    nothing: dict[str, object], temperature: float
) -> None:
    assert sample(LOGITS, replace(a_draw(temperature), **nothing)) is None
