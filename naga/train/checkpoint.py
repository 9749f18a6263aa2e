"""Resumable training state, written so that a kill at any instant leaves the last good one.

    RUN_DIR/checkpoints/step-000200/
        model.safetensors       float32 master weights that training moves, in-memory names
        optimizer.safetensors   first and second moments: NAME.exp_avg, NAME.exp_avg_sq
        trainer.json            TrainerState

Exact: nothing is rounded and nothing random is alive between steps. A folder is written under a
hidden name, put on the disk, then renamed. This is not the inference layout: see naga.checkpoint.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

from naga.config.base import ConfigError
from naga.data.loader import LoaderState
from naga.disk import sync, sync_folder
from naga.train.optim import trained_parameters

MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, kw_only=True)
class TrainerState:
    """Everything of a run that is no tensor; `step` updates are done."""

    step: int
    tokens: int
    seconds: float
    loader: LoaderState
    config_digest: str
    versions: dict[str, str]


def save_checkpoint(
    folder: Path, state: TrainerState, model: nn.Module, optimizer: AdamW, *, keep: int
) -> Path:
    """Write `folder`/step-NNNNNN atomically, then drop all but the `keep` newest."""
    text = json.dumps(asdict(state), indent=1)
    return write_checkpoint(folder, state.step, text, model, optimizer, keep=keep)


def write_checkpoint(
    folder: Path,
    step: int,
    state: str,
    model: nn.Module,
    optimizer: AdamW,
    *,
    keep: int,
    beside_them: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
) -> Path:
    """As save_checkpoint, `state` being the text of trainer.json; more tensors by their file."""
    final = folder / f"step-{step:06d}"
    beside = _hidden(final)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save_file(_moving(model), beside / "model.safetensors")
        save_file(_moments(model, optimizer), beside / "optimizer.safetensors")
        for name, tensors in beside_them.items():
            save_file(dict(tensors), beside / name)
        (beside / "trainer.json").write_text(state, encoding="utf-8")
        sync_folder(beside)
        beside.rename(final)
        sync(folder)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{final}: cannot be written: {error}") from None
    for old in list_checkpoints(folder)[:-keep]:
        _remove(old)
    return final


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = {path.name.removeprefix("step-"): path for path in folder.glob("step-*")}
    return [found[number] for number in sorted(filter(str.isdecimal, found), key=int)]


def remove_incomplete(folder: Path) -> None:
    """Clear what a kill in the middle of a save or a removal left behind."""
    for path in folder.glob(".step-*.tmp"):
        shutil.rmtree(path)


def load_checkpoint(path: Path, model: nn.Module, optimizer: AdamW) -> TrainerState:
    """Put weights and moments in place; ConfigError names a file that is missing or broken."""
    state = _read_state(path / "trainer.json")
    load_tensors(path, model, optimizer, updates=state.step)
    return state


def load_tensors(path: Path, model: nn.Module, optimizer: AdamW, *, updates: int) -> None:
    """Weights, and the moments of an optimizer that has made so many updates."""
    _load_weights(path / "model.safetensors", model)
    _load_moments(path / "optimizer.safetensors", model, optimizer, updates)


def _read_state(path: Path) -> TrainerState:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return TrainerState(**{**fields, "loader": LoaderState(**fields["loader"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path}: not a readable training state ({error})") from None


def _load_weights(path: Path, model: nn.Module) -> None:
    moving = _moving(model)
    frozen = {name: tensor for name, tensor in model.state_dict().items() if name not in moving}
    try:
        model.load_state_dict(read_tensors(path) | frozen)
    except RuntimeError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"{path}: does not fit the model: {problem}") from None


def _load_moments(path: Path, model: nn.Module, optimizer: AdamW, step: int) -> None:
    tensors = read_tensors(path)
    for name, weight in trained_parameters(model):
        try:
            moments = {moment: tensors[f"{name}.{moment}"] for moment in MOMENTS}
        except KeyError as error:
            raise ConfigError(f"{path}: tensor {error} is missing") from None
        # Copied: what is read stays mapped to a file that a later checkpoint removes.
        own = {key: tensor.to(weight.device, copy=True) for key, tensor in moments.items()}
        # What AdamW keeps per parameter; its count is ours, since every step moves every one.
        count = torch.tensor(float(step), device=weight.device)
        optimizer.state[weight] = {"step": count, **own}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """ConfigError names a file that cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None


def _moving(model: nn.Module) -> dict[str, Tensor]:
    """What a run changes: trained parameters, and router biases, which move by load."""
    return {
        name: weight.detach()
        for name, weight in model.named_parameters()
        if weight.requires_grad or name.endswith("router.bias")
    }


def _moments(model: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    return {
        f"{name}.{moment}": optimizer.state[weight][moment]
        for name, weight in trained_parameters(model)
        for moment in MOMENTS
    }


def _remove(path: Path) -> None:
    """Hide first, so that a kill halfway never leaves a torn folder under a good name."""
    path.rename(_hidden(path))
    shutil.rmtree(_hidden(path))


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")
