"""Plain PyTorch attention; see the contract in __init__."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from naga.ops.linear import padded_len

KEY_BLOCK = 64
# Queries whose scores stand in memory at once in the row form; changes no result.
QUERY_BLOCK = 128


def rotate(
    x: Tensor,
    positions: Tensor,
    theta: float,
    ntk_alpha: float,
    rotary_dim: int | None = None,
    scales: Sequence[float] = (),
) -> Tensor:
    """Rotary embedding (arXiv 2104.09864) of x (T, heads, d), of its first r = rotary_dim dims.

    ntk_alpha stretches the base: theta · alpha^(r/(r-2)). scales: none, or r/2 factors of the
    frequencies.
    """
    dim = x.shape[-1] if rotary_dim is None else rotary_dim
    if dim < x.shape[-1]:
        turned = rotate(x[..., :dim], positions, theta, ntk_alpha, None, scales)
        return torch.cat([turned, x[..., dim:]], dim=-1)
    base = theta * ntk_alpha ** (dim / (dim - 2)) if ntk_alpha != 1 else theta
    exponents = torch.arange(0, dim, 2, dtype=torch.float32, device=x.device) / dim
    frequencies = 1 / base**exponents
    if scales:
        frequencies = frequencies * torch.tensor(scales, device=x.device)
    angles = positions.float()[:, None] * frequencies  # (T, d/2)
    cos, sin = torch.cos(angles)[:, None], torch.sin(angles)[:, None]
    left, right = x.float().chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1).to(x.dtype)


def attention(q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int], scale: float) -> Tensor:
    """(T, H, d) in q's dtype; every sequence starts at position 0 and sees only itself."""
    outputs = []
    sequences = zip(q.split(lengths), k.split(lengths), v.split(lengths), strict=True)
    for query, key, value in sequences:
        query, key, value = (t.transpose(0, 1).unsqueeze(0) for t in (query, key, value))
        mixed = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scale, enable_gqa=True
        )
        outputs.append(mixed[0].transpose(0, 1))
    return torch.cat(outputs)


def attention_rows(q: Tensor, k: Tensor, v: Tensor, start: int, scale: float) -> Tensor:
    """Queries at positions start … start+Q-1 over keys 0 … start+Q-1.

    q (Q, H, d); k, v (start+Q or more, V, d), whose rows from start+Q on are never used; (Q, H, d).
    """
    end = start + q.shape[0]
    keys, values = _blocks(k[:end]), _blocks(v[:end])
    outputs = []
    for first in range(start, end, QUERY_BLOCK):
        last = min(first + QUERY_BLOCK, end)
        blocks = -(-last // KEY_BLOCK)
        rows = slice(first - start, last - start)
        outputs.append(_attend(q[rows], keys[:, :blocks], values[:, :blocks], first, scale))
    return torch.cat(outputs)


def _blocks(x: Tensor) -> Tensor:
    """(L, V, d) -> (V, blocks, KEY_BLOCK, d) float32; what lies beyond L is zero, never garbage."""
    missing = -x.shape[0] % KEY_BLOCK
    padded = F.pad(x.float(), (0, 0, 0, 0, 0, missing))
    return padded.transpose(0, 1).unflatten(1, (-1, KEY_BLOCK)).contiguous()


def _attend(q: Tensor, keys: Tensor, values: Tensor, first: int, scale: float) -> Tensor:
    """Queries (Q, H, d) over n blocks (V, n, KEY_BLOCK, d) -> (Q, H, d) float32."""
    queries, heads, _ = q.shape
    kv_heads, blocks = keys.shape[:2]
    group = heads // kv_heads
    # One key head serves its group's heads of every query: rows are (query, head of the group).
    used = queries * group
    rows = q.float().unflatten(1, (kv_heads, group)).transpose(0, 1).flatten(1, 2)
    rows = F.pad(rows, (0, 0, 0, padded_len(used) - used))  # (V, rows, d)
    scores = _products(rows, keys.transpose(2, 3)) * scale  # (V, n, rows, KEY_BLOCK)
    positions = first + torch.arange(rows.shape[1], device=q.device) // group
    columns = torch.arange(blocks * KEY_BLOCK, device=q.device).view(blocks, 1, KEY_BLOCK)
    scores = scores.masked_fill(columns > positions[:, None], -torch.inf)
    peaks = scores.amax(-1, keepdim=True)  # (V, n, rows, 1)
    # A block wholly in the future has the peak -inf; a finite one there keeps inf - inf away.
    weights = torch.exp(scores - peaks.clamp_min(torch.finfo(torch.float32).min))
    parts = torch.cat([_products(weights, values), weights.sum(-1, keepdim=True)], dim=-1)
    parts = parts * torch.exp(peaks - peaks.amax(1, keepdim=True))
    total = parts[:, 0]
    for block in range(1, blocks):
        total = total + parts[:, block]
    mixed = (total[..., :-1] / total[..., -1:])[:, :used]  # (V, Q·group, d)
    return mixed.unflatten(1, (queries, group)).transpose(0, 1).flatten(1, 2)


def _products(left: Tensor, right: Tensor) -> Tensor:
    """(V, rows, k) or (V, n, rows, k) times (V, n, k, m) -> (V, n, rows, m)."""
    if left.dim() == 3:
        left = left[:, None].expand(-1, right.shape[1], -1, -1)
    lefts, rights = left.flatten(0, 1), right.flatten(0, 1)
    if lefts.shape[0] == 1:
        # torch hands a batch of one to another routine, which rounds differently.
        lefts, rights = lefts.expand(2, -1, -1), rights.expand(2, -1, -1)
    products = torch.bmm(lefts, rights)[: right.shape[0] * right.shape[1]]
    return products.unflatten(0, right.shape[:2])
