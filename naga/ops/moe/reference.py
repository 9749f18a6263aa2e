"""Plain PyTorch mixture of experts; see the contract in __init__."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from naga.ops.linear import linear, linear_rows, pad_rows

# The CPU's bfloat16 products compile code for every new number of rows, and an expert has another
# number at every step.
TRAIN_MULTIPLE = 64


def route_softmax(
    logits: Tensor, top_k: int, weigh: Literal["chosen", "all"] = "chosen"
) -> tuple[Tensor, Tensor]:
    """choices (T, k), weights (T, k)."""
    chosen, choices = logits.topk(top_k, dim=-1)
    powers = torch.exp(chosen - chosen[:, :1])
    rivals = powers if weigh == "chosen" else torch.exp(logits - chosen[:, :1])
    return choices, powers / rivals.sum(-1, keepdim=True)


def weigh_softmax(
    logits: Tensor, choices: Tensor, weigh: Literal["chosen", "all"] = "chosen"
) -> Tensor:
    """weights (T, k) of choices made before; bitwise route_softmax's where it would make them."""
    chosen = logits.gather(1, choices)
    # What is subtracted cancels, and so does its gradient.
    highest = (chosen if weigh == "chosen" else logits).detach().amax(-1, keepdim=True)
    powers = torch.exp(chosen - highest)
    rivals = powers if weigh == "chosen" else torch.exp(logits - highest)
    return powers / rivals.sum(-1, keepdim=True)


def route_sigmoid(logits: Tensor, bias: Tensor, top_k: int, scale: float) -> tuple[Tensor, Tensor]:
    """choices (T, k), weights (T, k); the bias balances load without a loss (arXiv 2408.15664)."""
    scores = _sigmoid(logits)
    choices = (scores + bias).topk(top_k, dim=-1).indices
    return choices, _weigh(scores, choices, scale)


def weigh_sigmoid(logits: Tensor, choices: Tensor, scale: float) -> Tensor:
    """weights (T, k) of choices made before; bitwise route_sigmoid's where it would make them."""
    return _weigh(_sigmoid(logits), choices, scale)


def _sigmoid(logits: Tensor) -> Tensor:
    # exp beyond float32 would be infinite, and its gradient 0 · inf even where nobody chooses.
    return 1 / (1 + torch.exp((-logits).clamp_max(80)))


def _weigh(scores: Tensor, choices: Tensor, scale: float) -> Tensor:
    chosen = scores.gather(1, choices)
    return chosen / (chosen.sum(-1, keepdim=True) + 1e-20) * scale


def balance_loss(probabilities: Tensor, counts: Tensor) -> Tensor:
    """1 when perfectly even. probabilities (T, E) of the router; counts (E,) tokens per expert."""
    share = counts / counts.sum()
    return probabilities.shape[1] * (share * probabilities.mean(0)).sum()


def experts(
    x: Tensor,
    choices: Tensor,
    weights: Tensor,
    up: Tensor,
    down: Tensor,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    """(T, D) in x's dtype; differentiable in x, weights, up and down."""

    # unbind, not indexing: the gradient of an index is as large as the whole tensor.
    ups, downs = up.unbind(), down.unbind()

    def expert(rows: Tensor, index: int) -> Tensor:
        inner = activation(linear(pad_rows(rows, TRAIN_MULTIPLE), ups[index]))
        return linear(inner, downs[index])[: rows.shape[0]]

    return _visit(x, choices, weights, expert)


def experts_rows(
    x: Tensor,
    choices: Tensor,
    weights: Tensor,
    up: Tensor,
    down: Tensor,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    """As `experts`, a token's result being independent of who else visits its experts."""

    def expert(rows: Tensor, index: int) -> Tensor:
        inner = activation(linear_rows(pad_rows(rows), up[index]))
        return linear_rows(inner, down[index])[: rows.shape[0]]

    return _visit(x, choices, weights, expert)


def _visit(
    x: Tensor, choices: Tensor, weights: Tensor, expert: Callable[[Tensor, int], Tensor]
) -> Tensor:
    """Sort (token, choice) pairs by expert, run each expert on its run of rows, add per token."""
    tokens, top_k = choices.shape
    order = choices.flatten().argsort(stable=True)
    counts = choices.flatten().bincount().tolist()
    # index_select, not indexing: its gradient adds in a fixed order on the CPU.
    rows = x.index_select(0, order // top_k)
    outputs = [expert(run, index) for index, run in enumerate(rows.split(counts)) if run.shape[0]]
    by_token = torch.cat(outputs).index_select(0, order.argsort()).unflatten(0, (tokens, top_k))
    first, *others = (by_token.float() * weights[..., None]).unbind(1)
    return sum(others, start=first).to(x.dtype)
