"""Judged groups -> what each answer is better by than the others, and samples for the learner.

A sample's weights are those of a sum over all tokens of an update, so the learner needs no
denominator. Knows no loss (losses.py).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from naga.config.rl import AlgorithmConfig
from naga.rl.types import Floats, Group, Judged, Sample

SMALL = 1e-4


def group_advantages(
    group: Group, *, normalise: Literal["std", "mean"], adjust: Literal["none", "wrong", "both"]
) -> Floats:
    """(answers,) rewards less their mean; with `adjust`, of the sign that right and wrong have."""
    advantages = centred([answer.reward for answer in group.answers], normalise)
    right = np.array(group.right)
    if adjust != "none":
        advantages = np.where(right, advantages, np.minimum(advantages, 0))
    if adjust == "both":
        advantages = np.where(right, np.maximum(advantages, 0), advantages)
    return advantages


def centred(rewards: Sequence[float], normalise: Literal["std", "mean"]) -> Floats:
    """Over the standard deviation of a sample, as TRL has it."""
    values = np.array(rewards, dtype=np.float64)
    values = values - values.mean()
    # Equal rewards differ by rounding once they are less a mean.
    if np.abs(values).max() < 1e-9:
        return np.zeros(len(values), dtype=np.float32)
    if normalise == "std":
        values = values / (values.std(ddof=1) + SMALL)
    return values.astype(np.float32)


def is_degenerate(group: Group, config: AlgorithmConfig) -> bool:
    """Nothing to learn from: no answer is better or worse than the others."""
    modes = centred([answer.mode_reward for answer in group.answers], config.normalise)
    found = group_advantages(group, normalise=config.normalise, adjust=config.adjust)
    return not (found.any() or modes.any())


def make_samples(
    groups: Sequence[Group], config: AlgorithmConfig, *, mask_truncated: bool
) -> list[Sample]:
    """Every answer with its advantage at each learned token, weight 1 there."""
    samples = []
    for group in groups:
        found = group_advantages(group, normalise=config.normalise, adjust=config.adjust)
        modes = centred([answer.mode_reward for answer in group.answers], config.normalise)
        for answer, advantage, mode in zip(group.answers, found, modes, strict=True):
            if mask_truncated and answer.rollout.truncated:
                continue
            sample = _sample(answer, float(advantage))
            sample.advantages[first_learned(sample)] += mode
            samples.append(sample)
    return samples


def _sample(answer: Judged, advantage: float) -> Sample:
    rollout = answer.rollout
    given = len(rollout.prompt)
    learned = np.array([False] * given + list(rollout.chosen))
    streams = learned.astype(np.float32)
    return Sample(
        tokens=np.array(rollout.prompt + rollout.tokens, dtype=np.int64),
        learned=learned,
        logprobs=np.array([0.0] * given + list(rollout.logprobs), dtype=np.float32),
        advantages=streams * np.float32(advantage),
        weights=streams,
        routes=rollout.routes,
    )


def first_learned(sample: Sample) -> int:
    """The place of the token that decides whether to think, where a model decides it."""
    return int(sample.learned.argmax())


def weigh(
    samples: Sequence[Sample], per: Literal["sequence", "token"], mode_weight: float | None
) -> list[Sample]:
    """The means of a loss as weights: of sequences' means (GRPO), or of all tokens (DAPO).

    With mode_weight the first token of each is weighed apart from the others (DeGRPO,
    arXiv 2505.13379), which then share what one sequence, or all tokens, have.
    """
    weights = [_means(sample, mode_weight) for sample in samples]
    total = sum(float(each.sum()) for each in weights)
    scales = [len(samples) * float(each.sum()) if per == "sequence" else total for each in weights]
    modes = 0.0 if mode_weight is None else mode_weight / max(1, len(samples))
    scaled = []
    for sample, each, scale in zip(samples, weights, scales, strict=True):
        own = each / max(scale, 1.0)
        if mode_weight is not None:
            own[first_learned(sample)] = modes
        scaled.append(replace(sample, weights=own.astype(np.float32)))
    return scaled


def _means(sample: Sample, mode_weight: float | None) -> NDArray[np.float64]:
    own = sample.weights.astype(np.float64)
    if mode_weight is not None:
        own[first_learned(sample)] = 0.0
    return own
