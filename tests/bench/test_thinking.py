"""The experiment's small parts: held-out problems, difficulties, the table over the seeds."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from naga.bench.thinking import MODEL, Plan, _failure_rate, _heldout, summarise
from naga.config.base import ConfigError
from naga.config.load import load_config
from naga.config.model import ModelConfig
from naga.tasks import make_tasks


def test_heldout_problems_are_different_ones_and_the_same_for_every_seed() -> None:
    tasks = make_tasks(["addition", "comparing"])
    plans = [Plan(folder=Path("x"), seed=seed, heldout=20, samples=1) for seed in (0, 1)]
    first, second = (_heldout(plan, tasks, ("easy", "medium"), 0.3) for plan in plans)
    assert first == second
    assert len({(each.family, each.problem) for each in first}) == len(first) == 80
    assert {each.split for each in first} == {"heldout"}


def test_a_difficulty_leaves_out_what_was_not_judged() -> None:
    assert _failure_rate([1.0, 0.0, None, 0.5]) == pytest.approx(2 / 3)
    assert _failure_rate([None]) is None


def test_the_table_over_seeds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run a seed first"):
        summarise(tmp_path)
    for seed, tokens in ((0, 10.0), (1, 20.0)):
        auto = {
            **{"name": "auto", "accuracy": 0.9, "mean_tokens": tokens},
            **{"think_rate": 0.5, "auroc_difficulty": None},
        }
        modes = [auto, {**auto, "name": "always", "mean_tokens": 40.0}]
        (tmp_path / f"seed-{seed}").mkdir()
        text = json.dumps({"seed": seed, "modes": modes})
        (tmp_path / f"seed-{seed}" / "thinking.json").write_text(text, encoding="utf-8")
    text = io.StringIO()
    Console(file=text, width=120).print(summarise(tmp_path))
    for word in ("75.0%", "50.0%", "62.5%", "0.900"):
        assert word in text.getvalue()


def test_its_model_is_valid() -> None:
    assert load_config(ModelConfig, MODEL).vocab_size == 320
