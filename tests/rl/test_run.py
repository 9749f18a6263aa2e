"""naga.rl.run: a run learns, leaves its record, and goes on as if nothing had stopped it."""

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.config.rl import RlConfig
from naga.rl.record import RlMetrics, RlRun
from naga.rl.run import run_rl
from naga.rl.types import Attempt
from naga.tasks import Verdict
from naga.train.loop import TrainingInterruptedError
from rl.tiny import CPU, even_tokens, rl_config, save_chat

# Of every stateful part at once: two phases, a moving reference, rates, several updates, replay.
EVERYTHING: dict[str, Any] = {
    "updates_per_step": 2,
    "reset_every": 2,
    "phases": [
        {"steps": 3, "prompts": {"tasks": ["addition"], "count": 12}},
        {"replay": 0.3, "kl": 0.2, "prompts": {"tasks": ["comparing"], "count": 12}},
    ],
    "algorithm": {"name": "dapo", "kl": 0.05},
    "curriculum": {"steps": 4, "first_tokens": 4, "lowest_rate": 0.2, "highest_rate": 0.8},
    "rollout": {
        "prompts_per_step": 3,
        "group_size": 4,
        "max_tokens": 6,
        "thinking": "never",
        "dynamic_rounds": 2,
        "right_at": 0.6,
        "replay_routes": True,
    },
    "checkpoint_every": 4,
    "samples_every": 2,
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat(tmp_path_factory.mktemp("model"))


def trace(run_dir: Path) -> list[RlMetrics]:
    """All that must repeat: the clock is left out, and how often weights were handed over."""
    return [
        replace(row, rollout_s=0, reward_s=0, train_s=0, seconds=0, weights_version=0)
        for row in RlRun(path=run_dir).read()
    ]


def last_checkpoint(run_dir: Path) -> Path:
    return max((run_dir / "checkpoints").glob("step-*"))


def assert_same_run(first: Path, second: Path) -> None:
    assert trace(first) == trace(second)
    assert RlRun(path=first).samples() == RlRun(path=second).samples()
    paths = [last_checkpoint(run_dir) for run_dir in (first, second)]
    assert paths[0].name == paths[1].name
    for file in paths[0].glob("*.safetensors"):
        expected, tensors = load_file(file), load_file(paths[1] / file.name)
        assert expected.keys() == tensors.keys()
        assert all(torch.equal(tensors[key], expected[key]) for key in expected)


class StopAt:
    """even_tokens that has the run stopped while it judges answers for the n-th time."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGTERM)
        return even_tokens(attempts)


class CrashAt:
    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return even_tokens(attempts)


@pytest.fixture(scope="module")
def straight(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("straight")
    run_rl(rl_config(run_dir, start, **EVERYTHING), CPU, reward=even_tokens)
    return run_dir


def test_a_run_leaves_its_record(straight: Path) -> None:
    rows = RlRun(path=straight).read()
    assert [row.step for row in rows] == list(range(1, 7))
    assert [row.phase for row in rows] == [0, 0, 0, 1, 1, 1]
    assert [row.max_tokens for row in rows] == [4, 4, 5, 6, 6, 6]
    assert rows[0].tokens < rows[-1].tokens
    learned = [row for row in rows if row.loss is not None]
    assert learned and all(row.kl is not None and row.entropy for row in learned)
    assert all(1 <= (row.mismatch or 0) < 1.001 for row in learned)
    assert (straight / "report.png").stat().st_size > 10_000
    samples = RlRun(path=straight).samples()
    assert sorted({row["step"] for row in samples}) == [1, 2, 4, 6]
    assert {"prompt", "gold", "response", "score", "parts"} <= samples[0].keys()
    assert load_model(straight / "final", CPU)


def test_a_stopped_run_repeats_the_uninterrupted_one(
    straight: Path, start: Path, tmp_path: Path
) -> None:
    """Between two phases, and between two resets of the reference."""
    config = rl_config(tmp_path / "run", start, **EVERYTHING)
    with pytest.raises(TrainingInterruptedError, match="to go on, run the same command again"):
        run_rl(config, CPU, reward=StopAt(3))
    run_rl(config, CPU, reward=even_tokens)
    assert_same_run(straight, tmp_path / "run")


def test_a_crash_between_checkpoints_repeats_what_was_lost(
    straight: Path, start: Path, tmp_path: Path
) -> None:
    config = rl_config(tmp_path / "run", start, **EVERYTHING)
    with pytest.raises(KeyboardInterrupt):
        run_rl(config, CPU, reward=CrashAt(6))
    assert len(trace(tmp_path / "run")) == 5
    torn = tmp_path / "run" / "metrics.jsonl"
    torn.write_text(torn.read_text() + '{"step": 6, "rew')
    assert last_checkpoint(tmp_path / "run").name == "step-000004"
    run_rl(config, CPU, reward=even_tokens)
    assert_same_run(straight, tmp_path / "run")


def test_another_config_is_refused(straight: Path, start: Path) -> None:
    changed = rl_config(straight, start, **EVERYTHING | {"seed": 9})
    with pytest.raises(ConfigError, match="seed was 3, now 9"):
        run_rl(changed, CPU, reward=even_tokens)


def test_the_recorded_config_repeats_the_run(straight: Path) -> None:
    from naga.config.load import load_config

    recorded = load_config(RlConfig, straight / "config.toml")
    assert recorded.phases[1].replay == 0.3


def test_a_step_of_missing_scores_is_recorded_and_survived(start: Path, tmp_path: Path) -> None:
    def missing(attempts: Sequence[Attempt]) -> list[Verdict]:
        return [Verdict(score=None, reason="the judge is away") for _ in attempts]

    config = rl_config(tmp_path, start, schedule={"steps": 1})
    run_rl(config, CPU, reward=missing)
    (row,) = RlRun(path=tmp_path).read()
    assert (row.missing, row.dropped, row.groups, row.loss) == (12, 3, 0, None)
    before, after = (load_model(path, CPU).state_dict() for path in (start, tmp_path / "final"))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_reward_rises(tmp_path: Path) -> None:
    """A hybrid of 100k parameters, from nothing, learns to say even tokens."""
    start = save_chat(
        tmp_path / "model",
        pattern="M*-ME-",
        hidden_dim=64,
        mlp={"inner_dim": 96},
        mamba={"num_heads": 4, "head_dim": 16, "state_dim": 16},
        mamba1=None,
        attention={"num_heads": 4, "num_kv_heads": 2, "head_dim": 16},
        moe={"num_experts": 4, "top_k": 2, "expert_dim": 32},
    )
    model = load_model(start, CPU)
    assert 80_000 < sum(weight.numel() for weight in model.parameters()) < 180_000
    config = rl_config(
        tmp_path / "run",
        start,
        schedule={"steps": 25},
        optim={"lr": 0.003, "weight_decay": 0.0},
        rollout={
            "prompts_per_step": 4,
            "group_size": 8,
            "max_tokens": 6,
            "thinking": "never",
            "right_at": 0.5,
        },
    )
    run_rl(config, CPU, reward=even_tokens)
    rows = RlRun(path=tmp_path / "run").read()
    first, last = (
        sum(row.reward or 0 for row in part) / len(part) for part in (rows[:3], rows[-3:])
    )
    assert first < 0.65 and last > first + 0.2, (first, last)
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
