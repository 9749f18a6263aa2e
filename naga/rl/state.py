"""A run's state between two steps: with the weights and moments, all that the next one depends on.

    RUN_DIR/checkpoints/step-000020/
        model.safetensors, optimizer.safetensors    as train/checkpoint.py has them
        reference.safetensors                       the reference policy, where it has ever moved
        trainer.json                                RlState

Nothing random is alive between steps: noise is a function of (seed, step, prompt, answer).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import AdamW

from naga.config.base import ConfigError
from naga.model.lm import HybridLM
from naga.rl.curriculum import Rate, Rates
from naga.train.checkpoint import load_tensors, read_tensors, write_checkpoint
from naga.train.optim import trained_parameters

REFERENCE_FILE = "reference.safetensors"


@dataclass(frozen=True, kw_only=True)
class RlState:
    step: int
    """Steps done."""
    updates: int
    """Of the optimizer, since it last began anew."""
    resets: int
    """How often the policy has become the reference."""
    tokens: int
    """Learned since the run began."""
    seconds: float
    config_digest: str
    versions: dict[str, str]
    rates: Rates = field(default_factory=dict)


def save(
    folder: Path,
    state: RlState,
    model: HybridLM,
    optimizer: AdamW,
    reference: HybridLM | None,
    *,
    keep: int,
) -> Path:
    """Atomic, as a checkpoint of training is."""
    extra: dict[str, Mapping[str, Tensor]] = {}
    if reference is not None and state.resets:
        extra[REFERENCE_FILE] = dict(reference.state_dict())
    text = json.dumps(asdict(state), indent=1, ensure_ascii=False)
    return write_checkpoint(
        folder, state.step, text, model, optimizer, keep=keep, beside_them=extra
    )


def load(path: Path, model: HybridLM, optimizer: AdamW, reference: HybridLM | None) -> RlState:
    """Everything in its place; ConfigError names a file that is missing or broken."""
    state = _read(path / "trainer.json")
    load_tensors(path, model, optimizer, updates=state.updates)
    if reference is not None and state.resets:
        copy_weights(read_tensors(path / REFERENCE_FILE), reference)
    return state


def _read(path: Path) -> RlState:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        rates = {key: Rate(**rate) for key, rate in fields["rates"].items()}
        return RlState(**{**fields, "rates": rates})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path}: not a readable state of reinforcement learning ({error})"
        ) from None


def begin_anew(model: HybridLM, optimizer: AdamW) -> None:
    """An optimizer that has seen nothing, with its moments in place: a checkpoint holds them."""
    for _, weight in trained_parameters(model):
        optimizer.state[weight] = {
            "step": torch.zeros((), device=weight.device),
            "exp_avg": torch.zeros_like(weight),
            "exp_avg_sq": torch.zeros_like(weight),
        }


@torch.no_grad()
def copy_weights(tensors: Mapping[str, Tensor], target: HybridLM) -> None:
    for name, held in target.state_dict().items():
        held.copy_(tensors[name])
