"""bamba (IBM, Princeton and UIUC: Bamba-9B), as the hub and transformers have it.

A layer on disk is two of ours: [M or *] then -, each with its norm. The first half of every
attention head rotates, which transformers has in its code and not in its config; Mamba-2's keys are
granitemoehybrid's. The head may be tied.

Quirks of transformers 5.23: it applies time_step_limit in prefill only (naga: to every token).
"""

from collections.abc import Iterator
from typing import Any

from naga.checkpoint import pairs
from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.granitemoehybrid import LAYERS, mamba_refusals, read_mamba, write_mamba
from naga.checkpoint.layout import Layout, Weight
from naga.checkpoint.rope import read_rope, rope_refusals, write_rope
from naga.checkpoint.unsaid import ATTENTION, MAMBA, MLP, unsaid
from naga.config.load import parse_config
from naga.config.model import ModelConfig

NAME = "bamba"
# Of each attention head.
ROTATING = 0.5
SAID = {"mamba": MAMBA, "attention": ATTENTION | {"rope", "scale"}, "mlp": MLP}
TABLES = {
    "M": LAYERS["M"],
    "*": pairs.ATTENTION,
    "-": pairs.FEED_FORWARD,
}


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    return pairs.weights(config, TABLES, pairs.TOP_FINAL)


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from pairs.pattern_refusals(NAME, config.layers, "M*", "-")
    yield from unsaid(NAME, config, SAID)
    yield from mamba_refusals(NAME, config)
    if attention := config.attention:
        yield from rope_refusals(NAME, config, attention, ROTATING)
        yield from pairs.scale_refusals(NAME, config, attention)
        if attention.num_heads * attention.head_dim != config.hidden_dim:
            yield f"{NAME} has no attention heads that do not fill hidden_dim ({config.hidden_dim})"


def read(fields: Fields) -> ModelConfig:
    mixers, hidden = _read_mixers(fields), fields.integer("hidden_size")
    max_positions = fields.integer("max_position_embeddings", 262_144)
    # Keys of kinds of layer that a model lacks are there all the same: read, then dropped.
    attention = _read_attention(fields, hidden, max_positions)
    mamba = read_mamba(fields, hidden)
    data = {
        "pattern": "".join(mixer + "-" for mixer in mixers),
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": max_positions,
        "norm_eps": fields.number("rms_norm_eps", 1e-5),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "init_std": fields.number("initializer_range", 0.02),
        "attention": attention if "*" in mixers else None,
        "mamba": mamba if "M" in mixers else None,
        "mlp": {"inner_dim": fields.integer("intermediate_size", 14_336), "activation": "swiglu"},
    }
    fields.demand("hidden_act", "silu")
    for key in ("attention_bias", "mlp_bias"):
        fields.demand(key, False)
    # A loss that naga does not add in training; how many logits another program computes.
    fields.ignore(*INERT, "z_loss_coefficient", "num_logits_to_keep")
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _read_mixers(fields: Fields) -> str:
    count = fields.num_layers()
    attention = fields.integers("attn_layer_indices", [])
    if wrong := [index for index in attention if not 0 <= index < count]:
        fields.fail(f"attn_layer_indices: there is no layer {wrong[0]} among {count}")
    return "".join("*" if index in {*attention} else "M" for index in range(count))


def _read_attention(fields: Fields, hidden: int, max_positions: int) -> dict[str, Any]:
    heads = fields.integer("num_attention_heads", 32)
    head_dim = hidden // max(heads, 1)
    if heads * head_dim != hidden:
        fields.fail(f"contradictory: hidden_size is {hidden}, num_attention_heads {heads}")
    # Older files say the share as a number of dims, too.
    fields.demand("attn_rotary_emb", int(head_dim * ROTATING))
    return {
        "num_heads": heads,
        "num_kv_heads": fields.integer("num_key_value_heads", 8),
        "head_dim": head_dim,
        "rope": read_rope(fields, head_dim, max_positions, ROTATING),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    assert config.mlp is not None, "every pair ends in -"
    mixers = config.layers[::2]
    return {
        "architectures": ["BambaForCausalLM"],
        "model_type": NAME,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(mixers),
        "attn_layer_indices": [i for i, letter in enumerate(mixers) if letter == "*"],
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_std,
        "intermediate_size": config.mlp.inner_dim,
        "hidden_act": "silu",
        "mlp_bias": False,
        **_write_attention(config),
        **write_mamba(config),
    }


def _write_attention(config: ModelConfig) -> dict[str, Any]:
    attention = config.attention
    if attention is None or attention.rope is None:
        return {"num_attention_heads": 1, "num_key_value_heads": 1, "attention_bias": False}
    return {
        "num_attention_heads": attention.num_heads,
        "num_key_value_heads": attention.num_kv_heads,
        "attention_bias": False,
        "partial_rotary_factor": ROTATING,
        **write_rope(attention.rope, attention.rotary_dim),
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
