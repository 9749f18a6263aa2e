"""NativeModel.sample: the tokens that the reference draws, on every instruction set.

Rows of one chunk (61 logits) and of several (3001), which threads share.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.test_native import ISAS, native
from model.tiny import CONFIGS, RUNTIMES, served_model
from naga.model.native import NativeModel
from naga.ops.sampling import Draw, Sample, sample

VOCABULARY = 61
LONG = 3001
isas = pytest.mark.parametrize("isa", ISAS)
# Tokens beyond the vocabulary have bits too; all are allowed, few, or none.
masks = (
    st.none() | st.binary(max_size=(LONG + 31) // 32 * 4) | st.sampled_from([b"", b"\xff" * 500])
)
biases = st.lists(
    st.tuples(
        st.integers(0, VOCABULARY - 1),
        st.integers(-800, 800).map(lambda n: n / 8) | st.just(-np.inf),
    ),
    max_size=5,
).map(tuple)
draws = st.builds(
    Draw,
    temperature=st.sampled_from([0.0, 1e-300, 0.01, 0.7, 1.0, 3.0, 1e6]),
    top_p=st.sampled_from([1.0, 0.999, 0.9, 0.3, 1e-9]),
    top_k=st.sampled_from([None, 1, 2, 5, 60, 1000]),
    seed=st.integers(-(2**63), 2**63 - 1),
    choice=st.integers(0, 2**62),
    position=st.integers(0, 10**9),
)
restricted_draws = st.builds(
    lambda draw, **wishes: replace(draw, **wishes),
    draws,
    bias=biases,
    mask=masks,
    forced=st.none() | st.integers(0, VOCABULARY - 1),
    top=st.sampled_from([0, 1, 5, 20, 10_000]),
)


@isas
@given(draws, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 1.0, 8.0, 60.0]))
def test_it_draws_the_token_of_the_reference(
    isa: str, draw: Draw, source: int, spread: float
) -> None:
    model = native(served_model("M", RUNTIMES["float32"]), "float32", isa, threads=2)
    random = np.random.default_rng(source)
    logits = (random.normal(size=(3, VOCABULARY)) * spread).astype(np.float32)
    # Equal logits, negative ones alone, and far ones.
    logits[1] = np.round(logits[1])
    logits[2] -= 1000
    for found, row in zip(model.sample(torch.tensor(logits), [draw] * 3), logits, strict=True):
        expected = sample(row, draw)
        assert found is not None and expected is not None
        assert found.token == expected.token
        assert found.logprob == pytest.approx(expected.logprob, abs=2e-6)


def long_rows(isa: str, threads: int) -> NativeModel:
    config = CONFIGS["M"].model_copy(update={"vocab_size": LONG})
    return NativeModel(config, torch.float32, threads, isa)


def varied(source: int, spread: float) -> NDArray[np.float32]:
    """Rows (5, LONG): as they come, with ties, of both zeros, all alike, one far above the rest."""
    random = np.random.default_rng(source)
    logits = (random.normal(size=(5, LONG)) * spread).astype(np.float32)
    logits[1] = np.round(logits[1])
    logits[2] = np.copysign(np.float32(0), logits[2])
    logits[3] = logits[3, 0]
    logits[4, 7] += 30
    return logits


@isas
@given(draws, st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.3, 3.0]), st.integers(1, 3))
@settings(max_examples=40)
def test_it_draws_the_token_of_the_reference_from_long_rows(
    isa: str, draw: Draw, source: int, spread: float, threads: int
) -> None:
    logits = varied(source, spread)
    found = long_rows(isa, threads).sample(torch.tensor(logits), [draw] * 5)
    expected = [sample(row, draw) for row in logits]
    assert [one and one.token for one in found] == [one and one.token for one in expected]


@isas
@given(restricted_draws, st.integers(0, 2**32 - 1), st.sampled_from([0.3, 3.0]), st.integers(1, 3))
@settings(max_examples=60)
def test_bias_mask_force_and_top_are_those_of_the_reference(
    isa: str, draw: Draw, source: int, spread: float, threads: int
) -> None:
    logits = varied(source, spread)
    found = long_rows(isa, threads).sample(torch.tensor(logits), [draw] * 5)
    for one, row in zip(found, logits, strict=True):
        expected = sample(row, draw)
        if expected is None:
            assert one is None
            continue
        assert one is not None and one.token == expected.token
        assert [token for token, _ in one.top] == [token for token, _ in expected.top]
        assert [one.logprob, *(logprob for _, logprob in one.top)] == pytest.approx(
            [expected.logprob, *(logprob for _, logprob in expected.top)], abs=2e-6
        )


@isas
def test_bias_and_forced_tokens_beyond_the_vocabulary_are_refused(isa: str) -> None:
    draw = Draw(temperature=1.0, top_p=1.0, top_k=None, seed=0, choice=0, position=0)
    for bad in (
        replace(draw, bias=((LONG, 1.0),)),
        replace(draw, bias=((-1, 1.0),)),
        replace(draw, bias=((0, np.inf),)),
        replace(draw, bias=((0, np.nan),)),
        replace(draw, forced=LONG),
    ):
        with pytest.raises(ValueError, match=r"bias|forced"):
            long_rows(isa, 1).sample(torch.zeros(1, LONG), [bad])


@isas
@given(draws | restricted_draws, st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_neither_threads_nor_other_rows_change_a_bit(isa: str, draw: Draw, source: int) -> None:
    logits = torch.tensor(varied(source, 3.0))
    alone = [long_rows(isa, 1).sample(row[None], [draw])[0] for row in logits]
    for threads in (1, 2, 3):
        model = long_rows(isa, threads)
        for rows in range(1, 6):
            assert model.sample(logits[:rows], [draw] * rows) == alone[:rows]


@isas
@pytest.mark.parametrize("top_k", [1, 2, 7])
def test_every_token_that_top_k_leaves_is_drawn_and_no_other(isa: str, top_k: int) -> None:
    model, logits = long_rows(isa, 2), torch.zeros(1, LONG)
    # The most likely, then the lowest ids of those that are equally likely.
    logits[0, 2000:2003] = 0.01
    draws = [
        Draw(temperature=1.0, top_p=1.0, top_k=top_k, seed=4, choice=0, position=position)
        for position in range(30 * top_k)
    ]
    found = model.sample(logits.expand(len(draws), LONG).contiguous(), draws)
    kept = [2000, 2001, 2002, 0, 1, 2, 3][:top_k]
    assert {one.token for one in found if one} == set(kept)


@isas
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 30, VOCABULARY - 1])
def test_a_row_that_is_not_finite_has_no_token(isa: str, bad: float, place: int) -> None:
    model = native(served_model("M", RUNTIMES["float32"]), "float32", isa)
    logits = torch.zeros(2, VOCABULARY)
    logits[1, place] = bad
    draw = Draw(temperature=1.0, top_p=1.0, top_k=None, seed=0, choice=0, position=0)
    first, second = model.sample(logits, [draw, draw])
    assert isinstance(first, Sample) and second is None
