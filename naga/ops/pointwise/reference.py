"""Plain PyTorch activations; see the contract in __init__."""

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
