"""int8 keys and values: near the exact value, the same in both backends, bitwise exact."""

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.schedule import run_schedule
from model.test_lm import distance, exact_logits, row_logits
from model.test_native import ISAS, native
from model.tiny import CONFIGS, RUNTIMES, make_pool, random_tokens, served_model
from naga.model.account import account
from naga.model.state import KeyValues, round_rows

NAMES = ["*", "*, rope with ntk, qk_norm", "everything", "H"]
LENGTH = 40
names = pytest.mark.parametrize("name", NAMES)
dtypes = pytest.mark.parametrize("dtype", RUNTIMES)
isas = pytest.mark.parametrize("isa", ISAS)


@dtypes
@names
def test_logits_stay_near_the_exact_value(name: str, dtype: str) -> None:
    model, tokens = served_model(name, RUNTIMES[dtype]), random_tokens(LENGTH)
    pool = make_pool(model, RUNTIMES[dtype], kv="int8")
    logits = row_logits(model, pool, tokens, slot=2, cuts=[LENGTH])
    assert distance(logits, exact_logits(name, tokens)) < 0.03


@isas
@names
def test_both_backends_compute_the_same(name: str, isa: str) -> None:
    model, tokens = served_model(name, RUNTIMES["float32"]), random_tokens(LENGTH)
    pools = [make_pool(model, RUNTIMES["float32"], kv="int8") for _ in range(2)]
    own = row_logits(model, pools[0], tokens, slot=1, cuts=[7, 33])
    found = row_logits(native(model, "float32", isa), pools[1], tokens, slot=1, cuts=[7, 33])
    # Inputs that differ in their last bit may round to whole numbers one apart.
    assert distance(found, own.double()) < 5e-3


@settings(max_examples=10)
@given(
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=4),
    choice=st.randoms(),
    data=st.data(),
)
@pytest.mark.parametrize("backend", ["reference", *ISAS])
@dtypes
@names
def test_any_schedule_gives_the_bits_of_each_alone(
    name: str, dtype: str, backend: str, lengths: list[int], choice: Random, data: st.DataObject
) -> None:
    runtime = RUNTIMES[dtype]
    reference = served_model(name, runtime)
    model = reference if backend == "reference" else native(reference, dtype, backend, threads=2)
    texts = [random_tokens(length, seed) for seed, length in enumerate(lengths)]
    alone = [
        row_logits(model, make_pool(reference, runtime, kv="int8"), t, 0, [len(t)]) for t in texts
    ]
    pool = make_pool(reference, runtime, kv="int8")
    rows = run_schedule(model, pool, texts, choice, data)
    for expected, found in zip(alone, rows, strict=True):
        assert expected.isfinite().all()
        assert found.equal(expected)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-38, 1e-3, 1.0, 1e4]))
def test_rounding_is_within_half_a_step(seed: int, size: float) -> None:
    x = torch.randn(5, 2, 9, generator=torch.Generator().manual_seed(seed)) * size
    whole, scale = round_rows(x)
    assert whole.abs().amax() == 127 or size < 1e-30
    assert ((whole.float() * scale[..., None] - x).abs() <= scale[..., None] * 0.5001).all() or (
        size < 1e-30
    )


def test_a_row_that_is_not_finite_says_so() -> None:
    x = torch.ones(3, 1, 4)
    x[1, 0, 2] = torch.inf
    x[2, 0, 0] = torch.nan
    scales = round_rows(x)[1]
    assert scales[0].isfinite().all() and scales[1:].isnan().all()


def test_pages_are_copied_with_their_scales() -> None:
    model = served_model("*", RUNTIMES["float32"])
    pool = make_pool(model, RUNTIMES["float32"], kv="int8")
    row_logits(model, pool, random_tokens(16), slot=0, cuts=[16])
    pages: KeyValues = pool.key_values(0)
    used = next(
        p
        for p in range(24)
        if pages.key_scales is not None and pages.key_scales[p].isfinite().all()
    )
    pool.copy_page(used, (used + 1) % 24)
    one, other = (pages.take(torch.tensor([p])) for p in (used, (used + 1) % 24))
    assert one[0].equal(other[0]) and one[1].equal(other[1])


@names
def test_the_account_counts_what_is_held(name: str) -> None:
    model = served_model(name, RUNTIMES["bfloat16"])
    pool = make_pool(model, RUNTIMES["bfloat16"], pages=3, kv="int8")
    assert pool.key_scales is not None and pool.value_scales is not None
    held = sum(t.nbytes for t in (pool.keys, pool.values, pool.key_scales, pool.value_scales))
    assert held == 3 * pool.page_size * account(CONFIGS[name], 2, "int8").kv_bytes_per_token
