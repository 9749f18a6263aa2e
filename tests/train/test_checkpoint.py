"""naga.train.checkpoint: exact state, atomic folders, clear errors."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.train import OptimConfig
from naga.data.loader import LoaderState
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.train import checkpoint
from naga.train.checkpoint import (
    TrainerState,
    list_checkpoints,
    load_checkpoint,
    remove_incomplete,
    save_checkpoint,
)
from naga.train.optim import make_optimizer, trained_parameters

STATE = TrainerState(
    step=3,
    tokens=300,
    seconds=1 / 3,
    loader=LoaderState(epoch=1, index=2, offset=3, fingerprint=4),
    config_digest="digest",
    versions={"torch": "2"},
)


def trained(config: ModelConfig, seed: int, updates: int = 3) -> tuple[HybridLM, AdamW]:
    """A model and optimizer after updates with arbitrary gradients."""
    model = HybridLM(config)
    initialize(model, seed)
    optimizer = make_optimizer(model, OptimConfig(lr=0.01))
    for _ in range(updates):
        update(model, optimizer)
    return model, optimizer


def update(model: HybridLM, optimizer: AdamW) -> None:
    for _, weight in trained_parameters(model):
        weight.grad = torch.sin(weight.detach() * 99)
    optimizer.step()


def test_a_loaded_state_continues_bit_for_bit(model_config: ModelConfig, tmp_path: Path) -> None:
    model, optimizer = trained(model_config, seed=0)
    path = save_checkpoint(tmp_path, STATE, model, optimizer, keep=1)
    other, other_optimizer = trained(model_config, seed=1, updates=0)
    assert load_checkpoint(path, other, other_optimizer) == STATE
    update(model, optimizer)
    update(other, other_optimizer)
    expected = model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in other.state_dict().items())


def test_loaded_moments_outlive_their_checkpoint(model_config: ModelConfig, tmp_path: Path) -> None:
    model, optimizer = trained(model_config, seed=0)
    path = save_checkpoint(tmp_path, STATE, model, optimizer, keep=1)
    load_checkpoint(path, model, optimizer)
    (path / "optimizer.safetensors").write_bytes(b"\xff" * 10**6)
    save_checkpoint(tmp_path, replace(STATE, step=4), model, optimizer, keep=1)
    reloaded = load_checkpoint(list_checkpoints(tmp_path)[-1], model, optimizer)
    assert reloaded.step == 4


def test_the_newest_are_kept_in_order(model_config: ModelConfig, tmp_path: Path) -> None:
    model, optimizer = trained(model_config, seed=0)
    for step in (8, 9, 10, 1_000_000):
        save_checkpoint(tmp_path, replace(STATE, step=step), model, optimizer, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000010", "step-1000000"]
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "step-000010-copy").mkdir()
    assert len(list_checkpoints(tmp_path)) == 2


def test_a_save_that_dies_leaves_the_last_good_one(
    model_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = trained(model_config, seed=0)
    good = save_checkpoint(tmp_path, STATE, model, optimizer, keep=1)

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "sync_folder", die)
        save_checkpoint(tmp_path, replace(STATE, step=4), model, optimizer, keep=1)
    assert list_checkpoints(tmp_path) == [good]
    assert len(list(tmp_path.iterdir())) == 2
    remove_incomplete(tmp_path)
    assert list(tmp_path.iterdir()) == [good]
    assert load_checkpoint(good, model, optimizer) == STATE


def test_a_full_disk_is_one_clear_line(
    model_config: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = trained(model_config, seed=0)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "sync_folder", full)
    with pytest.raises(ConfigError, match=r"step-000003: cannot be written: .*No space left"):
        save_checkpoint(tmp_path, STATE, model, optimizer, keep=1)
    assert list_checkpoints(tmp_path) == []


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "trainer.json"])
def test_a_broken_file_is_named(model_config: ModelConfig, tmp_path: Path, name: str) -> None:
    model, optimizer = trained(model_config, seed=0)
    path = save_checkpoint(tmp_path, STATE, model, optimizer, keep=1)
    whole = (path / name).read_bytes()
    (path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match=name):
        load_checkpoint(path, model, optimizer)
    (path / name).unlink()
    with pytest.raises(ConfigError, match=name):
        load_checkpoint(path, model, optimizer)


def test_weights_of_another_shape_are_refused(model_config: ModelConfig, tmp_path: Path) -> None:
    model, optimizer = trained(model_config, seed=0)
    path = save_checkpoint(tmp_path, STATE, model, optimizer, keep=1)
    other, other_optimizer = trained(model_config.model_copy(update={"vocab_size": 301}), seed=0)
    with pytest.raises(ConfigError, match=r"model\.safetensors: does not fit .*embed\.weight"):
        load_checkpoint(path, other, other_optimizer)
