"""Log-probability of given tokens and entropy of their distributions, by chunks of rows.

    token_logprobs(hidden (R, D), weight (V, D), targets (R,) int64, *, logits_divisor=1.0)
        -> logprobs (R,), entropies (R,), both float32 and differentiable

Numerics as in the package's contract. Of the logits only those of `chunk_rows` rows are ever alive:
backward, which learns its factors late, computes them again. There is no second derivative.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ROWS = 512


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    logits_divisor: float = 1.0,
    chunk_rows: int = CHUNK_ROWS,
) -> tuple[Tensor, Tensor]:
    """See the top; `chunk_rows` changes no result beyond rounding."""
    found: tuple[Tensor, Tensor] = _TokenLogprobs.apply(  # type: ignore[no-untyped-call]
        hidden, weight, targets, logits_divisor, chunk_rows
    )
    return found


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        logits_divisor: float,
        chunk_rows: int,
    ) -> tuple[Tensor, Tensor]:
        wide = weight.to(hidden.dtype).float()
        logprobs = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        entropies = torch.empty_like(logprobs)
        for start in range(0, len(targets), chunk_rows):
            rows = slice(start, start + chunk_rows)
            logs = _log_softmax(hidden[rows], wide, logits_divisor)
            logprobs[rows] = logs.gather(1, targets[rows, None]).squeeze(1)
            entropies[rows] = -(logs.exp() * logs).sum(1)
        ctx.save_for_backward(hidden, weight, targets, entropies)
        ctx.logits_divisor, ctx.chunk_rows = logits_divisor, chunk_rows
        return logprobs, entropies

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_logprobs: Tensor, grad_entropies: Tensor
    ) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, entropies = ctx.saved_tensors
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        matrix = weight.to(hidden.dtype)
        wide = matrix.float()
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs_weight else None
        for start in range(0, len(targets), ctx.chunk_rows):
            rows = slice(start, start + ctx.chunk_rows)
            logs = _log_softmax(hidden[rows], wide, ctx.logits_divisor)
            # d logprob / d logits = onehot - p; d entropy / d logits = -p · (log p + entropy).
            by_entropy = (logs + entropies[rows, None]).mul_(grad_entropies[rows, None])
            grad = by_entropy.add_(grad_logprobs[rows, None]).mul_(logs.exp_()).neg_()
            grad.scatter_add_(1, targets[rows, None], grad_logprobs[rows, None])
            grad = (grad / ctx.logits_divisor).to(hidden.dtype)
            if grad_hidden is not None:
                torch.mm(grad, matrix, out=grad_hidden[rows])
            if grad_weight is not None:
                grad_weight += grad.T @ hidden[rows]
        return (
            grad_hidden,
            None if grad_weight is None else grad_weight.to(weight.dtype),
            None,
            None,
            None,
        )


def _log_softmax(hidden: Tensor, wide: Tensor, logits_divisor: float) -> Tensor:
    """(rows, V) float32"""
    return ((hidden.float() / logits_divisor) @ wide.T).log_softmax(dim=1)
