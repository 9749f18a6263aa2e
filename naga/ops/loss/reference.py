"""The law for naga.ops.loss: full logits, torch's own cross-entropy, autograd."""

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy_reference(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    loss_mask: Tensor,
    *,
    denominator: float,
    logits_divisor: float = 1.0,
) -> Tensor:
    """See the package's contract."""
    wide = weight.to(hidden.dtype).float()
    logits = functional.linear(hidden.float() / logits_divisor, wide)
    losses = functional.cross_entropy(logits, targets, reduction="none")
    return torch.where(loss_mask, losses, 0.0).sum() / denominator
