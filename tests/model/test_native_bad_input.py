"""What the native plan must survive: the right answer or a clear error, never a crash."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.test_lm import row_logits
from model.test_native import native
from model.tiny import CONFIGS, PAGE, RUNTIMES, make_pool, random_tokens, served_model
from naga.model.lm import HybridLM
from naga.model.native import NativeModel
from naga.model.state import StatePool, pack, place
from naga.ops.sampling import Draw

RUNTIME = RUNTIMES["bfloat16"]
names = pytest.mark.parametrize("name", CONFIGS)


def plan_of(name: str) -> tuple[HybridLM, NativeModel]:
    model = served_model(name, RUNTIME)
    return model, native(model, "bfloat16", threads=2)


@names
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_weight_that_is_not_finite_gives_no_token(name: str, bad: float) -> None:
    model = served_model(name, RUNTIME)
    model.layers[0].norm.weight[0] = bad
    logits = row_logits(
        native(model, "bfloat16"), make_pool(model, RUNTIME), random_tokens(5), 0, [5]
    )
    draw = Draw(temperature=1.0, top_p=1.0, top_k=None, seed=0, choice=0, position=0)
    assert not logits.isfinite().all()
    assert native(model, "bfloat16").sample(logits[-1:], [draw]) == [None]


def test_a_step_of_nothing_is_refused() -> None:
    model, plan = plan_of("everything")
    batch = place([2], [0], [1], [[0]], "cpu")
    pool, none = make_pool(model, RUNTIME), torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match="lengths: must name at least one sequence"):
        empty = replace(batch, lengths=(), starts=(), slots=(), pages=())
        plan.step(none, empty, pool)
    with pytest.raises(ValueError, match="lengths, starts: must be positive"):
        plan.step(none, replace(batch, lengths=(0,)), pool)


def strided(x: Tensor) -> Tensor:
    """The same values, every other element of its memory."""
    return torch.stack([x, x], -1)[..., 0]


def shifted(x: Tensor) -> Tensor:
    """The same values in memory that is aligned to one element only."""
    memory = torch.empty(x.numel() + 1, dtype=x.dtype)
    memory[1:] = x.flatten()
    return memory[1:].view(x.shape)


def test_arrays_with_gaps_are_refused() -> None:
    model, plan = plan_of("everything")
    pool, batch = make_pool(model, RUNTIME), place([2], [0], [1], [[0]], "cpu")
    with pytest.raises(ValueError, match="ssm: must be contiguous"):
        plan.step(torch.tensor([3, 4]), batch, replace(pool, ssm=strided(pool.ssm)))


@names
def test_alignment_changes_no_bit(name: str) -> None:
    model, plan = plan_of(name)
    tokens, pool = random_tokens(21), make_pool(model, RUNTIME)
    expected = row_logits(plan, pool, tokens, 1, [20, 1])
    keys = ("ssm", "conv", "keys", "values", "mamba1_ssm", "mamba1_conv")
    memory = {key: getattr(pool, key) for key in keys}
    moved = replace(pool, **{key: shifted(held) for key, held in memory.items()})
    assert row_logits(plan, moved, tokens, 1, [20, 1]).equal(expected)
    again = native(model, "bfloat16")
    again.load((key, shifted(held)) for key, held in model.state_dict().items())
    assert row_logits(again, make_pool(model, RUNTIME), tokens, 1, [21]).equal(expected)


def test_pages_beyond_two_to_the_31_elements_are_found() -> None:
    """The memory is only reserved; the few pages that are written lie at its end."""
    name = "*, rope with ntk, qk_norm"
    model, plan = plan_of(name)
    attention = model.config.attention
    assert attention is not None
    page = PAGE * attention.num_kv_heads * attention.head_dim
    pages = 2**31 // page + 8
    large = StatePool.create(
        model.config, RUNTIME, num_slots=1, num_pages=pages // 2, page_size=PAGE
    )
    assert large.keys.numel() >= 2**31
    tokens = random_tokens(40)
    last = [pages // 2 - 3, pages // 2 - 1, pages // 2 - 2]
    logits = plan.logits_rows(plan.step(tokens, place([40], [0], [0], [last], "cpu"), large))
    assert logits.equal(row_logits(plan, make_pool(model, RUNTIME), tokens, 0, [40]))


def test_an_expert_that_nobody_visits_changes_nothing() -> None:
    model = served_model("E", RUNTIME)
    tokens = random_tokens(9)
    expected = row_logits(native(model, "bfloat16"), make_pool(model, RUNTIME), tokens, 0, [9])
    assert expected.isfinite().all()
    counts = model(tokens, pack([9], "cpu"), RUNTIME.dtype).expert_counts
    lonely = [(int(layer), int(expert)) for layer, expert in (counts == 0).nonzero()]
    if not lonely:
        # Nine tokens of one kind visit only some of the experts.
        tokens = tokens[:1].repeat(9)
        expected = row_logits(native(model, "bfloat16"), make_pool(model, RUNTIME), tokens, 0, [9])
        counts = model(tokens, pack([9], "cpu"), RUNTIME.dtype).expert_counts
        lonely = [(int(layer), int(expert)) for layer, expert in (counts == 0).nonzero()]
    assert lonely
    for layer, expert in lonely:
        mixer = model.layers[layer].mixer
        mixer.get_parameter("experts.up")[expert] = torch.nan
    found = row_logits(native(model, "bfloat16"), make_pool(model, RUNTIME), tokens, 0, [9])
    assert found.equal(expected)
