"""mamba (state-spaces' Mamba-1 as the hub and transformers have it): one mixer a layer, no others.

Embeddings are tied unless the config says otherwise. Nothing in a config limits positions: without
max_position_embeddings, which naga writes and transformers keeps, it is 2,048, the length that the
published models were trained on.

Quirk: residual_in_fp32 is a precision, not a part of the model; naga's residual stream is in the
compute dtype whatever it says. In float32 there is no difference, in bfloat16 a stated one.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Form, Layout, Weight, describe_layer
from naga.checkpoint.unsaid import MAMBA1, unsaid
from naga.config.load import parse_config
from naga.config.model import Mamba1Config, ModelConfig

NAME = "mamba"
MAX_POSITIONS = 2048
# For initial values alone.
INITIAL = (
    "time_step_scale", "time_step_min", "time_step_max", "time_step_floor",
    "time_step_init_scheme", "rescale_prenorm_residual",
)  # fmt: skip
# How another program computes the same.
IMPLEMENTATION = ("use_mambapy", "use_associative_scan", "fused_add_norm", "residual_in_fp32")

MIXER = (
    Weight("in_proj.weight", "in_proj.weight"),
    Weight("conv.weight", "conv1d.weight", Form.CHANNELS),
    Weight("conv.bias", "conv1d.bias"),
    Weight("x_proj.weight", "x_proj.weight"),
    Weight("dt_proj.weight", "dt_proj.weight"),
    Weight("dt_bias", "dt_proj.bias"),
    Weight("A_log", "A_log"),
    Weight("D", "D"),
    Weight("out_proj.weight", "out_proj.weight"),
)


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    rows = [
        Weight("embed.weight", "backbone.embeddings.weight"),
        Weight("norm.weight", "backbone.norm_f.weight"),
    ]
    for index in range(len(config.layers)):
        prefix, stored = f"layers.{index}.", f"backbone.layers.{index}."
        rows.append(Weight(f"{prefix}norm.weight", f"{stored}norm.weight"))
        rows += (weight.under(f"{prefix}mixer.", f"{stored}mixer.") for weight in MIXER)
    head = () if config.tie_embeddings else (Weight("head.weight", "lm_head.weight"),)
    return (*rows, *head)


def refusals(config: ModelConfig) -> Iterator[str]:
    for letter in sorted({*config.layers} - {"S"}):
        yield f"{describe_layer(config, letter)}: {NAME} has Mamba-1 layers alone"
    yield from unsaid(NAME, config, {"mamba1": MAMBA1})
    if config.mamba1 is not None:
        yield from mixer_refusals(config, config.mamba1, NAME)


def mixer_refusals(config: ModelConfig, mamba: Mamba1Config, name: str) -> Iterator[str]:
    if mamba.inner_dim % config.hidden_dim:
        yield (
            f"{describe_layer(config, 'S')}: {name} has no inner_dim ({mamba.inner_dim}) that is "
            f"not a multiple of hidden_dim ({config.hidden_dim})"
        )


def read(fields: Fields) -> ModelConfig:
    for other, key in (("d_model", "hidden_size"), ("n_layer", "num_hidden_layers")):
        fields.alias(other, key)
    fields.alias("d_inner", "intermediate_size")
    hidden, num_layers = fields.integer("hidden_size"), fields.num_layers()
    inner = fields.integer("expand", 2) * hidden
    fields.demand("intermediate_size", inner)
    mamba = {
        "inner_dim": inner,
        "state_dim": fields.integer("state_size", 16),
        "conv_width": fields.integer("conv_kernel", 4),
        "dt_rank": read_rank(fields, "time_step_rank", hidden),
    }
    data = {
        "pattern": "S" * num_layers,
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": fields.integer("max_position_embeddings", MAX_POSITIONS),
        "norm_eps": fields.number("layer_norm_epsilon", 1e-5),
        "tie_embeddings": fields.flag("tie_word_embeddings", True),
        "init_std": fields.number("initializer_range", 0.1),
        "mamba1": mamba,
    }
    fields.demand("hidden_act", "silu")
    fields.demand("rms_norm", True)
    fields.demand("use_bias", False)
    fields.demand("use_conv_bias", True)
    fields.demand("ssm_cfg", {})
    fields.ignore(*INERT, *INITIAL, *IMPLEMENTATION, "pad_vocab_size_multiple")
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def read_rank(fields: Fields, key: str, hidden: int) -> int:
    """A whole number, or "auto"."""
    if fields.rest().get(key, "auto") == "auto":
        fields.ignore(key)
        return ceil(hidden / 16)
    return fields.integer(key)


def write(config: ModelConfig) -> dict[str, Any]:
    mamba = config.mamba1
    assert mamba is not None, "every layer is S"
    return {
        "architectures": ["MambaForCausalLM"],
        "model_type": NAME,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(config.layers),
        "max_position_embeddings": config.max_positions,
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_std,
        "hidden_act": "silu",
        "expand": mamba.inner_dim // config.hidden_dim,
        "intermediate_size": mamba.inner_dim,
        "state_size": mamba.state_dim,
        "conv_kernel": mamba.conv_width,
        "time_step_rank": mamba.dt_rank,
        "use_bias": False,
        "use_conv_bias": True,
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
