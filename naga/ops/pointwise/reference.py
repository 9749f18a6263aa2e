"""Plain PyTorch activations; see the contract in __init__."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


def silu_rows(x: Tensor) -> Tensor:
    """x / (1 + exp(-x)) from operations that round alike at every position."""
    wide = x.float()
    return (wide / (1 + torch.exp(-wide))).to(x.dtype)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) in float32, whatever dtype comes in."""
    return F.softplus(x.float())


def softplus_rows(x: Tensor) -> Tensor:
    """log(1 + exp(x)) in float32; log1p by Kahan's correction, which holds for tiny exp(x) too."""
    wide = x.float()
    power = torch.exp(wide)
    shifted = 1 + power
    corrected = torch.log(shifted) * (power / (shifted - 1))
    small = torch.where(shifted == 1, power, corrected)
    return torch.where(wide > 20, wide, small)


def swiglu(gate_up: Tensor) -> Tensor:
    """(T, 2I) with rows [gate | up] -> silu(gate) * up, (T, I)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up


def swiglu_rows(gate_up: Tensor) -> Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return silu_rows(gate) * up


def relu2(x: Tensor) -> Tensor:
    """relu(x) ** 2, the ungated activation of Nemotron's feed-forward layers."""
    return F.relu(x).square()


def scale(x: Tensor, factor: float) -> Tensor:
    """x times a factor, rounded once; x itself where the factor is 1."""
    return x if factor == 1.0 else (x.float() * factor).to(x.dtype)


def scale_parts(x: Tensor, sizes: Sequence[int], factors: Sequence[float]) -> Tensor:
    """`scale` on each part of the last dimension, parts being so wide."""
    if all(factor == 1.0 for factor in factors):
        return x
    parts = zip(x.split(list(sizes), dim=-1), factors, strict=True)
    return torch.cat([scale(part, factor) for part, factor in parts], dim=-1)


def weighted_sum(a: Tensor, b: Tensor, weights: tuple[float, float]) -> Tensor:
    """weights[0] · a + weights[1] · b in float32, rounded once to a's dtype."""
    return (a.float() * weights[0] + b.float() * weights[1]).to(a.dtype)
