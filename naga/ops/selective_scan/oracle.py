"""The scan written as its recurrence, in float64: slow, and the law for the other forms."""

from collections.abc import Sequence

import torch
from torch import Tensor


def selective_scan_oracle(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    lengths: Sequence[int],
    initial_states: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """y (T, I) and final states (S, I, N), both float64; differentiable."""
    x, dt, A, B, C, D = (t.double() for t in (x, dt, A, B, C, D))
    outputs, finals, token = [], [], 0
    for sequence, length in enumerate(lengths):
        state = torch.zeros_like(A)
        if initial_states is not None:
            state = initial_states[sequence].double()
        for t in range(token, token + length):
            state = torch.exp(dt[t, :, None] * A) * state + torch.outer(dt[t] * x[t], B[t])
            outputs.append(state @ C[t] + D * x[t])
        token += length
        finals.append(state)
    return torch.stack(outputs), torch.stack(finals)
