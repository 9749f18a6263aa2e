"""Rollouts -> judged groups. Whoever judges is a RewardFunction (types.py); here, the tasks' own.

Answers without a score are dropped; a group of fewer than two judged answers is dropped whole. Both
are counted. A reward function that raises ends the run: one that cannot judge has to say None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.config.rl import ShapingConfig
from naga.rl.shaping import shape
from naga.rl.types import Attempt, Group, Prompt, RewardFunction, Rollout
from naga.tasks import Task, Verdict


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    groups: tuple[Group, ...]
    missing: int
    """Answers that nobody could judge."""
    dropped: int
    """Groups that had fewer than two judged ones."""


def task_reward(tasks: Mapping[str, Task]) -> RewardFunction:
    """The grader of each example's family, by name."""

    def reward(attempts: Sequence[Attempt]) -> list[Verdict]:
        return [
            tasks[attempt.prompt.example.family].grade(attempt.prompt.example, attempt.rollout.text)
            for attempt in attempts
        ]

    return reward


def judge(
    reward: RewardFunction,
    rolled: Sequence[tuple[Prompt, Sequence[Rollout]]],
    shaping: ShapingConfig,
    *,
    right_at: float,
    max_tokens: int,
) -> Judgement:
    """All of them at once, so that a reward function can work side by side."""
    attempts = [
        Attempt(prompt=prompt, rollout=rollout) for prompt, group in rolled for rollout in group
    ]
    verdicts = reward(attempts)
    if len(verdicts) != len(attempts):
        raise ConfigError(
            f"the reward function gave {len(verdicts)} verdicts for {len(attempts)} answers; "
            "give one each, None as the score of one that is missing"
        )
    left = iter(zip(attempts, verdicts, strict=True))
    groups, missing = [], 0
    for prompt, rollouts in rolled:
        own = [next(left) for _ in rollouts]
        scored = [(attempt.rollout, verdict) for attempt, verdict in own]
        judged = [(r, v, v.score) for r, v in scored if v.score is not None]
        missing += len(own) - len(judged)
        if len(judged) >= 2:
            answers = shape(judged, shaping, right_at=right_at, max_tokens=max_tokens)
            groups.append(Group(prompt=prompt, answers=answers, right_at=right_at))
    return Judgement(groups=tuple(groups), missing=missing, dropped=len(rolled) - len(groups))
