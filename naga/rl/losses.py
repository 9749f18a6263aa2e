"""What algorithms are made of: pure functions of one micro-batch's learned tokens.

R learned tokens of S sequences. `logprobs` and `entropies` have gradients, nothing else has.
Does not sum over tokens: weights (algorithms.py) say what each of them counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Tokens:
    """All (R,); float32 but for `sequences`."""

    logprobs: Tensor
    """Under the policy that learns."""
    entropies: Tensor
    old: Tensor
    """Under the policy before this step's first update, by the trainer's arithmetic."""
    sampler: Tensor
    """As the engine had them."""
    reference: Tensor | None
    advantages: Tensor
    weights: Tensor
    sequences: Tensor
    """int64, ascending: which sequence a token is of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Loss:
    total: Tensor
    """()"""
    seen: Mapping[str, Tensor]
    """(R,) by name, without gradients: their means over a step go into its metrics."""


def sequence_means(values: Tensor, sequences: Tensor) -> Tensor:
    """(R,): of each token's own sequence."""
    size = int(sequences[-1]) + 1
    sums = values.new_zeros(size).index_add(0, sequences, values)
    counts = sequences.bincount(minlength=size).clamp_min(1)
    return (sums / counts).index_select(0, sequences)


def clipped(ratio: Tensor, advantages: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """PPO's objective, negated, and whether the clip took a token's gradient away.

    `low` and `high` below and above 1 may differ (DAPO, arXiv 2503.14476).
    """
    bounded = ratio.clamp(1 - low, 1 + high)
    losses = -torch.minimum(ratio * advantages, bounded * advantages)
    outside = ((ratio < 1 - low) & (advantages < 0)) | ((ratio > 1 + high) & (advantages > 0))
    return losses, outside


def divergence(logprobs: Tensor, reference: Tensor, most: float) -> Tensor:
    """K3, clipped to [0, most]: an estimate of KL(policy ‖ reference) that is never negative."""
    difference = reference - logprobs
    return (torch.expm1(difference) - difference).clamp(0, most)


def importance(old: Tensor, sampler: Tensor, cap: float | None) -> Tensor:
    """p_trainer / p_sampler of each token, at most `cap` (truncated importance sampling)."""
    if cap is None:
        return torch.ones_like(old)
    return (old - sampler).clamp(-20, 20).exp().clamp_max(cap)
