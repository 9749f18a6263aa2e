"""naga.rl.shaping and reward: scores, what is added to them, and what is missing."""

from collections.abc import Sequence

import pytest

from naga.config.base import ConfigError
from naga.rl.reward import judge, task_reward
from naga.rl.shaping import compression, overlong, shape
from naga.rl.types import Attempt, Rollout
from naga.tasks import Verdict, make_tasks
from rl.tiny import answer, prompt, shaping


def test_the_overlong_penalty_grows_over_the_last_tokens() -> None:
    config = shaping(overlong_tokens=10, overlong_penalty=2.0)
    found = [overlong(length, 100, config) for length in (50, 90, 95, 100)]
    assert found == [0.0, 0.0, -1.0, -2.0]
    assert overlong(100, 100, shaping()) == 0


def test_the_shorter_right_answer_gets_more_and_a_wrong_one_nothing() -> None:
    config = shaping(compression=0.2)
    found = compression([10, 30, 20, 1], [True, True, True, False], config)
    assert found == pytest.approx([0.1, -0.1, 0.0, 0.0])
    assert compression([10, 30], [True, False], config) == [0.0, 0.0]


def test_hard_problems_want_long_answers() -> None:
    config = shaping(compression=0.2, by_difficulty=True)
    easy = compression([10, 30, 5], [True, True, True], config)
    hard = compression([10, 30, *[5] * 6], [True, True, *[False] * 6], config)
    assert easy[2] > 0 > easy[1]
    assert hard[1] > 0 > hard[0]


def test_compression_may_go_to_the_mode_token_alone() -> None:
    judged = [
        (answer(1, length).rollout, Verdict(score=1.0, parts={"exact": 1.0}), 1.0)
        for length in (3, 9)
    ]
    short, long = shape(judged, shaping(compression=0.4, to_mode=True), right_at=1.0, max_tokens=10)
    assert (short.reward, long.reward) == (1.0, 1.0)
    assert (short.mode_reward, long.mode_reward) == (0.2, -0.2)
    assert dict(short.parts) == {"exact": 1.0, "compression": 0.2}


def rollouts(count: int) -> list[Rollout]:
    return [answer(0, 2 + number).rollout for number in range(count)]


def test_a_missing_score_is_dropped_and_not_wrong() -> None:
    scores = iter([1.0, None, 0.0, None, 1.0, None])

    def reward(attempts: Sequence[Attempt]) -> list[Verdict]:
        return [Verdict(score=next(scores)) for _ in attempts]

    rolled = [(prompt(0), rollouts(3)), (prompt(1), rollouts(3))]
    found = judge(reward, rolled, shaping(), right_at=1.0, max_tokens=9)
    assert [len(group.answers) for group in found.groups] == [2]
    assert (found.missing, found.dropped) == (3, 1)
    assert [one.score for one in found.groups[0].answers] == [1.0, 0.0]


def test_a_reward_function_answers_for_every_attempt() -> None:
    with pytest.raises(ConfigError, match="gave 0 verdicts for 2"):
        judge(lambda _: [], [(prompt(), rollouts(2))], shaping(), right_at=1.0, max_tokens=9)


def test_tasks_grade_their_own_prompts() -> None:
    from dataclasses import replace

    one = prompt()
    right = replace(rollouts(1)[0], text=one.example.answer)
    reward = task_reward({"addition": make_tasks(["addition"])[0]})
    attempts = [Attempt(prompt=one, rollout=r) for r in (right, replace(right, text="x"))]
    assert [verdict.score for verdict in reward(attempts)] == [1.0, 0.0]
