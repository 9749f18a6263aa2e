"""qwen3 (Alibaba Qwen3, dense), as the hub and transformers have it.

A layer on disk is two of ours: * then -, each with its norm. q and k are normalised head by head
before the rotation; head_dim is independent of the rest. Sliding windows are refused where they are
used. What qwen3_moe shares is here too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from naga.checkpoint import pairs
from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Layout, Weight, describe_layer
from naga.checkpoint.rope import read_rope, rope_refusals, write_rope
from naga.checkpoint.unsaid import ATTENTION, MLP, unsaid
from naga.config.load import parse_config
from naga.config.model import AttentionConfig, ModelConfig

NAME = "qwen3"
TABLES = {"*": (*pairs.ATTENTION, *pairs.QK_NORMS), "-": pairs.MLP}
SAID = {"attention": ATTENTION | {"rope", "scale", "qk_norm", "qk_norm_place"}, "mlp": MLP}


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    return pairs.weights(config, TABLES)


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from pairs.pattern_refusals(NAME, config.layers, "*", "-")
    yield from common_refusals(NAME, config, SAID)


def common_refusals(
    name: str, config: ModelConfig, said: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    yield from unsaid(name, config, said)
    if config.attention is not None:
        yield from _attention_refusals(name, config, config.attention)


def _attention_refusals(name: str, config: ModelConfig, own: AttentionConfig) -> Iterator[str]:
    layer = describe_layer(config, "*")
    yield from rope_refusals(name, config, own)
    yield from pairs.scale_refusals(name, config, own)
    if not own.qk_norm:
        yield f"{layer}: {name} has no attention without qk_norm"
    elif own.qk_norm_place != "before_rotation":
        yield f"{layer}: {name} has no qk_norm after the rotation"


def read(fields: Fields) -> ModelConfig:
    data = read_common(fields, head_dim=128) | {
        "pattern": "*-" * read_layers(fields),
        "mlp": {"inner_dim": fields.integer("intermediate_size"), "activation": "swiglu"},
    }
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def read_layers(fields: Fields) -> int:
    """How many layers there are on disk, all with full attention."""
    count = fields.num_layers()
    if fields.flag("use_sliding_window", False):
        fields.fail("use_sliding_window = true is not supported; only false is")
    fields.ignore("sliding_window", "max_window_layers")
    kinds = fields.strings("layer_types", [])
    for index, kind in enumerate(kinds):
        if kind != "full_attention":
            fields.fail(f"layer_types: layer {index} is {kind!r}; only full_attention is supported")
    if kinds and len(kinds) != count:
        fields.fail(f"contradictory: num_hidden_layers is {count}, layer_types has {len(kinds)}")
    return count


def read_common(fields: Fields, head_dim: int | None) -> dict[str, Any]:
    """All but the layers; `head_dim` where the file has none, None meaning hidden_size / heads."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    usual = hidden // max(heads, 1) if head_dim is None else head_dim
    dim = fields.integer("head_dim", usual)
    max_positions = fields.integer("max_position_embeddings", 32_768)
    fields.demand("hidden_act", "silu")
    fields.demand("attention_bias", False)
    fields.ignore(*INERT)
    return {
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": max_positions,
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "init_std": fields.number("initializer_range", 0.02),
        "attention": {
            "num_heads": heads,
            "num_kv_heads": fields.integer("num_key_value_heads", heads),
            "head_dim": dim,
            "qk_norm": True,
            "qk_norm_place": "before_rotation",
            "rope": read_rope(fields, dim, max_positions),
        },
    }


def write(config: ModelConfig) -> dict[str, Any]:
    assert config.mlp is not None
    return write_common(config) | {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": NAME,
        "intermediate_size": config.mlp.inner_dim,
    }


def write_common(config: ModelConfig) -> dict[str, Any]:
    attention = config.attention
    assert attention is not None and attention.rope is not None
    return {
        **pairs.write_top(config),
        "num_attention_heads": attention.num_heads,
        "num_key_value_heads": attention.num_kv_heads,
        "head_dim": attention.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "use_sliding_window": False,
        **write_rope(attention.rope, attention.rotary_dim),
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
