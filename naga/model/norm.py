"""A norm's weight as a module; float32 in memory whatever the compute dtype."""

import torch
from torch import Tensor, nn

from naga.ops.norm import rms_norm


class Norm(nn.Module):
    """RMSNorm over the last dimension; the same operations serve training and inference."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self._eps = eps
        self.weight = nn.Parameter(torch.empty(dim))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self._eps)
