"""Plain PyTorch RMS norms; see the contract in __init__. `rms_norm` is a row form as it stands."""

import torch
from torch import Tensor

from naga.ops.pointwise import silu, silu_rows


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = x.float()
    scale = 1 / torch.sqrt((wide * wide).mean(-1, keepdim=True) + eps)
    return (wide * scale * weight).to(x.dtype)


def gated_rms_norm(y: Tensor, z: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    return _grouped(y.float() * silu(z.float()), weight, eps, groups).to(z.dtype)


def gated_rms_norm_rows(y: Tensor, z: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    return _grouped(y.float() * silu_rows(z.float()), weight, eps, groups).to(z.dtype)


def _grouped(gated: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    parts = gated.unflatten(-1, (groups, -1))
    scale = 1 / torch.sqrt((parts * parts).mean(-1, keepdim=True) + eps)
    return (parts * scale).flatten(-2) * weight
