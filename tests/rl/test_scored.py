"""naga.rewards as a run's reward function: order, groups, environments, truncated answers."""

from dataclasses import replace

import pytest

from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.rl import RewardConfig, ShapingConfig
from naga.data.messages import Message
from naga.rewards import Scorer
from naga.rewards.endpoint import Question, Said, Token
from naga.rewards.generative import Judge
from naga.rewards.graders import reading_tasks, running_tasks
from naga.rewards.workers import Here
from naga.rl.reward import judge
from naga.rl.scored import open_reward, reward_function
from naga.rl.types import Attempt, Prompt, Rollout
from naga.tasks import Judging
from rl import tiny

SCORER = Scorer(reads=Here(reading_tasks()), runs=Here(running_tasks(Judging(workers=0))))


def rollout(text: str, **changes: object) -> Rollout:
    made = Rollout(
        prompt=(1,),
        tokens=(2, 3),
        chosen=(True, True),
        logprobs=(0.0, 0.0),
        text=text,
        reasoning="",
        finish_reason="stop",
        weights_version=0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def attempt(prompt: Prompt, text: str, **changes: object) -> Attempt:
    return Attempt(prompt=prompt, rollout=rollout(text, **changes))


def test_each_answer_is_judged_by_its_own_family() -> None:
    first, second = tiny.prompt(0), tiny.prompt(1)
    right = [prompt.example.messages[-1].content for prompt in (first, second)]
    attempts = [
        attempt(first, right[0], reasoning="so"),
        attempt(first, "nonsense"),
        attempt(first, right[0], finish_reason="length"),
        attempt(second, right[1]),
        attempt(second, right[0], environment_reward=0.5),
    ]
    found = reward_function(SCORER)(attempts)
    assert [verdict.score for verdict in found] == [1.0, 0.0, 0.0, 1.0, 0.5]
    assert found[4].matched_by == "environment"


class LikesLong:
    concurrency = 1

    def ask(self, question: Question) -> Said:
        first = question.user.index("RESPONSE B") - question.user.index("RESPONSE A")
        letter = "A" if first > 350 else "B"
        return Said(text=letter, tokens=(Token(text=letter, top=((letter, 0.0),)),))


def test_open_answers_are_compared_with_each_other() -> None:
    prompt = tiny.prompt(0)
    gold = Message(role="assistant", content="What is said at length.")
    messages = (*prompt.example.prompt, gold)
    example = replace(prompt.example, family="", answer="", messages=messages)
    prompt = replace(prompt, example=example)
    reward = reward_function(replace(SCORER, judge=Judge(LikesLong())))
    found = reward([attempt(prompt, text) for text in ("short", "one " * 60, "short too")])
    assert all("pivot" in verdict.parts for verdict in found)
    assert max(range(3), key=lambda index: found[index].score or 0.0) == 1


def test_missing_answers_are_dropped_and_counted_by_the_run() -> None:
    prompt = tiny.prompt(0)
    messages = (*prompt.example.prompt, Message(role="assistant", content=""))
    unjudged = replace(prompt, example=replace(prompt.example, answer="", messages=messages))
    group = [rollout("1"), rollout("2")]
    found = judge(
        reward_function(SCORER),
        [(prompt, group), (unjudged, group)],
        ShapingConfig(),
        right_at=1.0,
        max_tokens=10,
    )
    assert (len(found.groups), found.missing, found.dropped) == (1, 2, 1)


def test_a_recipe_says_who_judges() -> None:
    with open_reward(RewardConfig()) as reward:
        assert reward is None
    with open_reward(RewardConfig(system="scorer")) as reward:
        assert reward is not None
        (found,) = reward([attempt(tiny.prompt(0), "no number at all")])
        assert found.score == 0


@pytest.mark.parametrize(
    "given",
    [
        {"system": "scorer", "judge_url": "http://localhost/v1"},
        {"judge_url": "http://localhost/v1", "judge_model": "m"},
        {"tests": "fraction"},
    ],
)
def test_settings_of_a_judge_without_effect_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="judge_model"):
        parse_config(RewardConfig, given, source="test")
