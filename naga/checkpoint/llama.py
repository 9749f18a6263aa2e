"""llama (Meta Llama 2 and 3, and much of their shape), as the hub and transformers have it.

A layer on disk is two of ours: * then -, each with its norm. The whole of every head rotates; Llama
3.1's scaling of frequencies is known, other kinds are refused by name. No biases.
"""

from collections.abc import Iterator
from typing import Any

from naga.checkpoint import pairs
from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Layout, Weight, describe_layer
from naga.checkpoint.rope import read_rope, rope_refusals, write_rope
from naga.checkpoint.unsaid import ATTENTION, MLP, unsaid
from naga.config.load import parse_config
from naga.config.model import AttentionConfig, ModelConfig

NAME = "llama"
TABLES = {"*": pairs.ATTENTION, "-": pairs.MLP}
SAID = {"attention": ATTENTION | {"rope", "scale"}, "mlp": MLP}


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    return pairs.weights(config, TABLES)


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from pairs.pattern_refusals(NAME, config.layers, "*", "-")
    yield from unsaid(NAME, config, SAID)
    if config.attention is not None:
        yield from _attention_refusals(config, config.attention)


def _attention_refusals(config: ModelConfig, attention: AttentionConfig) -> Iterator[str]:
    layer = describe_layer(config, "*")
    yield from rope_refusals(NAME, config, attention)
    yield from pairs.scale_refusals(NAME, config, attention)
    if config.hidden_dim % attention.num_heads:  # transformers insists, though head_dim is given
        yield (
            f"{layer}: {NAME} has no num_heads ({attention.num_heads}) that does not divide "
            f"hidden_dim ({config.hidden_dim})"
        )


def read(fields: Fields) -> ModelConfig:
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    head_dim = fields.integer("head_dim", hidden // max(heads, 1))
    max_positions = fields.integer("max_position_embeddings", 2048)
    data = {
        "pattern": "*-" * fields.num_layers(),
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": max_positions,
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "init_std": fields.number("initializer_range", 0.02),
        "attention": {
            "num_heads": heads,
            "num_kv_heads": fields.integer("num_key_value_heads", heads),
            "head_dim": head_dim,
            "rope": read_rope(fields, head_dim, max_positions),
        },
        "mlp": {"inner_dim": fields.integer("intermediate_size"), "activation": "swiglu"},
    }
    fields.demand("hidden_act", "silu")
    for key in ("attention_bias", "mlp_bias"):
        fields.demand(key, False)
    fields.ignore(*INERT, "pretraining_tp")
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def write(config: ModelConfig) -> dict[str, Any]:
    attention, mlp = config.attention, config.mlp
    assert attention is not None and attention.rope is not None and mlp is not None
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": NAME,
        **pairs.write_top(config),
        "num_attention_heads": attention.num_heads,
        "num_key_value_heads": attention.num_kv_heads,
        "head_dim": attention.head_dim,
        "intermediate_size": mlp.inner_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        **write_rope(attention.rope, attention.rotary_dim),
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
