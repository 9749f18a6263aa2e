"""NativeModel.sample: the tokens that the reference draws, on every instruction set."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.test_native import ISAS, native
from model.tiny import RUNTIMES, served_model
from naga.ops.sampling import Draw, Sample, sample

VOCABULARY = 61
isas = pytest.mark.parametrize("isa", ISAS)
draws = st.builds(
    Draw,
    temperature=st.sampled_from([0.0, 1e-300, 0.01, 0.7, 1.0, 3.0, 1e6]),
    top_p=st.sampled_from([1.0, 0.999, 0.9, 0.3, 1e-9]),
    top_k=st.sampled_from([None, 1, 2, 5, 60, 1000]),
    seed=st.integers(-(2**63), 2**63 - 1),
    choice=st.integers(0, 2**62),
    position=st.integers(0, 10**9),
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
