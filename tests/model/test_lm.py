"""HybridLM: both forms against the float64 oracle, against each other, and bitwise row exactness.

Stated tolerances, of the norm of all logits: 2e-6 in float32 (either form from the exact value),
0.03 in bfloat16 (either form from the exact value of unrounded weights).
"""

from collections.abc import Sequence
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model import oracle
from model.schedule import run_schedule
from model.tiny import (
    CONFIGS,
    PAGE,
    RUNTIMES,
    make_pool,
    random_tokens,
    served_model,
    trained_model,
)
from naga.model.lm import HybridLM
from naga.model.state import StatePool, pack, place

TOLERANCE = {"float32": 2e-6, "bfloat16": 0.03}
LENGTH = 40
names = pytest.mark.parametrize("name", CONFIGS)
dtypes = pytest.mark.parametrize("dtype", RUNTIMES)
stateful = pytest.mark.parametrize(
    "name", ["M", "*", "S", "H", "*, rope with ntk, qk_norm", "everything", "all six kinds"]
)


def exact_logits(name: str, tokens: Tensor) -> Tensor:
    weights = {key: w.detach().double() for key, w in trained_model(name).state_dict().items()}
    return oracle.logits(CONFIGS[name], weights, tokens)


def distance(found: Tensor, expected: Tensor) -> float:
    return ((found.double() - expected).norm() / expected.norm()).item()


def pages_of(slot: int, end: int) -> list[int]:
    """Four pages for each of six slots, in no natural order."""
    return [slot * 4 + (page * 3 + 1) % 4 for page in range(-(-end // PAGE))]


def row_logits(
    model: HybridLM, pool: StatePool, tokens: Tensor, slot: int, cuts: Sequence[int], start: int = 0
) -> Tensor:
    rows = []
    for piece in tokens.split(list(cuts)):
        end = start + len(piece)
        batch = place([len(piece)], [start], [slot], [pages_of(slot, end)], "cpu")
        rows.append(model.logits_rows(model.step(piece, batch, pool)))
        start = end
    return torch.cat(rows)


@dtypes
@names
def test_training_form_is_close_to_the_exact_value(name: str, dtype: str) -> None:
    model, tokens = trained_model(name), random_tokens(LENGTH)
    output = model(tokens, pack([LENGTH], "cpu"), RUNTIMES[dtype].dtype)
    logits = model.logits(output.hidden)
    assert output.hidden.dtype == RUNTIMES[dtype].dtype and logits.dtype == torch.float32
    assert distance(logits, exact_logits(name, tokens)) < TOLERANCE[dtype]


@dtypes
@names
def test_row_form_is_close_to_the_exact_value(name: str, dtype: str) -> None:
    model, tokens = served_model(name, RUNTIMES[dtype]), random_tokens(LENGTH)
    pool = make_pool(model, RUNTIMES[dtype])
    logits = row_logits(model, pool, tokens, slot=2, cuts=[LENGTH])
    assert logits.dtype == torch.float32
    assert distance(logits, exact_logits(name, tokens)) < TOLERANCE[dtype]


@names
def test_gradients_are_close_to_the_exact_ones(name: str) -> None:
    model, tokens = trained_model(name), random_tokens(13)
    weights = {key: w.detach().double().requires_grad_() for key, w in model.named_parameters()}
    direction = torch.randn(13, 61, generator=torch.Generator().manual_seed(2))
    logits = model.logits(model(tokens, pack([13], "cpu"), torch.float32).hidden)
    trained = {key: w for key, w in model.named_parameters() if w.requires_grad}
    found = torch.autograd.grad((logits * direction).sum(), list(trained.values()))
    exact = (oracle.logits(model.config, weights, tokens) * direction).sum()
    expected = torch.autograd.grad(exact, [weights[key] for key in trained])
    for key, one, other in zip(trained, found, expected, strict=True):
        assert other.norm() > 0, f"{key} has no gradient at all"
        assert distance(one, other) < 2e-5, key


@names
def test_packed_sequences_are_as_if_alone_in_training(name: str) -> None:
    model, lengths = trained_model(name), (5, 1, 23, 8)
    tokens = random_tokens(sum(lengths))
    packed = model(tokens, pack(lengths, "cpu"), torch.float32).hidden.split(lengths)
    for one, found in zip(tokens.split(lengths), packed, strict=True):
        alone = model(one, pack([len(one)], "cpu"), torch.float32).hidden
        assert distance(found, alone.double()) < TOLERANCE["float32"]


@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=4),
    choice=st.randoms(),
    data=st.data(),
)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("everything", "float32"),
        ("everything", "bfloat16"),
        ("pairs", "float32"),
        ("*", "bfloat16"),
        ("*, llama3, qk_norm first", "float32"),
        ("E, latent", "float32"),
    ],
)
def test_any_schedule_of_any_sequences_gives_the_logits_of_each_alone(
    name: str, dtype: str, lengths: list[int], choice: Random, data: st.DataObject
) -> None:
    """Who is in a step, in what order, how many of its tokens, in which slot and pages: no bit."""
    runtime = RUNTIMES[dtype]
    model = served_model(name, runtime)
    texts = [random_tokens(length, seed) for seed, length in enumerate(lengths)]
    alone = [row_logits(model, make_pool(model, runtime), t, 0, [len(t)]) for t in texts]
    rows = run_schedule(model, make_pool(model, runtime), texts, choice, data)
    for expected, found in zip(alone, rows, strict=True):
        assert expected.isfinite().all()
        assert found.equal(expected)


@dtypes
@stateful
def test_garbage_in_fresh_slots_and_pages_is_never_read(name: str, dtype: str) -> None:
    runtime = RUNTIMES[dtype]
    model, tokens = served_model(name, runtime), random_tokens(LENGTH)
    found = [
        row_logits(model, make_pool(model, runtime, garbage=garbage), tokens, 3, [1, 20, 1, 18])
        for garbage in (0.0, torch.nan, torch.inf)
    ]
    assert found[0].isfinite().all()
    assert found[1].equal(found[0]) and found[2].equal(found[0])


@stateful
def test_a_slot_used_before_gives_what_a_new_one_gives(name: str) -> None:
    runtime = RUNTIMES["float32"]
    model = served_model(name, runtime)
    pool = make_pool(model, runtime)
    first = row_logits(model, pool, random_tokens(30), 1, [30])
    row_logits(model, pool, random_tokens(50, seed=5), 1, [25, 25])
    assert row_logits(model, pool, random_tokens(30), 1, [30]).equal(first)


@dtypes
@stateful
def test_a_fork_continues_as_its_source_would(name: str, dtype: str) -> None:
    runtime = RUNTIMES[dtype]
    model = served_model(name, runtime)
    pool = make_pool(model, runtime)
    tokens, other = random_tokens(35), random_tokens(14, seed=7)
    row_logits(model, pool, tokens[:21], 0, [21])
    pool.copy_slot(0, 4)
    for source, target in zip(pages_of(0, 21), pages_of(4, 21), strict=True):
        pool.copy_page(source, target)
    forked = row_logits(model, pool, other, 4, [1, 13], start=21)
    source = row_logits(model, pool, tokens[21:], 0, [14], start=21)
    whole = row_logits(model, make_pool(model, runtime), tokens, 2, [35])
    replay = torch.cat([tokens[:21], other])
    assert source.equal(whole[21:])
    assert forked.equal(row_logits(model, make_pool(model, runtime), replay, 2, [35])[21:])


def test_a_step_touches_no_slot_or_page_of_others() -> None:
    runtime = RUNTIMES["float32"]
    model = served_model("everything", runtime)
    pool = make_pool(model, runtime, garbage=7.0)
    row_logits(model, pool, random_tokens(20), 2, [20])
    for memory in pool.by_slot.values():
        assert (memory[:, [0, 1, 3, 4, 5]] == 7).all()
    own = pages_of(2, 20)
    others = [page for page in range(24) if page not in own]
    for memory in (pool.keys, pool.values):
        assert (memory[:, others] == 7).all()
        assert (memory[:, own[1], 4:] == 7).all(), "positions from 20 on are not written yet"


def test_an_untied_head_makes_the_logits() -> None:
    model = trained_model("everything")
    hidden = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    expected = hidden.double() @ model.head.weight.double().T
    for logits in (model.logits(hidden), model.logits_rows(hidden)):
        torch.testing.assert_close(logits.double(), expected, rtol=0, atol=1e-5)
    assert not hasattr(trained_model("pairs"), "head")


def test_the_bias_of_a_sigmoid_router_moves_tokens_without_a_gradient() -> None:
    model, tokens = trained_model("E, sigmoid, shared"), random_tokens(LENGTH)
    batch = pack([LENGTH], "cpu")
    bias = model.get_parameter("layers.0.mixer.router.bias")
    assert not bias.requires_grad
    before = model(tokens, batch, torch.float32).expert_counts
    with torch.no_grad():
        bias[3] += 10
    after = model(tokens, batch, torch.float32).expert_counts
    assert before[0, 3] < LENGTH and after[0, 3] == LENGTH
    assert before.sum(dim=1).tolist() == after.sum(dim=1).tolist() == [2 * LENGTH] * 2


def test_expert_counts_have_a_row_for_each_layer_of_experts() -> None:
    tokens, batch = random_tokens(LENGTH), pack([30, 10], "cpu")
    pairs = trained_model("pairs")(tokens, batch, torch.float32)
    assert pairs.expert_counts.shape == (4, 6)
    assert pairs.expert_counts.sum(dim=1).tolist() == [3 * LENGTH] * 4
    dense = trained_model("M")(tokens, batch, torch.float32)
    assert dense.expert_counts.shape == (0, 0) and dense.balance_loss.item() == 0


def test_balance_loss_sums_layers_with_their_coefficient() -> None:
    """Even routing makes each layer's loss 1."""
    model, tokens = trained_model("pairs"), random_tokens(LENGTH)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("router.weight"):
                weight.zero_()
    output = model(tokens, pack([LENGTH], "cpu"), torch.float32)
    assert output.balance_loss.item() == pytest.approx(4 * 0.01)
    assert output.balance_loss.dtype == torch.float32
