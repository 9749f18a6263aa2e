"""The reward system as one of TRL's `reward_funcs`.

TRL (1.16) calls `f(prompts=, completions=, completion_ids=, **columns)`, where the columns are
those of the data set and some of its own (trainer_state, log_metric, ...): that a function takes
whatever comes by name is TRL's contract, and the one place where naga does. Wanted are the columns
`answer` and, for a family's own grader, `task`; `gold` where there is one. None is what TRL leaves
out of a group's mean. Imports nothing of TRL.
"""

from collections.abc import Callable, Sequence
from typing import Any

from naga.config.base import ConfigError
from naga.rewards.score import Scorer

TrlReward = Callable[..., list[float | None]]


def trl_reward(scorer: Scorer, *, name: str = "naga") -> TrlReward:
    """`name` is how TRL logs it."""

    def reward(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        if "answer" not in columns and "gold" not in columns:
            raise ConfigError("reward: the data set has neither an 'answer' nor a 'gold' column")
        records = [
            {
                "prompt": prompt,
                "response": _text(completion),
                **{
                    column: columns[column][number]
                    for column in ("task", "answer", "gold")
                    if column in columns
                },
            }
            for number, (prompt, completion) in enumerate(zip(prompts, completions, strict=True))
        ]
        return [_score(row["score"]) for row in scorer.score_many(records)]

    reward.__name__ = name
    return reward


def _score(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _text(completion: Any) -> str:
    """A text, or the messages of a conversation, of which the last is judged."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1]["content"] or "")
