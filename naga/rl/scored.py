"""The reward system (naga.rewards) as the reward function of a run.

Groups are judged together, so that open answers are compared with each other by a pivot. An episode
whose environment has said what it is worth keeps that. Overlong penalties and compression are
shaping.py's, group adjustment is advantages.py's.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby

from naga.config.rl import RewardConfig
from naga.rewards.aggregate import AggregateConfig
from naga.rewards.endpoint import EndpointConfig
from naga.rewards.opening import open_judged, shipped_reader
from naga.rewards.score import ScoreConfig, Scorer
from naga.rewards.types import Row
from naga.rl.types import Attempt, RewardFunction
from naga.tasks import Verdict


@contextmanager
def open_reward(config: RewardConfig) -> Iterator[RewardFunction | None]:
    """Of a recipe; None where the tasks' own graders judge."""
    if config.system == "tasks":
        yield None
        return
    judge = None
    if config.judge_url is not None and config.judge_model is not None:
        judge = EndpointConfig(url=config.judge_url, model=config.judge_model)
    settings = ScoreConfig(aggregate=AggregateConfig(tests=config.tests))
    with open_judged(settings, judge, reader=shipped_reader()) as scorer:
        yield reward_function(scorer)


def reward_function(scorer: Scorer) -> RewardFunction:
    def reward(attempts: Sequence[Attempt]) -> list[Verdict]:
        groups = [list(group) for _, group in groupby(attempts, lambda each: each.prompt.key)]
        with ThreadPoolExecutor(max_workers=scorer.config.threads) as pool:
            found = list(pool.map(lambda group: list(_judged(scorer, group)), groups))
        return [verdict for group in found for verdict in group]

    return reward


def _judged(scorer: Scorer, group: Sequence[Attempt]) -> Iterator[Verdict]:
    asked = [each for each in group if each.rollout.environment_reward is None]
    found = iter(scorer.group([_row(each) for each in asked]) if asked else ())
    for each in group:
        value = each.rollout.environment_reward
        yield next(found) if value is None else _of_environment(value)


def _row(attempt: Attempt) -> Row:
    example, rollout = attempt.prompt.example, attempt.rollout
    thought = f"<think>{rollout.reasoning}</think>" if rollout.reasoning else ""
    return Row(
        task=example.family,
        prompt=example.prompt,
        answer=example.answer,
        gold=example.messages[-1].content,
        response=f"{thought}{rollout.text}",
        finished=not rollout.truncated,
        length=rollout.num_chosen,
    )


def _of_environment(value: float) -> Verdict:
    score = min(1.0, max(0.0, value))
    return Verdict(
        score=score, parts={"environment": value}, matched_by="environment" if score else ""
    )
