"""The algorithms: which tokens count how much, and the loss of a token. One small class each.

An algorithm turns the groups of an update into weighted samples and makes the loss of a micro-batch
of them; the learner (learner.py) knows nothing else of it. A new one is a class here, a name in
config/rl.py and a line in ALGORITHMS.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch

from naga.config.rl import AlgorithmConfig
from naga.rl.advantages import make_samples, weigh
from naga.rl.losses import Loss, Tokens, clipped, divergence, importance, sequence_means
from naga.rl.types import Group, Sample


class Algorithm(ABC):
    def __init__(self, config: AlgorithmConfig, *, mask_truncated: bool = False) -> None:
        self.config = config
        self._mask_truncated = mask_truncated

    @property
    def needs_reference(self) -> bool:
        return self.config.kl > 0

    def samples(self, groups: Sequence[Group]) -> list[Sample]:
        """Everything that one update learns from."""
        return self.weighed(make_samples(groups, self.config, mask_truncated=self._mask_truncated))

    @abstractmethod
    def weighed(self, samples: Sequence[Sample]) -> list[Sample]: ...

    @abstractmethod
    def loss(self, tokens: Tokens) -> Loss: ...

    def _finish(self, losses: torch.Tensor, outside: torch.Tensor, tokens: Tokens) -> Loss:
        """Corrected for the sampler's arithmetic, with divergence and entropy, weighed and summed.

        losses, outside: (R,)
        """
        config = self.config
        correction = importance(tokens.old, tokens.sampler, config.importance_cap)
        losses = losses * correction - config.entropy * tokens.entropies
        seen = {"clipped": outside.float(), "importance": correction}
        if tokens.reference is not None:
            kl = divergence(tokens.logprobs, tokens.reference, config.kl_max)
            losses = losses + config.kl * kl
            seen["kl"] = kl.detach()
        return Loss(total=(losses * tokens.weights).sum(), seen=seen)


@final
class Grpo(Algorithm):
    """A sequence counts as much as another (arXiv 2402.03300); the ratio of each token."""

    def weighed(self, samples: Sequence[Sample]) -> list[Sample]:
        return weigh(samples, "sequence", self.config.mode_weight)

    def loss(self, tokens: Tokens) -> Loss:
        ratio = (tokens.logprobs - tokens.old).exp()
        # One bound for both sides.
        low = self.config.clip_low
        return self._finish(*clipped(ratio, tokens.advantages, low, low), tokens)


@final
class Dapo(Algorithm):
    """A token counts as much as another; more room above 1 than below (arXiv 2503.14476).

    Its dynamic sampling is the run's (curriculum.py), its overlong penalty shaping's.
    """

    def weighed(self, samples: Sequence[Sample]) -> list[Sample]:
        return weigh(samples, "token", self.config.mode_weight)

    def loss(self, tokens: Tokens) -> Loss:
        ratio = (tokens.logprobs - tokens.old).exp()
        low, high = self.config.clip_low, self.config.clip_high
        return self._finish(*clipped(ratio, tokens.advantages, low, high), tokens)


@final
class Gspo(Algorithm):
    """The ratio of whole sequences, by the mean of their tokens' (arXiv 2507.18071)."""

    def weighed(self, samples: Sequence[Sample]) -> list[Sample]:
        return weigh(samples, "sequence", self.config.mode_weight)

    def loss(self, tokens: Tokens) -> Loss:
        ratio = sequence_means(tokens.logprobs - tokens.old, tokens.sequences).exp()
        low, high = self.config.clip_low, self.config.clip_high
        return self._finish(*clipped(ratio, tokens.advantages, low, high), tokens)


@final
class BestOfN(Algorithm):
    """Likelihood of the answers that were better than the others; nothing of the worse ones.

    As in Hunyuan-TurboS (arXiv 2505.15431): the loss of positive advantages alone.
    """

    def weighed(self, samples: Sequence[Sample]) -> list[Sample]:
        better = [sample for sample in samples if sample.advantages.max() > 0]
        return weigh(better, "token", self.config.mode_weight)

    def loss(self, tokens: Tokens) -> Loss:
        positive = (tokens.advantages > 0).float()
        losses = -tokens.logprobs * positive
        return self._finish(losses, torch.zeros_like(positive), tokens)


ALGORITHMS: dict[str, type[Algorithm]] = {
    "grpo": Grpo,
    "dapo": Dapo,
    "gspo": Gspo,
    "best_of_n": BestOfN,
}


def make_algorithm(config: AlgorithmConfig, *, mask_truncated: bool = False) -> Algorithm:
    return ALGORITHMS[config.name](config, mask_truncated=mask_truncated)
