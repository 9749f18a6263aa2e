"""The records that pass from one stage of a step to the next. No torch.

A score that is None is missing, never wrong: such an answer is dropped and counted, and a group of
fewer than two judged answers is dropped as a whole.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naga.engine.request import FinishReason
from naga.tasks import Example, Verdict

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    key: str
    """Names it in the run's running pass rates."""
    example: Example
    """What a grader reads."""
    tokens: tuple[int, ...]
    boundaries: tuple[int, ...]
    """Where its messages end: states worth keeping."""
    thinking: bool
    """Ends inside an open think block."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollout:
    """One answer, or one episode of answers and what an environment said in between."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    """All after the prompt."""
    chosen: tuple[bool, ...]
    """Which of them the policy chose: those alone are learned."""
    logprobs: tuple[float, ...]
    """Of each chosen token as it was sampled, under the plain softmax; 0 for the others."""
    text: str
    """The last answer, its thinking left out."""
    reasoning: str
    finish_reason: FinishReason
    weights_version: int
    routes: NDArray[np.int16] | None = None
    """(layers of kind E, tokens read, k): the experts chosen at each token but the last."""
    environment_reward: float | None = None
    """What an environment said of the episode, for a reward function to read."""

    @property
    def num_chosen(self) -> int:
        return sum(self.chosen)

    @property
    def truncated(self) -> bool:
        return self.finish_reason == "length"


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """What a reward function judges."""

    prompt: Prompt
    rollout: Rollout


RewardFunction = Callable[[Sequence[Attempt]], Sequence[Verdict]]
"""A verdict for each attempt, in their order; score None where it could not be judged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    rollout: Rollout
    score: float
    """As the reward function gave it, from 0 to 1."""
    parts: Mapping[str, float]
    """What score and shaping are made of, by name."""
    reward: float
    """Score and shaping."""
    mode_reward: float = 0.0
    """For the first token alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """The judged answers to one prompt, two at least."""

    prompt: Prompt
    answers: tuple[Judged, ...]
    right_at: float

    @property
    def right(self) -> tuple[bool, ...]:
        return tuple(answer.score >= self.right_at for answer in self.answers)

    @property
    def pass_rate(self) -> float:
        return sum(self.right) / len(self.answers)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One answer as the learner takes it. L tokens in all, of which the first is never learned."""

    tokens: NDArray[np.int64]
    """(L,) prompt and answer."""
    learned: NDArray[np.bool_]
    """(L,)"""
    logprobs: Floats
    """(L,) of the sampler; 0 where nothing is learned, as in those below."""
    advantages: Floats
    """(L,)"""
    weights: Floats
    """(L,) of each token's loss; the loss of an update is their weighted sum."""
    routes: NDArray[np.int16] | None = None
    """(layers of kind E, L - 1, k)"""
