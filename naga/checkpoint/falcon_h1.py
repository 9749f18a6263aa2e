"""falcon_h1 (TII Falcon-H1), as the hub and transformers have it.

A layer on disk is two of ours: H then -, each with its norm; both halves of H read the same normed
input. The muP factors stay factors at run time, none is folded into a weight: a round trip gives
the same bytes. The feed-forward is SwiGLU, attention always rotates, with any head dimension.

Quirks. Mamba's inner dimension is mamba_d_ssm; `mamba_expand` matters only where that is null.
Without mamba_rms_norm the gate alone is applied and mamba_norm_before_gate is inert. rope_theta
must be there: its default differs between versions of transformers. transformers 5.23 applies
time_step_limit in prefill only (naga: to every token), and in training with fused kernels it takes
the gate before the norm, whatever mamba_norm_before_gate says.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from naga.checkpoint import pairs
from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Form, Layout, Weight
from naga.checkpoint.rope import read_rope, rope_refusals, write_rope
from naga.checkpoint.unsaid import ATTENTION, MAMBA, MLP, PARALLEL, unsaid
from naga.config.load import parse_config
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig, ParallelConfig

NAME = "falcon_h1"
INERT_HERE = (
    "num_logits_to_keep", "mlp_expansion_factor", "time_step_min", "time_step_max",
    "time_step_floor", "time_step_rank",
)  # fmt: skip
BIASES = ("attention_bias", "mlp_bias", "projectors_bias", "mamba_proj_bias")

SAID = {
    "parallel": PARALLEL,
    "mamba": MAMBA | {"norm", "in_multiplier", "multipliers"},
    "attention": ATTENTION | {"rope", "scale", "in_multiplier", "key_multiplier"},
    "mlp": MLP | {"gate_multiplier", "down_multiplier"},
}
MULTIPLIERS = frozenset(("embedding_multiplier", "logits_multiplier"))
GATED_NORM = Weight("mixer.mamba.norm.weight", "mamba.norm.weight")
LAYERS = {
    "H": (
        Weight("norm.weight", "input_layernorm.weight"),
        Weight("mixer.mamba.in_proj.weight", "mamba.in_proj.weight"),
        Weight("mixer.mamba.conv.weight", "mamba.conv1d.weight", Form.CHANNELS),
        Weight("mixer.mamba.conv.bias", "mamba.conv1d.bias"),
        Weight("mixer.mamba.dt_bias", "mamba.dt_bias"),
        Weight("mixer.mamba.A_log", "mamba.A_log"),
        Weight("mixer.mamba.D", "mamba.D"),
        Weight("mixer.mamba.out_proj.weight", "mamba.out_proj.weight"),
        Weight("mixer.attention.q_proj.weight", "self_attn.q_proj.weight"),
        Weight("mixer.attention.k_proj.weight", "self_attn.k_proj.weight"),
        Weight("mixer.attention.v_proj.weight", "self_attn.v_proj.weight"),
        Weight("mixer.attention.o_proj.weight", "self_attn.o_proj.weight"),
    ),
    "-": pairs.FEED_FORWARD,
}


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    normed = config.mamba is not None and config.mamba.norm != "none"
    table = {"H": (*LAYERS["H"], *((GATED_NORM,) if normed else ())), "-": LAYERS["-"]}
    return pairs.weights(config, table, pairs.TOP_FINAL)


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from pairs.pattern_refusals(NAME, config.layers, "H", "-")
    yield from unsaid(NAME, config, SAID, MULTIPLIERS)
    if config.attention is not None:
        yield from rope_refusals(NAME, config, config.attention)
        yield from pairs.scale_refusals(NAME, config, config.attention)


def read(fields: Fields) -> ModelConfig:
    hidden, max_positions = (
        fields.integer("hidden_size"), fields.integer("max_position_embeddings"),
    )  # fmt: skip
    gate, down = fields.factors("mlp_multipliers", 2)
    data = {
        "pattern": "H-" * fields.num_layers(),
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": max_positions,
        "norm_eps": fields.number("rms_norm_eps", 1e-5),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "embedding_multiplier": fields.number("embedding_multiplier", 1.0),
        "logits_multiplier": fields.number("lm_head_multiplier", 1.0),
        "init_std": fields.number("initializer_range", 0.02),
        "attention": _read_attention(fields, hidden, max_positions),
        "mamba": _read_mamba(fields, hidden),
        "mlp": {
            "inner_dim": fields.integer("intermediate_size"),
            "gate_multiplier": gate,
            "down_multiplier": down,
        },
        "parallel": {
            "ssm_multiplier": fields.number("ssm_out_multiplier", 1.0),
            "attention_multiplier": fields.number("attention_out_multiplier", 1.0),
        },
    }
    for key in BIASES:
        fields.demand(key, False)
    fields.demand("hidden_act", "silu")
    fields.demand("mamba_conv_bias", True)
    fields.demand("mamba_use_mlp", True)
    fields.demand("attn_layer_indices")
    fields.ignore(*INERT, *INERT_HERE)
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _read_attention(fields: Fields, hidden: int, max_positions: int) -> dict[str, Any]:
    heads = fields.integer("num_attention_heads")
    head_dim = fields.integer("head_dim", hidden // max(heads, 1))
    return {
        "num_heads": heads,
        "num_kv_heads": fields.integer("num_key_value_heads", heads),
        "head_dim": head_dim,
        "rope": read_rope(fields, head_dim, max_positions, theta=None),
        "in_multiplier": fields.number("attention_in_multiplier", 1.0),
        "key_multiplier": fields.number("key_multiplier", 1.0),
    }


def _read_mamba(fields: Fields, hidden: int) -> dict[str, Any]:
    heads = fields.integer("mamba_n_heads")
    inner = fields.integer("mamba_d_ssm", fields.integer("mamba_expand", 2) * hidden)
    head_dim = inner // max(heads, 1)
    if heads * head_dim != inner:
        fields.fail(f"contradictory: mamba_d_ssm is {inner}, mamba_n_heads {heads}")
    fields.demand("mamba_d_head", "auto", head_dim)
    norm_first = fields.flag("mamba_norm_before_gate", True)
    normed = fields.flag("mamba_rms_norm", False)
    return {
        "num_heads": heads,
        "head_dim": head_dim,
        "state_dim": fields.integer("mamba_d_state", 256),
        "num_groups": fields.integer("mamba_n_groups", 1),
        "conv_width": fields.integer("mamba_d_conv", 4),
        "chunk_size": fields.integer("mamba_chunk_size", 256),
        "dt_limit": fields.limits("time_step_limit"),
        "norm": "none" if not normed else "norm_first" if norm_first else "gate_first",
        "in_multiplier": fields.number("ssm_in_multiplier", 1.0),
        "multipliers": fields.factors("ssm_multipliers", 5),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    attention, mamba, mlp, parallel = (
        config.attention, config.mamba, config.mlp, config.parallel,
    )  # fmt: skip
    assert attention and mamba and mlp and parallel, "every pair is H and -"
    return {
        "architectures": ["FalconH1ForCausalLM"],
        "model_type": NAME,
        **pairs.write_top(config),
        "hidden_act": "silu",
        "embedding_multiplier": config.embedding_multiplier,
        "lm_head_multiplier": config.logits_multiplier,
        **_write_halves(parallel, attention),
        **_write_mamba(mamba),
        **_write_mlp(mlp),
        **dict.fromkeys(BIASES, False),
    }


def _write_halves(parallel: ParallelConfig, attention: AttentionConfig) -> dict[str, Any]:
    assert attention.rope is not None, "attention without rope is refused"
    return {
        "ssm_out_multiplier": parallel.ssm_multiplier,
        "attention_out_multiplier": parallel.attention_multiplier,
        "attention_in_multiplier": attention.in_multiplier,
        "key_multiplier": attention.key_multiplier,
        "num_attention_heads": attention.num_heads,
        "num_key_value_heads": attention.num_kv_heads,
        "head_dim": attention.head_dim,
        **write_rope(attention.rope, attention.rotary_dim),
    }


def _write_mamba(mamba: MambaConfig) -> dict[str, Any]:
    limit = {} if mamba.dt_limit == (0.0, inf) else {"time_step_limit": mamba.dt_limit}
    return {
        "mamba_d_ssm": mamba.inner_dim,
        "mamba_n_heads": mamba.num_heads,
        "mamba_d_head": mamba.head_dim,
        "mamba_d_state": mamba.state_dim,
        "mamba_n_groups": mamba.num_groups,
        "mamba_d_conv": mamba.conv_width,
        "mamba_chunk_size": mamba.chunk_size,
        "mamba_conv_bias": True,
        "mamba_rms_norm": mamba.norm != "none",
        "mamba_norm_before_gate": mamba.norm == "norm_first",
        "ssm_in_multiplier": mamba.in_multiplier,
        "ssm_multipliers": list(mamba.multipliers),
        **limit,
    }


def _write_mlp(mlp: MlpConfig) -> dict[str, Any]:
    return {
        "intermediate_size": mlp.inner_dim,
        "mlp_multipliers": [mlp.gate_multiplier, mlp.down_multiplier],
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
