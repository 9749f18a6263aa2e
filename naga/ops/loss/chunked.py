"""Cross-entropy by chunks of rows; gradients are formed in forward, while a chunk's logits live.

So the head costs its three products once (no recomputation), and memory holds (chunk_rows, V)
float32. Rows outside the mask are never multiplied: for SFT that is most of them.
Backward only scales what forward made: there is no second derivative.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ROWS = 512


def cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    loss_mask: Tensor,
    *,
    denominator: float,
    logits_divisor: float = 1.0,
    chunk_rows: int = CHUNK_ROWS,
) -> Tensor:
    """See the package's contract; `chunk_rows` changes no result beyond rounding."""
    rows = loss_mask.nonzero().squeeze(1)
    loss: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden.index_select(0, rows),
        weight,
        targets.index_select(0, rows),
        denominator,
        logits_divisor,
        chunk_rows,
    )
    return loss


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        denominator: float,
        logits_divisor: float,
        chunk_rows: int,
    ) -> Tensor:
        matrix = weight.to(hidden.dtype)
        wide = matrix.float()
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs_weight else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for rows in _chunks(hidden.shape[0], chunk_rows):
            wide_rows = hidden[rows].float() / logits_divisor
            loss, grad = _chunk(wide_rows @ wide.T, targets[rows], denominator * logits_divisor)
            total += loss
            grad = grad.to(hidden.dtype)
            if grad_hidden is not None:
                torch.mm(grad, matrix, out=grad_hidden[rows])
            if grad_weight is not None:
                grad_weight += grad.T @ hidden[rows]
        ctx.grads = (grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype))
        return total / denominator

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        grads = (None if grad is None else grad * grad_output.to(grad.dtype) for grad in ctx.grads)
        return (*grads, None, None, None, None)


def _chunks(num_rows: int, chunk_rows: int) -> Iterator[slice]:
    return (slice(start, start + chunk_rows) for start in range(0, num_rows, chunk_rows))


def _chunk(logits: Tensor, targets: Tensor, denominator: float) -> tuple[Tensor, Tensor]:
    """Summed loss of these rows, and its gradient by their undivided logits over `denominator`."""
    index = targets.unsqueeze(1)
    # Spelled out, in place: torch's logsumexp costs three times the exponentials themselves.
    logits -= logits.amax(dim=1, keepdim=True)
    target_logits = logits.gather(1, index)
    total = logits.exp_().sum(dim=1, keepdim=True)
    loss = (total.log() - target_logits).sum()
    scale = 1.0 / denominator
    grad = logits.mul_(scale / total)
    grad.scatter_add_(1, index, torch.full_like(total, -scale))
    return loss, grad
