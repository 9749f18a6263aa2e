"""naga.config.rl: what cannot be meant is refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from naga.cli.configs import kind_of
from naga.config.base import ConfigError
from naga.config.load import load_config, parse_config
from naga.config.rl import RlConfig
from naga.record import to_toml

RECIPE = Path(__file__).parents[2] / "recipes" / "rl" / "addition.toml"
PROMPTS = {"tasks": ["addition"]}


def parse(**changes: Any) -> RlConfig:
    values: dict[str, Any] = {
        "run_dir": "run",
        "init_from": "model",
        "phases": [{"prompts": PROMPTS}],
        "rollout": {"prompts_per_step": 2},
        "optim": {"lr": 0.1},
        "schedule": {"steps": 3},
    }
    return parse_config(RlConfig, values | changes, "test")


def test_the_recipe_is_told_from_other_kinds() -> None:
    assert kind_of(RECIPE, []) is RlConfig
    assert load_config(RlConfig, RECIPE).algorithm.name == "dapo"


def test_a_record_is_a_recipe(tmp_path: Path) -> None:
    phases = [{"prompts": PROMPTS, "steps": 2}, {"prompts": PROMPTS, "replay": 0.1, "kl": 0.5}]
    config = parse(phases=phases)
    (tmp_path / "config.toml").write_text(to_toml(config))
    assert load_config(RlConfig, tmp_path / "config.toml") == config


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"phases": [{"prompts": PROMPTS, "steps": 2}]}, "every phase but the last one"),
    ({"phases": [{"prompts": PROMPTS}] * 2}, "every phase but the last one"),
    ({"phases": [{"prompts": PROMPTS, "replay": 0.1}]}, "nothing before it to replay"),
    ({"updates_per_step": 3}, r"updates_per_step \(3\) exceed"),
    ({"shaping": {"overlong_tokens": 999}}, r"overlong_tokens \(999\) exceed"),
    ({"shaping": {"to_mode": True}}, "change compression, which is 0"),
    ({"curriculum": {"lowest_rate": 0.9, "highest_rate": 0.1}}, "must be below highest_rate"),
    ({"rollout": {"prompts_per_step": 2, "group_size": 1}}, "group_size"),
    ({"algorithm": {"name": "ppo"}}, "algorithm.name"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(**changes)
