"""Plain PyTorch scans; see the contract in __init__.

Both forms move one token at a time, for decays that differ from number to number make no product of
matrices. q tokens of a block, otherwise as in __init__.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

# Tokens whose states stand in memory at once; changes no result.
BLOCK = 32


def selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, lengths: Sequence[int]
) -> Tensor:
    """Training form: y (T, I) in x's dtype."""
    wide = [t.float() for t in (x, dt, A, B, C)]
    read: Tensor = _Scan.apply(*wide, tuple(lengths))  # type: ignore[no-untyped-call]
    return (read + D * x).to(x.dtype)


def _blocks(lengths: Sequence[int]) -> Iterator[tuple[slice, bool]]:
    """Blocks of at most BLOCK tokens within each sequence, and whether one begins it."""
    for end, length in zip(accumulate(lengths), lengths, strict=True):
        for start in range(end - length, end, BLOCK):
            yield slice(start, min(start + BLOCK, end)), start == end - length


class _Scan(torch.autograd.Function):
    """H C for every token, (T, I). Keeps the state before each block and computes the others again.

    Autograd would keep every token's state, N times what the model keeps otherwise.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, lengths: tuple[int, ...]
    ) -> Tensor:
        y, before = torch.empty_like(x), []
        state = torch.zeros_like(A)
        for rows, first in _blocks(lengths):
            state = torch.zeros_like(A) if first else state
            before.append(state)
            states = _states(x[rows], dt[rows], A, B[rows], state)
            y[rows] = torch.einsum("qin,qn->qi", states, C[rows])
            state = states[-1].clone()
        ctx.save_for_backward(x, dt, A, B, C, *before)
        ctx.lengths = lengths
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, dt, A, B, C, *before = ctx.saved_tensors
        gx, gdt, gA, gB, gC = (torch.zeros_like(t) for t in (x, dt, A, B, C))
        later = torch.zeros_like(A)  # what the tokens after this block make of its last state
        blocks = list(zip(_blocks(ctx.lengths), before, strict=True))
        for (rows, first), state in reversed(blocks):
            states = _states(x[rows], dt[rows], A, B[rows], state)
            decay = torch.exp(dt[rows, :, None] * A)
            gC[rows] = torch.einsum("qi,qin->qn", gradient[rows], states)
            into = _state_gradients(gradient[rows], C[rows], decay, later)
            later = decay[0] * into[0]
            if first:
                later = torch.zeros_like(A)
            moved = torch.cat([state[None], states[:-1]])
            power = into * moved * decay  # of dt·A
            gA += torch.einsum("qin,qi->in", power, dt[rows])
            added = torch.einsum("qin,qn->qi", into, B[rows])  # of dt·x
            gB[rows] = torch.einsum("qin,qi->qn", into, dt[rows] * x[rows])
            gx[rows] = added * dt[rows]
            gdt[rows] = added * x[rows] + torch.einsum("qin,in->qi", power, A)
        return gx, gdt, gA, gB, gC, None


def _states(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, state: Tensor) -> Tensor:
    """The states after each token of a block, (q, I, N); `state` stays as it is."""
    decay = torch.exp(dt[:, :, None] * A)
    states = (dt * x)[:, :, None] * B[:, None, :]
    # Multiply, then add: a fused multiply-add would round the tail of a vector differently.
    carried = torch.empty_like(state)
    for factor, made in zip(decay.unbind(), states.unbind(), strict=True):
        torch.mul(state, factor, out=carried)
        state = made.add_(carried)
    return states


def _state_gradients(gradient: Tensor, C: Tensor, decay: Tensor, later: Tensor) -> Tensor:
    """Gradients of the states after each token of a block, (q, I, N)."""
    into = gradient[:, :, None] * C[:, None, :]
    into[-1] += later
    for t in range(into.shape[0] - 2, -1, -1):
        into[t] += decay[t + 1] * into[t + 1]
    return into


def selective_scan_rows(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    lengths: Sequence[int],
    states: Tensor,
) -> Tensor:
    """Row form: y (T, I) float32; `states` (S, I, N) go from initial to final in place.

    Rows of x beyond sum(lengths) are padding: they meet no state, their y is D·x.
    """
    x, B, C = (t.float() for t in (x, B, C))
    y = torch.zeros_like(x)
    if all(length == 1 for length in lengths):
        rows = slice(len(lengths))
        made = (dt[rows] * x[rows])[:, :, None] * B[rows, None, :]
        states.mul_(torch.exp(dt[rows, :, None] * A)).add_(made)
        y[rows] = _read(states, C[rows])
    else:
        sequence = -1
        for rows, first in _blocks(lengths):
            sequence += first
            after = _states(x[rows], dt[rows], A, B[rows], states[sequence])
            y[rows] = _read(after, C[rows])
            states[sequence] = after[-1]
    return y + D * x


def _read(states: Tensor, C: Tensor) -> Tensor:
    """H C for every token, (q, I): sums over the last dimension alone."""
    return (states * C[:, None, :]).sum(-1)
