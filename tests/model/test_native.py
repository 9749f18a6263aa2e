"""NativeModel: against the exact value as HybridLM is, and bitwise exact under any schedule.

The same stated tolerances as HybridLM's row form (test_lm.py); every instruction set that this
processor has.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.schedule import run_schedule
from model.test_lm import TOLERANCE, distance, exact_logits, row_logits
from model.tiny import (
    ATTENTION,
    BASE,
    CONFIGS,
    PAGE,
    RUNTIMES,
    as_served,
    make_pool,
    random_tokens,
    served_model,
)
from naga import _cpu
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.model.native import NativeModel
from naga.model.state import StatePool, place

ISAS = [isa for isa in ("portable", "avx2", "avx512", "avx512_bf16") if _cpu.has_isa(isa)]
LENGTH = 40
names = pytest.mark.parametrize("name", CONFIGS)
dtypes = pytest.mark.parametrize("dtype", RUNTIMES)
isas = pytest.mark.parametrize("isa", ISAS)


def native(model: HybridLM, dtype: str, isa: str = ISAS[-1], threads: int = 1) -> NativeModel:
    return NativeModel.of(model, RUNTIMES[dtype].dtype, threads, isa)


@isas
@dtypes
@names
def test_logits_are_close_to_the_exact_value(name: str, dtype: str, isa: str) -> None:
    model, tokens = served_model(name, RUNTIMES[dtype]), random_tokens(LENGTH)
    pool = make_pool(model, RUNTIMES[dtype])
    logits = row_logits(native(model, dtype, isa), pool, tokens, slot=2, cuts=[LENGTH])
    assert distance(logits, exact_logits(name, tokens)) < TOLERANCE[dtype]


@isas
@names
def test_it_computes_what_the_model_computes(name: str, isa: str) -> None:
    """Nearer to the model's own row form than either is to the exact value."""
    model, tokens = served_model(name, RUNTIMES["float32"]), random_tokens(LENGTH)
    pools = [make_pool(model, RUNTIMES["float32"]) for _ in range(2)]
    own = row_logits(model, pools[0], tokens, slot=1, cuts=[7, 33])
    found = row_logits(native(model, "float32", isa), pools[1], tokens, slot=1, cuts=[7, 33])
    assert distance(found, own.double()) < 2e-6
    for name_, mine, theirs in zip(
        ("ssm", "conv", "keys", "values"), *map(memories, pools), strict=True
    ):
        known = mine.isfinite()
        assert known.equal(theirs.isfinite()), name_
        torch.testing.assert_close(theirs[known], mine[known], rtol=1e-4, atol=1e-5)


def memories(pool: StatePool) -> tuple[Tensor, ...]:
    return (pool.ssm, pool.conv, pool.keys, pool.values)


@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=4),
    threads=st.integers(1, 3),
    choice=st.randoms(),
    data=st.data(),
)
@dtypes
@isas
@pytest.mark.parametrize(
    "name", ["everything", "pairs", "M, limited dt, odd sizes", "*, rope with ntk, qk_norm"]
)
def test_any_schedule_on_any_threads_gives_the_bits_of_each_alone(
    name: str,
    isa: str,
    dtype: str,
    lengths: list[int],
    threads: int,
    choice: Random,
    data: st.DataObject,
) -> None:
    runtime = RUNTIMES[dtype]
    reference = served_model(name, runtime)
    single, model = native(reference, dtype, isa), native(reference, dtype, isa, threads)
    texts = [random_tokens(length, seed) for seed, length in enumerate(lengths)]
    pools = [make_pool(reference, runtime) for _ in texts]
    alone = [row_logits(single, pool, t, 0, [len(t)]) for pool, t in zip(pools, texts, strict=True)]
    rows = run_schedule(model, make_pool(reference, runtime), texts, choice, data)
    for found, expected in zip(rows, alone, strict=True):
        assert expected.isfinite().all()
        assert found.equal(expected)


@dtypes
@pytest.mark.parametrize("page_size", [1, 16, 48])
def test_long_contexts_span_by_span(dtype: str, page_size: int) -> None:
    """Beyond SPAN keys the parts of several spans are added: still any cut, still the model's."""
    config = ModelConfig(pattern="*", attention=ATTENTION, **BASE)
    runtime, length = RUNTIMES[dtype], 2100
    model, tokens = HybridLM(config), random_tokens(length)
    initialize(model, 3)
    for parameter in model.parameters():
        parameter.data *= 8 if parameter.dim() == 2 else 1
    as_served(model, runtime)
    plan = native(model, dtype, threads=2)
    found = [
        logits_of(plan, tokens, cuts, runtime_pool(config, dtype, length, page_size))
        for cuts in ([length], [1000, 1000, 47, 1, 1, 51])
    ]
    assert found[0].equal(found[1])
    expected = logits_of(model, tokens, [length], runtime_pool(config, dtype, length, page_size))
    assert distance(found[0], expected.double()) < TOLERANCE[dtype]


def runtime_pool(config: ModelConfig, dtype: str, length: int, page_size: int) -> StatePool:
    pool = StatePool.create(
        config,
        RUNTIMES[dtype],
        num_slots=1,
        num_pages=-(-length // page_size) + 1,
        page_size=page_size,
    )
    for memory in memories(pool):
        memory.fill_(torch.nan)
    return pool


def logits_of(
    model: HybridLM | NativeModel, tokens: Tensor, cuts: Sequence[int], pool: StatePool
) -> Tensor:
    rows, start = [], 0
    order = list(range(pool.keys.shape[1]))[::-1]
    for piece in tokens.split(list(cuts)):
        batch = place([len(piece)], [start], [0], [order], "cpu")
        rows.append(model.logits_rows(model.step(piece, batch, pool)))
        start += len(piece)
    return torch.cat(rows)


@isas
@dtypes
@pytest.mark.parametrize("name", ["-", "E, sigmoid, shared", "M", "*", "everything", "pairs"])
def test_quantised_weights_are_near_and_bitwise_exact(name: str, dtype: str, isa: str) -> None:
    """int8 within 0.06 of the exact logits by norm, int4 within 0.45; any cut, any threads."""
    reference, tokens = served_model(name, RUNTIMES[dtype]), random_tokens(LENGTH)
    exact = exact_logits(name, tokens)
    distances = {}
    for weights in ("int8", "int4"):
        found = []
        for threads, cuts in ((1, [LENGTH]), (2, [7, 1, 1, 20, 11])):
            quantised = Quantisation(format=weights)
            model = NativeModel.of(reference, RUNTIMES[dtype].dtype, threads, isa, quantised)
            pool = make_pool(reference, RUNTIMES[dtype])
            found.append(row_logits(model, pool, tokens, 1, cuts))
        assert found[0].equal(found[1])
        distances[weights] = distance(found[0], exact)
    assert 0 < distances["int8"] < 0.06
    assert distances["int8"] < distances["int4"] < 0.45


def test_new_weights_go_into_the_same_buffers() -> None:
    runtime, tokens = RUNTIMES["bfloat16"], random_tokens(9)
    old, new = (served_model("everything", runtime, seed) for seed in (1, 2))
    plan = native(old, "bfloat16")
    row_logits(plan, make_pool(old, runtime), tokens, 0, [9])
    plan.load(new.state_dict().items())
    found = row_logits(plan, make_pool(new, runtime), tokens, 0, [9])
    expected = row_logits(native(new, "bfloat16"), make_pool(new, runtime), tokens, 0, [9])
    assert found.equal(expected)


def test_wrong_arrays_are_refused_by_name() -> None:
    runtime = RUNTIMES["bfloat16"]
    model = served_model("everything", runtime)
    plan, pool = native(model, "bfloat16"), make_pool(model, runtime)
    with pytest.raises(ValueError, match=r"nonsense: not a tensor of this model"):
        plan.load([("nonsense", torch.zeros(3))])
    with pytest.raises(ValueError, match=r"layers.0.norm.weight: has another shape"):
        plan.load([("layers.0.norm.weight", torch.zeros(3))])
    batch = place([2], [0], [1], [[0]], "cpu")
    with pytest.raises(ValueError, match="tokens: holds a token beyond the vocabulary"):
        plan.step(torch.tensor([3, 61]), batch, pool)
    with pytest.raises(ValueError, match="tokens: must be as many as"):
        plan.step(torch.tensor([3]), batch, pool)
    with pytest.raises(ValueError, match="slots: names a slot the pool lacks"):
        plan.step(torch.tensor([3, 4]), place([2], [0], [6], [[0]], "cpu"), pool)
    with pytest.raises(ValueError, match="pages: names a page the pool lacks"):
        plan.step(torch.tensor([3, 4]), place([2], [0], [1], [[24]], "cpu"), pool)
    with pytest.raises(ValueError, match="pages: has too few pages"):
        plan.step(torch.tensor([3, 4]), place([2], [PAGE - 1], [1], [[0]], "cpu"), pool)
    with pytest.raises(ValueError, match="ssm: has another shape"):
        plan.step(torch.tensor([3, 4]), batch, replace(pool, ssm=pool.ssm[:, :, :1].clone()))
