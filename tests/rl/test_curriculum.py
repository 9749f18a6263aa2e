"""naga.rl.curriculum: who is asked when."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.rl import CurriculumConfig, PromptsConfig, RlConfig
from naga.rl import prompts
from naga.rl.curriculum import (
    Rate,
    choose_prompts,
    is_worth,
    max_tokens_at,
    phase_at,
    updated,
)
from naga.rl.prompts import make_pool
from naga.rl.types import Prompt
from rl.tiny import answer, group, rl_config, tokenizer

NAMES = tokenizer()


def pool(count: int = 30, seed: int = 0, **changes: Any) -> list[Prompt]:
    values = {"tasks": ["addition"], "count": count} | changes
    return make_pool(
        parse_config(PromptsConfig, values, "test"), NAMES, seed=seed, thinking="never", phase=0
    )


def config(**changes: Any) -> RlConfig:
    return rl_config(Path("run"), Path("model"), **changes)


def curriculum(**changes: Any) -> CurriculumConfig:
    return CurriculumConfig.model_validate(changes)


def keys(prompts: list[Prompt]) -> list[str]:
    return [prompt.key for prompt in prompts]


def test_a_pool_has_different_problems_of_the_training_split_by_level() -> None:
    found = pool(40, levels=["hard", "easy"])
    assert len(set(keys(found))) == 40
    assert {prompt.example.split for prompt in found} == {"train"}
    levels = [prompt.example.level for prompt in found]
    assert levels == sorted(levels) and set(levels) == {"easy", "hard"}
    assert keys(found) == keys(pool(40, levels=["hard", "easy"]))


def test_too_many_prompts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "STREAM_PER_PROMPT", 1)
    with pytest.raises(ConfigError, match=r"phases\.0\.prompts: \d+ different problems"):
        pool(1000, tasks=["comparing"])


def test_the_choice_repeats_and_leaves_out_who_was_taken() -> None:
    pools, settings = [pool()], config()
    first = choose_prompts(pools, settings, {}, step=1, round_=0, count=5)
    assert keys(first) == keys(choose_prompts(pools, settings, {}, step=1, round_=0, count=5))
    assert keys(first) != keys(choose_prompts(pools, settings, {}, step=2, round_=0, count=5))
    taken = frozenset(keys(first))
    rest = choose_prompts(pools, settings, {}, step=1, round_=1, count=99, taken=taken)
    assert len(rest) == 25 and not taken & set(keys(rest))


def test_always_right_and_always_wrong_prompts_rest_for_a_while() -> None:
    settings = curriculum(lowest_rate=0.1, highest_rate=0.9, after=2, rest_steps=10)
    for value, asked, expected in (
        (1.0, 1, True),
        (1.0, 2, False),
        (0.0, 2, False),
        (0.5, 9, True),
    ):
        rate = Rate(value=value, asked=asked, step=5)
        assert is_worth(rate, settings, 6) == expected
        assert is_worth(rate, settings, 16)
    pools = [pool()]
    rates = {key: Rate(value=1.0, asked=2, step=1) for key in keys(pools[0])[:28]}
    found = choose_prompts(pools, config(), rates, step=2, round_=0, count=5)
    assert sorted(keys(found)) == sorted(keys(pools[0])[28:])


def test_rates_run_with_the_newest_group() -> None:
    half = group(answer(1.0), answer(0.0))
    once = updated({}, [half], curriculum(), 1)
    (key,) = once
    assert once[key] == Rate(value=0.5, asked=1, step=1)
    right = group(answer(1.0), answer(1.0))
    assert updated(once, [right], curriculum(smoothing=0.5), 4)[key].value == 0.75


def test_difficulty_grows_within_a_phase() -> None:
    pools = [pool(40, levels=["easy", "hard"])]
    settings = config(curriculum={"steps": 10, "first_share": 0.25})
    hardest = [
        max(
            pools[0].index(prompt)
            for prompt in choose_prompts(pools, settings, {}, step=step, round_=0, count=10)
        )
        for step in (1, 5, 11)
    ]
    assert hardest[0] == 9 < hardest[1] < 25 <= hardest[2]


def test_length_grows_over_the_run() -> None:
    settings = config(
        curriculum={"steps": 10, "first_tokens": 20},
        rollout={"prompts_per_step": 1, "max_tokens": 120},
    )
    assert [max_tokens_at(settings, step) for step in (1, 6, 11, 99)] == [20, 70, 120, 120]


def test_the_second_phase_replays_a_tenth_of_the_first() -> None:
    phases = [
        {"steps": 10, "prompts": {"tasks": ["addition"], "count": 30}},
        {"replay": 0.1, "prompts": {"tasks": ["comparing"], "count": 30}},
    ]
    settings = config(phases=phases)
    assert [phase_at(settings.phases, step) for step in (1, 10, 11, 99)] == [0, 0, 1, 1]
    pools = [pool(30), pool(30, tasks=["comparing"])]
    counts: Counter[str] = Counter()
    for step in range(11, 111):
        found = choose_prompts(pools, settings, {}, step=step, round_=0, count=10)
        assert len(found) == 10
        counts.update(prompt.example.family for prompt in found)
    assert 60 < counts["addition"] < 140
    before = choose_prompts(pools, settings, {}, step=10, round_=0, count=10)
    assert {prompt.example.family for prompt in before} == {"addition"}
