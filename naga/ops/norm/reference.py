"""RMS norms in PyTorch; see the contract in __init__. `rms_norm` is a row form as it stands."""

from typing import Any

import torch
from torch import Tensor

from naga.ops.pointwise import silu, silu_rows


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return _normed(x.unflatten(-1, (1, -1)), weight, eps).to(x.dtype)


def gated_rms_norm(y: Tensor, z: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    gated = y.float() * silu(z.float())
    return _normed(gated.unflatten(-1, (groups, -1)), weight, eps).to(z.dtype)


def gated_rms_norm_rows(y: Tensor, z: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    gated = y.float() * silu_rows(z.float())
    return _normed(gated.unflatten(-1, (groups, -1)), weight, eps).to(z.dtype)


def norm_gated(y: Tensor, z: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    return (_normed(y.unflatten(-1, (groups, -1)), weight, eps) * silu(z.float())).to(z.dtype)


def norm_gated_rows(y: Tensor, z: Tensor, weight: Tensor, eps: float, groups: int) -> Tensor:
    return (_normed(y.unflatten(-1, (groups, -1)), weight, eps) * silu_rows(z.float())).to(z.dtype)


def gated(y: Tensor, z: Tensor) -> Tensor:
    return (y.float() * silu(z.float())).to(z.dtype)


def gated_rows(y: Tensor, z: Tensor) -> Tensor:
    return (y.float() * silu_rows(z.float())).to(z.dtype)


def _normed(parts: Tensor, weight: Tensor, eps: float) -> Tensor:
    normed: Tensor = _Norm.apply(parts, weight, eps)  # type: ignore[no-untyped-call]
    return normed


class _Norm(torch.autograd.Function):
    """(..., groups, D / groups) -> (..., D) float32. Autograd's gradient takes twice as long."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = parts.float()
        scale = 1 / torch.sqrt((wide * wide).mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(parts, scale, weight)
        return (wide * scale).flatten(-2) * weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        parts, scale, weight = ctx.saved_tensors
        normed = parts.float() * scale
        weighted = (gradient * weight).view_as(normed)
        along = (weighted * normed).mean(-1, keepdim=True)
        into_weight = (gradient * normed.flatten(-2)).flatten(0, -2).sum(0)
        into = torch.addcmul(weighted, normed, along, value=-1).mul_(scale)
        return into.to(parts.dtype), into_weight, None
