"""naga.ops.moe: experts against a loop over tokens, routing against its formulas, exact rows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from naga.ops.moe import (
    balance_loss,
    experts,
    experts_rows,
    route_sigmoid,
    route_softmax,
)
from naga.ops.pointwise import relu2, swiglu, swiglu_rows

DIM, INNER, EXPERTS = 16, 8, 5


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def matrices(rows_per_unit: int) -> tuple[Tensor, Tensor]:
    up = normal(EXPERTS, rows_per_unit * INNER, DIM, seed=3) * 0.5
    return up, normal(EXPERTS, DIM, INNER, seed=4) * 0.5


def routes(tokens: int, top_k: int, num_experts: int = EXPERTS) -> tuple[Tensor, Tensor]:
    return route_softmax(normal(tokens, num_experts, seed=5), top_k)


def loop(x: Tensor, choices: Tensor, weights: Tensor, up: Tensor, down: Tensor, gated: bool):  # type: ignore[no-untyped-def]
    """float64, one token and one choice at a time."""
    x, weights, up, down = (t.double() for t in (x, weights, up, down))
    rows = []
    for token in range(x.shape[0]):
        total = torch.zeros(x.shape[1], dtype=torch.float64)
        for choice, weight in zip(choices[token].tolist(), weights[token], strict=True):
            inner = up[choice] @ x[token]
            if gated:
                gate, value = inner.chunk(2)
                inner = gate * torch.sigmoid(gate) * value
            else:
                inner = inner.clamp_min(0) ** 2
            total = total + weight * (down[choice] @ inner)
        rows.append(total)
    return torch.stack(rows)


@pytest.mark.parametrize("gated", [True, False], ids=["swiglu", "relu2"])
@pytest.mark.parametrize("top_k", [1, 2, 5])
@pytest.mark.parametrize("tokens", [1, 4, 37])
def test_experts_equal_the_loop(tokens: int, top_k: int, gated: bool) -> None:
    x, (up, down) = normal(tokens, DIM), matrices(2 if gated else 1)
    choices, weights = routes(tokens, top_k)
    expected = loop(x, choices, weights, up, down, gated)
    trained = experts(x, choices, weights, up, down, swiglu if gated else relu2)
    rows = experts_rows(x, choices, weights, up, down, swiglu_rows if gated else relu2)
    for found in (trained, rows):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gated", [True, False], ids=["swiglu", "relu2"])
def test_gradients_equal_those_of_the_loop(gated: bool) -> None:
    x, (up, down) = normal(13, DIM), matrices(2 if gated else 1)
    choices, weights = routes(13, 2)
    leaves = [t.requires_grad_() for t in (x, weights, up, down)]
    direction = normal(13, DIM, seed=6)
    activation = swiglu if gated else relu2
    output = experts(x, choices, weights, up, down, activation)
    found = torch.autograd.grad(output, leaves, direction)
    expected = loop(x, choices, weights, up, down, gated)
    wanted = torch.autograd.grad(expected, leaves, direction.double())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("popular", [0, 2, EXPERTS - 1])
def test_one_expert_may_get_every_token_and_the_others_none(popular: int) -> None:
    x, (up, down) = normal(20, DIM).requires_grad_(), matrices(2)
    up.requires_grad_()
    choices, weights = torch.full((20, 1), popular), torch.ones(20, 1)
    found = experts(x, choices, weights, up, down, swiglu)
    expected = loop(x, choices, weights, up, down, gated=True)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    (grad,) = torch.autograd.grad(found.sum(), up)
    others = [index for index in range(EXPERTS) if index != popular]
    assert not grad[others].any() and grad[popular].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5), top_k=st.integers(1, 3))
def test_rows_are_bitwise_equal_alone_and_batched(
    dtype: torch.dtype, lengths: list[int], top_k: int
) -> None:
    total = sum(lengths)
    x, (up, down) = normal(total, DIM).to(dtype), [m.to(dtype) for m in matrices(2)]
    choices, weights = routes(total, top_k)
    whole = experts_rows(x, choices, weights, up, down, swiglu_rows)
    assert whole.dtype == dtype
    parts = zip(*(t.split(lengths) for t in (x, choices, weights)), strict=True)
    pieces = [experts_rows(*part, up, down, swiglu_rows) for part in parts]
    assert torch.cat(pieces).equal(whole)


def test_softmax_routing_is_the_softmax_of_the_chosen_logits() -> None:
    logits = normal(9, EXPERTS) * 3
    choices, weights = route_softmax(logits, 2)
    for token in range(9):
        expected = logits[token].double().sort(descending=True)
        assert choices[token].tolist() == expected.indices[:2].tolist()
        torch.testing.assert_close(weights[token].double(), expected.values[:2].softmax(0))


def test_softmax_routing_may_weigh_by_all_logits() -> None:
    logits = normal(9, EXPERTS) * 3
    choices, weights = route_softmax(logits, 2, "all")
    assert choices.equal(route_softmax(logits, 2)[0])
    expected = logits.double().softmax(-1).gather(1, choices)
    torch.testing.assert_close(weights.double(), expected, rtol=1e-5, atol=1e-7)
    assert (weights.sum(-1) < 1).all()


def test_the_bias_chooses_but_does_not_weigh() -> None:
    logits, bias = normal(9, EXPERTS), torch.tensor([0.0, 9.0, 0.0, 0.0, -9.0])
    choices, weights = route_sigmoid(logits, bias, 2, 2.5)
    assert (choices == 1).any(dim=1).all() and not (choices == 4).any()
    scores = torch.sigmoid(logits.double())
    for token in range(9):
        ranked = (scores[token] + bias).argsort(descending=True)
        assert choices[token].tolist() == ranked[:2].tolist()
        chosen = scores[token][choices[token]]
        expected = chosen / chosen.sum() * 2.5
        torch.testing.assert_close(weights[token].double(), expected, rtol=1e-5, atol=0)


def test_routing_survives_extreme_logits() -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0], [-1e4, -300.0, -90.0], [1e30, -1e30, 5.0]])
    logits.requires_grad_()
    for choices, weights in (
        route_softmax(logits, 2),
        route_softmax(logits, 2, "all"),
        route_sigmoid(logits, torch.zeros(3), 2, 1.0),
    ):
        assert weights.isfinite().all()
        assert choices[0].tolist() == [0, 2]
        (grad,) = torch.autograd.grad(weights[:, 0].sum(), logits)
        assert grad.isfinite().all()


def test_balance_loss_is_one_when_load_or_probability_is_even() -> None:
    even = torch.full((12, 4), 0.25)
    assert balance_loss(even, torch.tensor([6, 6, 6, 6])).item() == pytest.approx(1)
    assert balance_loss(even, torch.tensor([24, 0, 0, 0])).item() == pytest.approx(1)


def test_balance_loss_is_the_number_of_experts_when_one_takes_all() -> None:
    all_to_one = torch.zeros(12, 4)
    all_to_one[:, 2] = 1
    assert balance_loss(all_to_one, torch.tensor([0, 0, 12, 0])).item() == pytest.approx(4)


def test_balance_loss_pushes_probability_away_from_the_busy_expert() -> None:
    logits = torch.zeros(8, 3, requires_grad=True)
    balance_loss(logits.softmax(-1), torch.tensor([6, 1, 1])).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] > 0).all() and (logits.grad[:, 1:] < 0).all()
