"""Estimates from several answers to each problem, and their uncertainty.

pass@k is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374). maj@k is the mean over
disjoint blocks of k answers in the order they were drawn, each block voting by canonical answer and
a tie shared; a block in which nobody votes scores 0. Intervals are at 95 %: Wilson's (1927) where
every value is 0 or 1, else the bootstrap's over problems, seeded. Knows no tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, sqrt

import numpy as np

from naga.verify.extract import extract
from naga.verify.normalise import compact

Z_95 = 1.959964
RESAMPLES = 2000
DRAWN_AT_ONCE = 2**20
LONGEST_VOTE = 1000


@dataclass(frozen=True, kw_only=True)
class Score:
    """The mean of one value for each problem."""

    values: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def accuracy(self) -> float:
        """NaN where there is nothing."""
        return sum(self.values) / len(self.values) if self.values else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        if not self.values:
            return 0.0, 1.0
        if set(self.values) <= {0.0, 1.0}:
            return wilson(sum(self.values), len(self.values))
        return bootstrap(self.values)


def wilson(points: float, count: int) -> tuple[float, float]:
    """Of a share of right ones."""
    share, spread = points / count, Z_95**2 / count
    centre = share + spread / 2
    half = sqrt(spread * (share * (1 - share) + spread / 4))
    low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
    return max(0.0, low), min(1.0, high)


@lru_cache(maxsize=4096)
def bootstrap(values: tuple[float, ...], seed: int = 0) -> tuple[float, float]:
    """Percentiles of the mean of resampled problems."""
    generator, given = np.random.default_rng(seed), np.asarray(values, dtype=np.float64)
    at_once = max(1, DRAWN_AT_ONCE // len(given))
    means = np.concatenate(
        [
            given[generator.integers(0, len(given), (min(at_once, rest), len(given)))].mean(axis=1)
            for rest in range(RESAMPLES, 0, -at_once)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def pass_at(k: int, num_right: int, num_answers: int) -> float:
    """The chance that one at least of k answers, drawn from these without return, is right."""
    if not 1 <= k <= num_answers:
        raise ValueError(f"pass@{k} of {num_answers} answers")
    return 1.0 - comb(num_answers - num_right, k) / comb(num_answers, k)


def majority_at(k: int, votes: Sequence[str], scores: Sequence[float]) -> float:
    """`votes`: the canonical answers; an empty one is no vote."""
    if not 1 <= k <= len(votes):
        raise ValueError(f"maj@{k} of {len(votes)} answers")
    starts = range(0, len(votes) - k + 1, k)
    blocks = [_vote(votes[start : start + k], scores[start : start + k]) for start in starts]
    return sum(blocks) / len(blocks)


def _vote(votes: Sequence[str], scores: Sequence[float]) -> float:
    groups: dict[str, list[float]] = {}
    for vote, score in zip(votes, scores, strict=True):
        if vote:
            groups.setdefault(vote, []).append(score)
    most = max(map(len, groups.values()), default=0)
    winners = [sum(group) / len(group) for group in groups.values() if len(group) == most]
    return sum(winners) / len(winners) if winners else 0.0


def canonical(reply: str) -> str:
    """What a reply votes for: its final answer, evened out; empty where it has none."""
    if len(reply) > LONGEST_VOTE and not extract(reply).answer:
        return ""
    return compact(extract(reply).answer or reply.strip()[:LONGEST_VOTE])


def powers_up_to(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most` itself: the k that are reported."""
    found = [2**i for i in range(most.bit_length()) if 2**i <= most]
    return tuple(dict.fromkeys([*found, most]))
