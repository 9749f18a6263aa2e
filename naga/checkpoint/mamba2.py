"""mamba2 (state-spaces' Mamba-2 models, Mamba-Codestral), as the hub and transformers have it.

Layers are M and nothing else. The gated norm is by groups, and the gate comes before the norm.

Quirks. norm_before_gate, true in Mamba-Codestral's file, is inert: transformers and its kernels
take the gate first, and so does naga. transformers keeps the residual in float32 where
residual_in_fp32 says so; naga keeps it in the compute dtype, so the two differ in bfloat16, by no
more than the bound that tests/checkpoint/test_parity.py states. transformers applies
time_step_limit in prefill only (naga: to every token). Its 4.x releases normed over all groups at
once, which differs where n_groups is not 1. Nothing bounds a sequence: POSITIONS stand where the
file says nothing.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from naga.checkpoint import nemotron_h
from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Layout, Weight, describe_layer
from naga.checkpoint.unsaid import MAMBA, unsaid
from naga.config.load import parse_config
from naga.config.model import MambaConfig, ModelConfig

NAME = "mamba2"
POSITIONS = 2**20
# How initial values are drawn, and what follows from other keys.
INERT_HERE = (
    "time_step_rank", "time_step_min", "time_step_max", "time_step_floor", "time_step_scale",
    "time_step_init_scheme", "rescale_prenorm_residual", "norm_before_gate",
)  # fmt: skip


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    layers = (
        weight.under(f"layers.{index}.", f"backbone.layers.{index}.")
        for index in range(len(config.layers))
        for weight in nemotron_h.LAYERS["M"]
    )
    norm, head = nemotron_h.LAST
    return (*nemotron_h.TOP, *layers, norm, *(() if config.tie_embeddings else (head,)))


def refusals(config: ModelConfig) -> Iterator[str]:
    for index, letter in enumerate(config.layers):
        if letter != "M":
            yield f"layer {index}: {NAME} has no {letter}; every layer is M"
    yield from unsaid(NAME, config, {"mamba": MAMBA})
    if config.mamba is not None and config.mamba.inner_dim % config.hidden_dim:
        yield (
            f"{describe_layer(config, 'M')}: {NAME} has no num_heads * head_dim "
            f"({config.mamba.inner_dim}) that is not a multiple of hidden_dim ({config.hidden_dim})"
        )


def read(fields: Fields) -> ModelConfig:
    hidden = fields.integer("hidden_size", 4096)
    data = {
        "pattern": "M" * fields.num_layers(),
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": fields.integer("max_position_embeddings", POSITIONS),
        "norm_eps": fields.number("layer_norm_epsilon", 1e-5),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "init_std": fields.number("initializer_range", 0.1),
        "mamba": _read_mamba(fields, hidden),
    }
    fields.demand("hidden_act", "silu")
    fields.demand("use_bias", False)
    fields.demand("use_conv_bias", True)
    fields.demand("rms_norm", True)
    fields.flag("residual_in_fp32", True)
    fields.ignore(*INERT, *INERT_HERE)
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _read_mamba(fields: Fields, hidden: int) -> dict[str, Any]:
    heads, head_dim = fields.integer("num_heads", 128), fields.integer("head_dim", 64)
    inner = fields.integer("expand", 2) * hidden
    if heads * head_dim != inner:
        fields.fail(
            f"contradictory: expand * hidden_size is {inner}, num_heads * head_dim "
            f"{heads * head_dim}"
        )
    fields.demand("intermediate_size", inner)
    return {
        "num_heads": heads,
        "head_dim": head_dim,
        "state_dim": fields.integer("state_size", 128),
        "num_groups": fields.integer("n_groups", 8),
        "conv_width": fields.integer("conv_kernel", 4),
        "chunk_size": fields.integer("chunk_size", 256),
        "dt_limit": fields.limits("time_step_limit"),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    mamba = config.mamba
    assert mamba is not None
    return {
        "architectures": ["Mamba2ForCausalLM"],
        "model_type": NAME,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(config.layers),
        "max_position_embeddings": config.max_positions,
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_std,
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": True,
        "residual_in_fp32": True,
        "expand": mamba.inner_dim // config.hidden_dim,
        **_write_mamba(mamba),
    }


def _write_mamba(mamba: MambaConfig) -> dict[str, Any]:
    limit = {} if mamba.dt_limit == (0.0, inf) else {"time_step_limit": mamba.dt_limit}
    return {
        "num_heads": mamba.num_heads,
        "head_dim": mamba.head_dim,
        "state_size": mamba.state_dim,
        "n_groups": mamba.num_groups,
        "conv_kernel": mamba.conv_width,
        "chunk_size": mamba.chunk_size,
        **limit,
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
