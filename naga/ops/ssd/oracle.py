"""The scan written as its recurrence, in float64: slow, and the law for the other forms."""

from collections.abc import Sequence

import torch
from torch import Tensor


def ssd_oracle(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    lengths: Sequence[int],
    initial_states: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """y (T, H, P) and final states (S, H, P, N), both float64; differentiable."""
    x, dt, A, B, C, D = (t.double() for t in (x, dt, A, B, C, D))
    heads_per_group = x.shape[1] // B.shape[1]
    B, C = (t.repeat_interleave(heads_per_group, dim=1) for t in (B, C))
    outputs, finals, token = [], [], 0
    for sequence, length in enumerate(lengths):
        if initial_states is None:
            state = x.new_zeros(x.shape[1], x.shape[2], B.shape[2])
        else:
            state = initial_states[sequence].double()
        for t in range(token, token + length):
            decay = torch.exp(dt[t] * A)[:, None, None]
            state = decay * state + torch.einsum("h,hp,hn->hpn", dt[t], x[t], B[t])
            outputs.append(torch.einsum("hpn,hn->hp", state, C[t]) + D[:, None] * x[t])
        token += length
        finals.append(state)
    return torch.stack(outputs), torch.stack(finals)
