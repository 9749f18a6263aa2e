"""Plain PyTorch scans; see the contract in __init__.

Shapes: K chunks of Q tokens, G groups of R heads (H = G·R), otherwise as in __init__.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Tokens whose states stand in memory at once in the row form; changes no result.
ROW_BLOCK = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chunks:
    """Inputs cut into chunks; padded to K·Q tokens by some of dt = 0 in a sequence of their own."""

    x: Tensor  # (K, Q, G, R, P)
    dt: Tensor  # (K, Q, G, R) float32
    # float64, so that a difference of two sums is still good to float32:
    cumulated: Tensor  # (K, Q, G, R) float64: dt·A summed from the chunk's first token to this one
    B: Tensor  # (K, Q, G, N)
    C: Tensor  # (K, Q, G, N)
    segments: Tensor  # (K, Q)


def ssd_chunked(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    segments: Tensor,
    chunk_size: int,
    initial_states: Tensor | None = None,
) -> Tensor:
    """y (T, H, P) in x's dtype; so are products inside a chunk, those with states are float32."""
    chunks = _cut(x, dt, A, B, C, segments, chunk_size)
    y = _within_chunks(chunks).float() + _from_states(chunks, _states_before(chunks))
    y = y.flatten(0, 1).flatten(1, 2)[: x.shape[0]] + D[:, None] * x
    if initial_states is not None:
        y = y + _from_initial(dt, A, C, segments, initial_states)
    return y.to(x.dtype)


def ssd_final_states(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    segments: Tensor,
    initial_states: Tensor | None = None,
) -> Tensor:
    """States after each sequence, (S, H, P, N) float32."""
    lengths = segments.bincount().tolist()
    heads_per_group = x.shape[1] // B.shape[1]
    finals = []
    pieces = zip(x.split(lengths), dt.split(lengths), B.split(lengths), strict=True)
    for sequence, (x_s, dt_s, B_s) in enumerate(pieces):
        cumulated = (dt_s * A).double().cumsum(0)
        weight = torch.exp(cumulated[-1] - cumulated).float() * dt_s
        B_heads = B_s.float().repeat_interleave(heads_per_group, dim=1)
        state = torch.einsum("th,thp,thn->hpn", weight, x_s.float(), B_heads)
        if initial_states is not None:
            decay = torch.exp(cumulated[-1]).float()[:, None, None]
            state = state + decay * initial_states[sequence]
        finals.append(state)
    return torch.stack(finals)


def _cut(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, segments: Tensor, chunk_size: int
) -> _Chunks:
    groups = B.shape[1]
    missing = -x.shape[0] % chunk_size

    def cut(t: Tensor) -> Tensor:
        return F.pad(t, [0, 0] * (t.dim() - 1) + [0, missing]).unflatten(0, (-1, chunk_size))

    dt = cut(dt).unflatten(-1, (groups, -1))
    return _Chunks(
        x=cut(x).unflatten(2, (groups, -1)),
        dt=dt,
        cumulated=(dt * A.view(groups, -1)).double().cumsum(1),
        B=cut(B),
        C=cut(C),
        segments=F.pad(segments, (0, missing), value=-1).unflatten(0, (-1, chunk_size)),
    )


def _within_chunks(chunks: _Chunks) -> Tensor:
    """What tokens of one chunk give each other: ((C Bᵀ) ∘ L ∘ dt) x, (K, Q, G, R, P)."""
    size = chunks.segments.shape[1]
    causal = torch.ones(size, size, dtype=torch.bool, device=chunks.x.device).tril()
    allowed = causal & (chunks.segments[:, :, None] == chunks.segments[:, None, :])  # (K, Q, Q)
    cumulated = chunks.cumulated.permute(0, 2, 3, 1)  # (K, G, R, Q)
    difference = (cumulated[..., :, None] - cumulated[..., None, :]).float()
    decay = difference.masked_fill(~allowed[:, None, None], -torch.inf).exp()
    products = chunks.C.transpose(1, 2) @ chunks.B.permute(0, 2, 3, 1)  # (K, G, Q, Q)
    mixing = products[:, :, None] * (decay * chunks.dt.permute(0, 2, 3, 1)[..., None, :])
    mixed = mixing.to(chunks.x.dtype) @ chunks.x.permute(0, 2, 3, 1, 4)  # (K, G, R, Q, P)
    return mixed.permute(0, 3, 1, 2, 4)


def _states_before(chunks: _Chunks) -> Tensor:
    """The state each chunk starts from, (K, G, N, R·P) float32."""
    last = chunks.segments[:, -1:]  # (K, 1)
    to_end = torch.exp(chunks.cumulated[:, -1:] - chunks.cumulated).float() * chunks.dt
    to_end = to_end * (chunks.segments == last)[..., None, None]
    weighted = (chunks.x.float() * to_end[..., None]).flatten(3).transpose(1, 2)  # (K, G, Q, R·P)
    made = chunks.B.float().permute(0, 2, 3, 1) @ weighted  # (K, G, N, R·P)
    # A chunk passes its entering state on only if one sequence runs from before it to its end.
    carries = torch.cat([last[:1] != last[:1], last[1:] == last[:-1]])
    decay = torch.exp(chunks.cumulated[:, -1]).float() * carries[..., None]  # (K, G, R)
    per_column = decay.repeat_interleave(chunks.x.shape[-1], dim=-1)[:, :, None]  # (K, G, 1, R·P)
    state = torch.zeros_like(made[0])
    before = []
    # unbind, not indexing: the gradient of an index is as large as the whole tensor.
    for factor, new in zip(per_column.unbind(), made.unbind(), strict=True):
        before.append(state)
        state = factor * state + new
    return torch.stack(before)


def _from_states(chunks: _Chunks, states: Tensor) -> Tensor:
    """What the entering state gives the tokens of its own sequence, (K, Q, G, R, P) float32."""
    entering = F.pad(chunks.segments[:-1, -1], (1, 0), value=-2)[:, None]
    decay = torch.exp(chunks.cumulated).float() * (chunks.segments == entering)[..., None, None]
    read = chunks.C.float().transpose(1, 2) @ states  # (K, G, Q, R·P)
    return read.transpose(1, 2).unflatten(-1, (chunks.dt.shape[-1], -1)) * decay[..., None]


def _from_initial(
    dt: Tensor, A: Tensor, C: Tensor, segments: Tensor, initial_states: Tensor
) -> Tensor:
    """The scan is linear in its state: what the initial states add to y, (T, H, P) float32."""
    lengths = segments.bincount().tolist()
    heads_per_group = dt.shape[1] // C.shape[1]
    added = []
    for state, dt_s, C_s in zip(initial_states, dt.split(lengths), C.split(lengths), strict=True):
        decay = torch.exp((dt_s * A).double().cumsum(0)).float()
        C_heads = C_s.float().repeat_interleave(heads_per_group, dim=1)
        added.append(torch.einsum("hpn,thn,th->thp", state, C_heads, decay))
    return torch.cat(added)


def ssd_rows(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    lengths: Sequence[int],
    states: Tensor,
) -> Tensor:
    """Row form: y (T, H, P) float32; `states` (S, H, P, N) go from initial to final in place.

    Rows of x beyond sum(lengths) are padding: they meet no state, their y is D·x.
    """
    heads_per_group = x.shape[1] // B.shape[1]
    decay = torch.exp(dt * A)  # (T, H)
    scaled = x.float() * dt[..., None]  # (T, H, P)
    B, C = (t.float().repeat_interleave(heads_per_group, dim=1) for t in (B, C))  # (T, H, N)
    y = torch.zeros_like(scaled)
    if all(length == 1 for length in lengths):
        count = len(lengths)
        made = scaled[:count, :, :, None] * B[:count, :, None]
        states.mul_(decay[:count, :, None, None]).add_(made)
        y[:count] = _read(states, C[:count])
    else:
        first = 0
        for sequence, length in enumerate(lengths):
            for start in range(first, first + length, ROW_BLOCK):
                rows = slice(start, min(start + ROW_BLOCK, first + length))
                made = scaled[rows, :, :, None] * B[rows, :, None]
                y[rows] = _scan_block(made, decay[rows], C[rows], states[sequence])
            first += length
    return y + D[:, None] * x.float()


def _scan_block(made: Tensor, decay: Tensor, C: Tensor, state: Tensor) -> Tensor:
    """Make what each token adds (t, H, P, N) the states after it; read y, move `state` on."""
    # Multiply, then add: a fused multiply-add would round the tail of a vector differently.
    carried = torch.empty_like(state)
    previous = state
    for added, factor in zip(made.unbind(), decay[:, :, None, None].unbind(), strict=True):
        torch.mul(previous, factor, out=carried)
        previous = added.add_(carried)
    state.copy_(previous)
    return _read(made, C)


def _read(states: Tensor, C: Tensor) -> Tensor:
    """H C for every token and head: (t, H, P, N) and (t, H, N) -> (t, H, P)."""
    # A row times a matrix: several times faster here than a matrix times a column.
    rows, matrices = C.flatten(0, 1).unsqueeze(1), states.flatten(0, 1).transpose(1, 2)
    if rows.shape[0] == 1:
        # torch hands a batch of one to another routine, which rounds differently.
        rows, matrices = rows.expand(2, -1, -1), matrices.expand(2, -1, -1)
    count = C.shape[0] * C.shape[1]
    return torch.bmm(rows, matrices)[:count].squeeze(1).unflatten(0, C.shape[:2])
