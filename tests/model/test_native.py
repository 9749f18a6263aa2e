"""NativeModel: against the exact value as HybridLM is, and bitwise exact under any schedule.

The same stated tolerances as HybridLM's row form (test_lm.py); every instruction set that this
processor has.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import TypeVar

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
    SIGMOID,
    as_served,
    make_pool,
    random_tokens,
    served_model,
)
from naga import _cpu
from naga.config.base import Config
from naga.config.model import MlpConfig, ModelConfig
from naga.config.quantisation import Group, Quantisation, Weights
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.model.native import NativeModel, format_of
from naga.model.state import StatePool, place

Part = TypeVar("Part", bound=Config)

ISAS = [isa for isa in ("portable", "avx2", "avx512", "avx512_bf16") if _cpu.has_isa(isa)]
LENGTH = 40
names = pytest.mark.parametrize("name", CONFIGS)
dtypes = pytest.mark.parametrize("dtype", RUNTIMES)
isas = pytest.mark.parametrize("isa", ISAS)
quantised = pytest.mark.parametrize(
    ("weights", "group"), [("int8", 32), ("int8", "channel"), ("int4", 32)]
)


def native(
    model: HybridLM,
    dtype: str,
    isa: str = ISAS[-1],
    threads: int = 1,
    weights: Weights | None = None,
    group: Group = 32,
) -> NativeModel:
    quantisation = None if weights is None else Quantisation(format=weights, group=group)
    return NativeModel.of(model, RUNTIMES[dtype].dtype, threads, isa, quantisation)


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
        ("ssm", "conv", "keys", "values", "mamba1_ssm", "mamba1_conv"),
        *map(memories, pools),
        strict=True,
    ):
        known = mine.isfinite()
        assert known.equal(theirs.isfinite()), name_
        torch.testing.assert_close(theirs[known], mine[known], rtol=1e-4, atol=1e-5)


def memories(pool: StatePool) -> tuple[Tensor, ...]:
    return (pool.ssm, pool.conv, pool.keys, pool.values, pool.mamba1_ssm, pool.mamba1_conv)


@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=4),
    threads=st.integers(1, 3),
    held=st.sampled_from([(None, 32), ("int8", 32), ("int8", "channel"), ("int4", 32)]),
    choice=st.randoms(),
    data=st.data(),
)
@dtypes
@isas
@pytest.mark.parametrize(
    "name",
    [
        "everything",
        "pairs",
        "M, limited dt, odd sizes",
        "*, rope with ntk, qk_norm",
        "*, part of a head rotates",
        "*, llama3, qk_norm first",
        "E, weighed by all",
        "E, latent",
        "H",
        "H beside others, odd sizes",
        "all six kinds",
    ],
)
def test_any_schedule_on_any_threads_gives_the_bits_of_each_alone(
    name: str,
    isa: str,
    dtype: str,
    lengths: list[int],
    threads: int,
    held: tuple[Weights | None, Group],
    choice: Random,
    data: st.DataObject,
) -> None:
    runtime = RUNTIMES[dtype]
    reference = served_model(name, runtime)
    single = native(reference, dtype, isa, 1, *held)
    model = native(reference, dtype, isa, threads, *held)
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


def typical_distance(found: Tensor, expected: Tensor) -> float:
    """Of the median token: rounding tips a router's choice now and then."""
    return ((found.double() - expected).norm(dim=1) / expected.norm(dim=1)).median().item()


@isas
@dtypes
@pytest.mark.parametrize(
    "name", ["-", "E, sigmoid, shared", "E, latent", "M", "*", "S", "everything", "pairs", "H"]
)
def test_quantised_weights_are_near_and_bitwise_exact(name: str, dtype: str, isa: str) -> None:
    """int8 within 0.06 of the exact logits by norm, int4 within 0.4; any cut, any threads."""
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
        distances[weights] = typical_distance(found[0], exact)
    assert 0 < distances["int8"] < 0.06
    assert distances["int8"] < distances["int4"] < 0.4


@pytest.mark.parametrize("group", [64, 128, "channel"])
@isas
def test_groups_of_other_sizes(isa: str, group: Group) -> None:
    reference, tokens = served_model("everything", RUNTIMES["bfloat16"]), random_tokens(LENGTH)
    model = native(reference, "bfloat16", isa, 2, "int8", group)
    found = [
        row_logits(model, make_pool(reference, RUNTIMES["bfloat16"]), tokens, 1, cuts)
        for cuts in ([LENGTH], [1] * LENGTH)
    ]
    assert found[0].equal(found[1])
    assert 0 < typical_distance(found[0], exact_logits("everything", tokens)) < 0.06


def test_one_scale_for_long_rows_of_every_operand() -> None:
    """Rows of several lengths, most longer than any group: any cut, any threads."""
    experts = replace_config(SIGMOID, expert_dim=200, shared_dim=150)
    mlp, attention = MlpConfig(inner_dim=333), replace_config(ATTENTION, num_heads=20)
    config = ModelConfig(pattern="-E*", mlp=mlp, moe=experts, attention=attention, **BASE)
    runtime, tokens = RUNTIMES["bfloat16"], random_tokens(LENGTH)
    reference = HybridLM(config)
    initialize(reference, 3)
    as_served(reference, runtime)
    found = [
        row_logits(
            native(reference, "bfloat16", ISAS[-1], threads, "int8", "channel"),
            make_pool(reference, runtime),
            tokens,
            1,
            cuts,
        )
        for threads, cuts in ((1, [LENGTH]), (3, [7, 1, 1, 20, 11]), (2, [1] * LENGTH))
    ]
    assert found[0].equal(found[1]) and found[0].equal(found[2])
    plain = row_logits(
        native(reference, "bfloat16"), make_pool(reference, runtime), tokens, 1, [LENGTH]
    )
    assert 0 < typical_distance(found[0], plain.double()) < 0.06


def replace_config(config: Part, **changes: int) -> Part:
    return config.model_copy(update=changes)


def packed(weights: Weights, name: str, weight: Tensor, group: Group = 32) -> Tensor:
    """As NativeModel packs it: uint8 (bytes,), of experts (E, bytes), at an odd address."""
    held = format_of(name, Quantisation(format=weights, group=group))
    format_ = _cpu.Format.int4 if held == "int4" else _cpu.Format.int8
    number = 0 if group == "channel" else group
    size = _cpu.packed_bytes(*weight.shape[-2:], format_, number)
    out = torch.empty(weight[..., 0, 0].numel() * size + 1, dtype=torch.uint8)[1:].view(-1, size)
    for part, to in zip(weight.contiguous().view(-1, *weight.shape[-2:]), out, strict=True):
        _cpu.pack(part.contiguous(), format_, number, None, to)
    return out if weight.dim() == 3 else out[0]


@quantised
@isas
def test_packed_weights_used_where_they_lie_give_the_bits_of_loaded_ones(
    isa: str, weights: Weights, group: Group
) -> None:
    runtime, tokens = RUNTIMES["bfloat16"], random_tokens(20)
    old, new = (served_model("everything", runtime, seed) for seed in (1, 2))

    def logits(model: NativeModel) -> Tensor:
        return row_logits(model, make_pool(new, runtime), tokens, 1, [9, 11])

    quantisation = Quantisation(format=weights, group=group)
    before = logits(native(old, "bfloat16", isa, 2, weights, group))
    model = NativeModel(new.config, torch.bfloat16, 2, isa, quantisation)
    tensors, lent, released = dict(new.state_dict()), dict[str, Tensor](), list[str]()
    for name, shape, kind in model._plan.tensors():
        weight = tensors.pop(name)
        assert shape == tuple(weight.shape)
        if kind == "vector":
            model._plan.load(name, weight)
        else:
            value = weight if name not in ("embed.weight", "head.weight") else weight.bfloat16()
            lent[name] = packed(weights, name, value, group)
            model.borrow(name, lent[name], partial(released.append, name))
    assert not tensors and lent and not model.missing
    expected = logits(native(new, "bfloat16", isa, 1, weights, group))
    assert logits(model).equal(expected)
    while model.settle():
        # What is released may be anything from now on.
        lent[released[-1]].fill_(0xFF)
        assert logits(model).equal(expected)
    assert released == list(lent)
    model.load(old.state_dict().items())
    assert logits(model).equal(before)


def borrowing(
    model: HybridLM, name: str, weight: Tensor, released: list[str], weights: Weights = "int4"
) -> NativeModel:
    """With one matrix borrowed; `released` gets its name."""
    quantisation = Quantisation(format=weights, group=32)
    made = NativeModel(model.config, torch.bfloat16, 1, ISAS[-1], quantisation)
    made.load((key, value) for key, value in model.state_dict().items() if key != name)
    made.borrow(name, weight, partial(released.append, name))
    return made


def test_new_weights_replace_borrowed_ones() -> None:
    reference, other = (served_model("-", RUNTIMES["bfloat16"], seed) for seed in (1, 2))
    name, released = "layers.0.mixer.up.weight", list[str]()
    weight = reference.state_dict()[name]
    model = borrowing(reference, name, packed("int4", name, weight), released)
    model.load(other.state_dict().items())
    assert released == [name] and not model.settle()
    pool, tokens = make_pool(other, RUNTIMES["bfloat16"]), random_tokens(9)
    expected = row_logits(native(other, "bfloat16", weights="int4"), pool, tokens, 0, [9])
    assert row_logits(model, pool, tokens, 0, [9]).equal(expected)


def test_importance_chooses_scales_at_load() -> None:
    reference = served_model("-", RUNTIMES["bfloat16"])
    model, name = native(reference, "bfloat16", weights="int4"), "layers.0.mixer.up.weight"
    weight, tokens = reference.state_dict()[name], random_tokens(9)
    importance = torch.linspace(-4, 4, weight.shape[1]).exp()

    def logits(model: NativeModel) -> Tensor:
        return row_logits(model, make_pool(reference, RUNTIMES["bfloat16"]), tokens, 0, [9])

    plain = logits(model)
    model._plan.load(name, weight, importance)
    refined = logits(model)
    bytes_ = packed("int4", name, weight)
    _cpu.pack(weight, _cpu.Format.int4, 32, importance, bytes_)
    assert logits(borrowing(reference, name, bytes_, [])).equal(refined)
    assert not refined.equal(plain)


def test_either_dtype_is_packed() -> None:
    """From float32, weights are rounded once."""
    reference = served_model("-", RUNTIMES["float32"])
    model, name = native(reference, "bfloat16", weights="int8"), "layers.0.mixer.up.weight"
    weight, pool = reference.state_dict()[name], make_pool(reference, RUNTIMES["bfloat16"])
    assert weight.dtype == torch.float32
    model._plan.load(name, weight)
    found = row_logits(model, pool, random_tokens(9), 0, [9])
    lent = borrowing(reference, name, packed("int8", name, weight), [], "int8")
    assert found.equal(row_logits(lent, pool, random_tokens(9), 0, [9]))


@pytest.mark.parametrize("weights", [None, "int8", "int4"])
@pytest.mark.parametrize("name", ["everything", "pairs"])
def test_tensors_and_bytes_of_a_plan(name: str, weights: Weights | None) -> None:
    reference = served_model(name, RUNTIMES["bfloat16"])
    plan = native(reference, "bfloat16", threads=2, weights=weights)._plan
    found = {key: (shape, kind) for key, shape, kind in plan.tensors()}
    tensors = reference.state_dict()
    assert {key: tuple(w.shape) for key, w in tensors.items()} == {
        key: shape for key, (shape, _) in found.items()
    }
    for key, (shape, kind) in found.items():
        assert (kind == "experts") == (key.split(".")[-2] == "experts") == (len(shape) == 3)
        assert kind != "vector" or "proj" not in key
    assert {kind for _, kind in found.values()} == {"matrix", "experts", "vector"}
    matrices = sum(w.numel() for key, w in tensors.items() if found[key][1] != "vector")
    least = {None: 2, "int8": 1, "int4": 0.5}[weights] * matrices
    assert plan.read_weights() == plan.weight_bytes > least


@quantised
@isas
def test_a_token_that_is_not_finite_stays_with_its_own_text(
    isa: str, weights: Weights, group: Group
) -> None:
    runtime = RUNTIMES["bfloat16"]
    reference = served_model("everything", runtime)
    clean, bad = random_tokens(12) % 60, random_tokens(12) % 60
    bad[5] = 60
    model = native(reference, "bfloat16", isa, 1, weights, group)
    pool = make_pool(reference, runtime)
    expected = row_logits(model, pool, clean, 1, [12])
    for value in (torch.nan, torch.inf):
        reference.state_dict()["embed.weight"][60, 3] = value
        model = native(reference, "bfloat16", isa, 1, weights, group)
        pool = make_pool(reference, runtime)
        found = row_logits(model, pool, bad, 2, [3, 1, 1, 7])
        assert found[:5].isfinite().all() and found[5:].isnan().all()
        assert row_logits(model, pool, clean, 1, [12]).equal(expected)


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
    apart = pool.ssm.repeat_interleave(2, dim=-1)[..., ::2]
    with pytest.raises(ValueError, match="ssm: must be contiguous"):
        plan.step(torch.tensor([3, 4]), batch, replace(pool, ssm=apart))
    few = pool.mamba1_ssm[:, :4].clone()
    with pytest.raises(ValueError, match="mamba1_ssm: must have as many slots as ssm"):
        plan.step(torch.tensor([3, 4]), batch, replace(pool, mamba1_ssm=few))
    with pytest.raises(ValueError, match="mamba1_conv: must have the plan's dtype"):
        other = pool.mamba1_conv.float()
        plan.step(torch.tensor([3, 4]), batch, replace(pool, mamba1_conv=other))
    with pytest.raises(ValueError, match=r"layers.0.norm.weight: is not quantised here"):
        plan._plan.load("layers.0.norm.weight", torch.ones(24), torch.ones(24))
    with pytest.raises(ValueError, match=r"head.weight: is not quantised here"):
        plan.borrow("head.weight", torch.zeros(9, dtype=torch.uint8), lambda: None)


def test_only_quantised_matrices_take_packed_bytes() -> None:
    reference = served_model("everything", RUNTIMES["bfloat16"])
    model = native(reference, "bfloat16", weights="int8")
    experts = "layers.1.mixer.experts.up"
    weight = reference.state_dict()[experts]
    right = packed("int8", experts, weight)
    for name, array, message in (
        ("nonsense", right, "nonsense: not a tensor of this model"),
        ("norm.weight", right, "norm.weight: is not quantised here"),
        (experts, right[:-1], "experts.up: packed, has another shape than"),
        (experts, right[:, :-1], "experts.up: must be contiguous"),
        (experts, right.to(torch.int16), "experts.up: must be uint8"),
        (experts, right, "experts.up: has memory of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            model.borrow(name, array, lambda: None)
    with pytest.raises(ValueError, match=r"experts\.up: is not borrowed"):
        model._plan.settle(experts)
    with pytest.raises(ValueError, match="importance: must have a number for each column"):
        model._plan.load(experts, weight, torch.ones(weight.shape[1]))


def test_a_plan_without_its_weights_computes_nothing() -> None:
    config = _cpu.PlanConfig()
    config.layers, config.vocab_size, config.hidden_dim = "", 8, 4
    plan = _cpu.Plan(config, ISAS[-1], "float32", 1)
    assert plan.read_weights() == plan.weight_bytes
    with pytest.raises(ValueError, match=r"norm.weight: was never loaded"):
        plan.logits(torch.ones(1, 4), torch.empty(1, 8))
    for format_, group, message in (
        (_cpu.Format.int8, 48, "group: use 32, 64 or 128, or 0 for all columns"),
        (_cpu.Format.int4, 0, "group: int4 needs groups of 32, 64 or 128"),
    ):
        config.format, config.group = format_, group
        with pytest.raises(ValueError, match=message):
            _cpu.Plan(config, ISAS[-1], "float32", 1)
    config.format, config.hidden_dim = _cpu.Format.int8, 66_312
    with pytest.raises(ValueError, match="columns: 66312 cannot share a scale"):
        _cpu.Plan(config, ISAS[-1], "float32", 1)


def test_what_makes_decays_is_never_in_less_than_eight_bits() -> None:
    quantisation = Quantisation(format="int4")
    kept = {"embed.weight", "head.weight", "layers.8.mixer.x_proj.weight"}
    kept |= {"layers.8.mixer.dt_proj.weight"}
    plan = native(served_model("everything", RUNTIMES["bfloat16"]), "bfloat16")._plan
    matrices = {name for name, _, kind in plan.tensors() if kind != "vector"}
    assert {name for name in matrices if format_of(name, quantisation) == "int8"} == kept
