"""naga.train: whatever stops a run, what follows equals the run that was never stopped."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest
import torch
from safetensors.torch import load_file

from naga.config.base import ConfigError
from naga.config.train import PretrainConfig
from naga.record import Run, StepMetrics
from naga.runtime import make_runtime
from naga.train.loop import TrainingInterruptedError
from naga.train.pretrain import pretrain
from naga.train.step import NonFiniteError

CPU = make_runtime("cpu", "float32")
MakeConfig = Callable[..., PretrainConfig]

SCRIPT = """
import sys, torch
from pathlib import Path
from naga.config.load import load_config
from naga.config.train import PretrainConfig
from naga.runtime import make_runtime
from naga.train.pretrain import pretrain
torch.set_num_threads(1)
config = load_config(PretrainConfig, Path(sys.argv[1]))
pretrain(config, make_runtime("cpu", config.dtype))
"""


def trace(run_dir: Path) -> list[StepMetrics]:
    """All that must repeat: the clock is left out."""
    return [replace(row, tokens_per_s=0.0, seconds=0.0) for row in Run(path=run_dir).read()]


def last_checkpoint(run_dir: Path) -> Path:
    return max((run_dir / "checkpoints").glob("step-*"))


def assert_same_run(first: Path, second: Path) -> None:
    assert trace(first) == trace(second)
    paths = [last_checkpoint(run_dir) for run_dir in (first, second)]
    assert paths[0].name == paths[1].name
    for name in ("model.safetensors", "optimizer.safetensors"):
        expected, tensors = (load_file(path / name) for path in paths)
        assert expected.keys() == tensors.keys()
        assert all(torch.equal(tensors[key], expected[key]) for key in expected)


@pytest.fixture
def straight(pretrain_config: MakeConfig, tmp_path: Path) -> Path:
    run_dir = tmp_path / "straight"
    pretrain(pretrain_config(run_dir=str(run_dir)), CPU)
    return run_dir


def test_a_run_learns_and_leaves_its_record(pretrain_config: MakeConfig, tmp_path: Path) -> None:
    final = pretrain(pretrain_config(), CPU)
    rows = trace(tmp_path / "run")
    assert [row.step for row in rows] == list(range(1, 13))
    assert rows[-1].loss < 0.8 * rows[0].loss
    assert rows[-1].tokens == 12 * 2 * 64
    assert all(row.expert_load is not None and row.expert_load >= 1 for row in rows)
    assert final == tmp_path / "run" / "final"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(os.listdir(final))
    names = {"config.toml", "versions.json", "metrics.jsonl", "loss.png", "checkpoints", "final"}
    assert names <= set(os.listdir(tmp_path / "run"))
    assert sorted(os.listdir(tmp_path / "run" / "checkpoints")) == ["step-000008", "step-000012"]


def test_the_same_config_gives_the_same_run(
    pretrain_config: MakeConfig, tmp_path: Path, straight: Path
) -> None:
    pretrain(pretrain_config(), CPU)
    assert_same_run(straight, tmp_path / "run")


def test_killed_and_resumed_equals_uninterrupted(
    pretrain_config: MakeConfig, tmp_path: Path
) -> None:
    schedule = {"steps": 40, "decay_steps": 20}
    changes = {"schedule": schedule, "checkpoint_every": 8, "dtype": "bfloat16"}
    runtime = make_runtime("cpu", "bfloat16")
    run_dir, straight = tmp_path / "run", tmp_path / "straight"
    pretrain(pretrain_config(**changes, run_dir=str(straight)), runtime)
    kill_after(run_dir, straight / "config.toml", rows=12)
    (run_dir / "checkpoints" / ".step-000099.tmp").mkdir()
    assert len(Run(path=run_dir).read()) < 40
    pretrain(pretrain_config(**changes), runtime)
    assert_same_run(straight, run_dir)
    assert not list((run_dir / "checkpoints").glob(".*"))


def kill_after(run_dir: Path, recipe: Path, *, rows: int) -> None:
    """Train in another process and SIGKILL it once that many steps are recorded."""
    recipe_here = recipe.parent / "killed.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe_here.write_text(text.replace(str(recipe.parent), str(run_dir)), encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(recipe_here)])
    deadline = monotonic() + 60
    while len(Run(path=run_dir).read()) < rows and monotonic() < deadline:
        sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_resuming_continues_exactly(
    pretrain_config: MakeConfig,
    tmp_path: Path,
    straight: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    with monkeypatch.context() as patch, pytest.raises(TrainingInterruptedError) as caught:
        raise_signals_after(patch, step=6, numbers=[number])
        pretrain(pretrain_config(), CPU)
    assert caught.value.exit_code == 128 + number
    message = str(caught.value)
    assert f"{number.name} after step 6/12" in message and "run the same command again" in message
    assert str(last_checkpoint(tmp_path / "run")) in message
    assert [row.step for row in trace(tmp_path / "run")] == list(range(1, 7))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    pretrain(pretrain_config(), CPU)
    assert_same_run(straight, tmp_path / "run")


def test_a_second_interrupt_stops_at_once(
    pretrain_config: MakeConfig, tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        raise_signals_after(patch, step=6, numbers=[signal.SIGINT, signal.SIGINT])
        pretrain(pretrain_config(), CPU)
    assert last_checkpoint(tmp_path / "run").name == "step-000004"
    pretrain(pretrain_config(), CPU)
    assert_same_run(straight, tmp_path / "run")


def raise_signals_after(
    patch: pytest.MonkeyPatch, *, step: int, numbers: list[signal.Signals]
) -> None:
    append = Run.append

    def append_then_raise(run: Run, row: StepMetrics) -> None:
        append(run, row)
        for number in numbers if row.step == step else ():
            signal.raise_signal(number)

    patch.setattr(Run, "append", append_then_raise)


def test_a_complete_run_is_only_exported_again(
    pretrain_config: MakeConfig, tmp_path: Path, straight: Path
) -> None:
    before = (straight / "metrics.jsonl").read_bytes()
    weights = (straight / "final" / "model.safetensors").read_bytes()
    pretrain(pretrain_config(run_dir=str(straight)), CPU)
    assert (straight / "metrics.jsonl").read_bytes() == before
    assert (straight / "final" / "model.safetensors").read_bytes() == weights


def test_another_config_is_refused_and_run_control_is_not(
    pretrain_config: MakeConfig, straight: Path
) -> None:
    with pytest.raises(ConfigError, match=r"seed was 5, now 6"):
        pretrain(pretrain_config(run_dir=str(straight), seed=6), CPU)
    free = {"checkpoint_every": 3, "keep_checkpoints": 1, "log_every": 1}
    pretrain(pretrain_config(run_dir=str(straight), **free), CPU)


def test_changed_data_is_refused(pretrain_config: MakeConfig, data: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    text = (data / "corpus" / "0.txt").read_text(encoding="utf-8")
    (corpus / "a.txt").write_text(text, encoding="utf-8")
    section = {"paths": [str(corpus)], "tokens_per_batch": 64, "sequence_len": 40}
    pretrain(pretrain_config(data=section), CPU)
    (corpus / "a.txt").write_text(text + " more", encoding="utf-8")
    with pytest.raises(ConfigError, match="data or the seed changed"):
        pretrain(pretrain_config(data=section), CPU)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_last_checkpoint(
    pretrain_config: MakeConfig, tmp_path: Path
) -> None:
    config = pretrain_config(optim={"lr": 1e20}, checkpoint_every=1)
    expected = r"^step 2: .* is (nan|inf); .* last checkpoint is .*/step-000001;"
    with pytest.raises(NonFiniteError, match=expected):
        pretrain(config, CPU)
    assert [row.step for row in trace(tmp_path / "run")] == [1]


def test_weights_that_are_not_finite_are_never_saved(
    pretrain_config: MakeConfig, tmp_path: Path
) -> None:
    config = pretrain_config(optim={"lr": 1e39}, checkpoint_every=1)
    with pytest.raises(NonFiniteError, match=r"^step 1: the update made .* no checkpoint yet"):
        pretrain(config, CPU)
    assert not list((tmp_path / "run").glob("checkpoints/step-*"))


def test_a_change_of_thread_count_is_announced(
    pretrain_config: MakeConfig, straight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = last_checkpoint(straight) / "trainer.json"
    fields = json.loads(state.read_text())
    fields["versions"]["threads"] = "64"
    state.write_text(json.dumps(fields))
    pretrain(pretrain_config(run_dir=str(straight)), CPU)
    assert "threads was 64, now 1" in capsys.readouterr().err
