"""naga: the layout of last resort, for models that no public model type can describe.

config.json is ModelConfig itself beside model_type, tensors keep their in-memory names and shapes.
Only naga opens it, and transformers through naga.hf. Converted checkpoints (convert.py) have this
model_type too, so that no other program takes packed bytes for weights, and say under RECORD what
the bytes are.
"""

from collections.abc import Iterator
from typing import Any

from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Layout, Weight
from naga.config.load import parse_config
from naga.config.model import ModelConfig

NAME = "naga"
RECORD = "naga_quantization"
MAMBA = (
    "in_proj.weight", "conv.weight", "conv.bias", "dt_bias", "A_log", "D", "norm.weight",
    "out_proj.weight",
)  # fmt: skip
MAMBA1 = (
    "in_proj.weight", "conv.weight", "conv.bias", "x_proj.weight", "dt_proj.weight", "dt_bias",
    "A_log", "D", "out_proj.weight",
)  # fmt: skip
MAMBA1_NORMS = ("dt_norm.weight", "B_norm.weight", "C_norm.weight")
ATTENTION = ("q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight")
MLP = ("up.weight", "down.weight")
MOE = ("router.weight", "experts.up", "experts.down")
LATENT = ("enter_proj.weight", "leave_proj.weight")


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    names = ["embed.weight", "norm.weight"]
    for index, letter in enumerate(config.layers):
        names.append(f"layers.{index}.norm.weight")
        names += [f"layers.{index}.mixer.{name}" for name in _mixer_names(config, letter)]
    if not config.tie_embeddings:
        names.append("head.weight")
    return tuple(Weight(name, name) for name in names)


def _mixer_names(config: ModelConfig, letter: str) -> tuple[str, ...]:
    if letter == "H":
        halves = (("mamba", "M"), ("attention", "*"))
        return tuple(f"{half}.{x}" for half, kind in halves for x in _mixer_names(config, kind))
    if letter == "M":
        gate_alone = config.mamba is not None and config.mamba.norm == "none"
        return tuple(x for x in MAMBA if not (gate_alone and x == "norm.weight"))
    if letter == "S":
        normed = config.mamba1 is not None and config.mamba1.norms
        return (*MAMBA1, *MAMBA1_NORMS) if normed else MAMBA1
    if letter == "-":
        return MLP
    if letter == "*":
        normed = config.attention is not None and config.attention.qk_norm
        return (*ATTENTION, "q_norm.weight", "k_norm.weight") if normed else ATTENTION
    assert config.moe is not None, "a pattern with E has a moe section"
    bias = ("router.bias",) if config.moe.router == "sigmoid" else ()
    shared = tuple(f"shared.{name}" for name in MLP) if config.moe.shared_dim else ()
    return (*MOE, *bias, *shared, *(LATENT if config.moe.latent_dim else ()))


def refusals(config: ModelConfig) -> Iterator[str]:
    """None: whatever ModelConfig says, this layout says."""
    yield from ()


def read(fields: Fields) -> ModelConfig:
    # config.py reads the record.
    fields.ignore(*INERT, RECORD)
    return parse_config(ModelConfig, fields.rest(), fields.source)


def write(config: ModelConfig) -> dict[str, Any]:
    named = {"model_type": NAME, "architectures": ["NagaForCausalLM"]}
    return {**named, **config.model_dump(mode="json")}


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
