"""The reward system as one of TRL's `reward_funcs`.

TRL (1.16) calls `f(prompts=, completions=, completion_ids=, **columns)`, where the columns are
those of the data set and some of its own (trainer_state, log_metric, ...): that a function takes
whatever comes by name is TRL's contract, and the one place where naga does. Wanted are the columns
`answer` and, for a family's own grader, `task`; `gold` where there is one. The completions of one
prompt come one after another and are judged as a group. None, a missing score, is what TRL leaves
out of a group's mean. Imports nothing of TRL.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from naga.config.base import ConfigError
from naga.rewards.score import Scorer
from naga.rewards.types import Row, read_row

TrlReward = Callable[..., list[float | None]]
COLUMNS = ("task", "answer", "gold")


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
        rows = []
        for number, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            known = {name: columns[name][number] for name in COLUMNS if name in columns}
            length = None if completion_ids is None else len(completion_ids[number])
            rows.append(_row({**known, "prompt": prompt}, completion, length))
        return [score for _, group in groupby(rows, _problem) for score in _scores(scorer, group)]

    reward.__name__ = name
    return reward


def _row(known: Mapping[str, Any], completion: Any, length: int | None) -> Row | None:
    """None for a malformed row, whose score is missing."""
    try:
        row = read_row({**known, "response": _text(completion)})
    except ConfigError:
        return None
    return replace(row, length=length)


def _problem(row: Row | None) -> tuple[object, ...] | None:
    return None if row is None else (row.task, row.prompt, row.answer, row.gold)


def _scores(scorer: Scorer, group: Iterable[Row | None]) -> list[float | None]:
    given = list(group)
    rows = [row for row in given if row is not None]
    if not rows:  # a group is malformed as a whole or not at all
        return [None] * len(given)
    return [verdict.score for verdict in scorer.group(rows)]


def _text(completion: Any) -> str:
    """A text, or the messages of a conversation, of which the last is judged."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1]["content"] or "")
