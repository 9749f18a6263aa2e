"""granitemoehybrid (IBM Granite 4.0-H), as the hub and transformers have it.

A layer on disk is two of ours: [M or *] then [- or E], each with its norm and residual multiplier.
The feed-forward is SwiGLU; with experts, a softmax router and always a shared expert; without, the
"shared" MLP alone. Attention rotates only if position_embedding_type is "rope"; its heads fill the
hidden dimension, and Mamba-2's a multiple of it.

Quirks of transformers 5.23: it applies time_step_limit in prefill only (naga: to every token), and
its cache counts positions by an attention layer, so a model without one generates uncached only.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Form, Layout, Weight, describe_layer
from naga.checkpoint.rope import read_rope, rope_refusals, write_rope
from naga.checkpoint.unsaid import ATTENTION, MAMBA, MLP, MOE, unsaid
from naga.config.load import parse_config
from naga.config.model import AttentionConfig, ModelConfig

NAME = "granitemoehybrid"
MULTIPLIERS = frozenset(("embedding_multiplier", "residual_multiplier", "logits_divisor"))
SAID = {
    "mamba": MAMBA,
    "attention": ATTENTION | {"rope", "scale"},
    "mlp": MLP | {"activation"},
    "moe": MOE | {"activation", "router", "shared_dim"},
}
LETTERS = {"mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*"}

TOP = (
    Weight("embed.weight", "model.embed_tokens.weight"),
    Weight("norm.weight", "model.norm.weight"),
)
HEAD = Weight("head.weight", "lm_head.weight")
LAYERS = {
    "M": (
        Weight("norm.weight", "input_layernorm.weight"),
        Weight("mixer.in_proj.weight", "mamba.in_proj.weight"),
        Weight("mixer.conv.weight", "mamba.conv1d.weight", Form.CHANNELS),
        Weight("mixer.conv.bias", "mamba.conv1d.bias"),
        Weight("mixer.dt_bias", "mamba.dt_bias"),
        Weight("mixer.A_log", "mamba.A_log"),
        Weight("mixer.D", "mamba.D"),
        Weight("mixer.norm.weight", "mamba.norm.weight"),
        Weight("mixer.out_proj.weight", "mamba.out_proj.weight"),
    ),
    "*": (
        Weight("norm.weight", "input_layernorm.weight"),
        Weight("mixer.q_proj.weight", "self_attn.q_proj.weight"),
        Weight("mixer.k_proj.weight", "self_attn.k_proj.weight"),
        Weight("mixer.v_proj.weight", "self_attn.v_proj.weight"),
        Weight("mixer.o_proj.weight", "self_attn.o_proj.weight"),
    ),
    "-": (
        Weight("norm.weight", "post_attention_layernorm.weight"),
        Weight("mixer.up.weight", "shared_mlp.input_linear.weight"),
        Weight("mixer.down.weight", "shared_mlp.output_linear.weight"),
    ),
    "E": (
        Weight("norm.weight", "post_attention_layernorm.weight"),
        Weight("mixer.router.weight", "block_sparse_moe.router.layer.weight"),
        Weight("mixer.experts.up", "block_sparse_moe.input_linear.weight"),
        Weight("mixer.experts.down", "block_sparse_moe.output_linear.weight"),
        Weight("mixer.shared.up.weight", "shared_mlp.input_linear.weight"),
        Weight("mixer.shared.down.weight", "shared_mlp.output_linear.weight"),
    ),
}


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    layers = (
        weight.under(f"layers.{index}.", f"model.layers.{index // 2}.")
        for index, letter in enumerate(config.layers)
        for weight in LAYERS[letter]
    )
    return (*TOP, *layers, *(() if config.tie_embeddings else (HEAD,)))


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from _pattern_refusals(config.layers)
    if config.attention is not None:
        yield from _attention_refusals(config, config.attention)
    yield from mamba_refusals(NAME, config)
    if config.mlp is not None and config.mlp.activation != "swiglu":
        yield f"{describe_layer(config, '-')}: {NAME} has no {config.mlp.activation} activation"
    if config.moe is not None:
        layer = describe_layer(config, "E")
        if config.moe.activation != "swiglu":
            yield f"{layer}: {NAME} has no {config.moe.activation} activation"
        if config.moe.router != "softmax":
            yield f"{layer}: {NAME} has no {config.moe.router} router"
        if config.moe.shared_dim is None:
            yield f"{layer}: {NAME} has no experts without a shared one (shared_dim)"
    yield from unsaid(NAME, config, SAID, MULTIPLIERS)


def _pattern_refusals(layers: str) -> Iterator[str]:
    if "-" in layers and "E" in layers:
        yield f"layer {layers.index('E')}: {NAME} has no mix of - and E in one model"
    for index, letter in enumerate(layers):
        if letter not in ("-E" if index % 2 else "M*"):
            yield f"layer {index}: {NAME} has no {letter} here; layers are pairs of M or *, - or E"
    if len(layers) % 2:
        yield f"layer {len(layers) - 1}: {NAME} has no last layer without a - or E after it"


def mamba_refusals(name: str, config: ModelConfig) -> Iterator[str]:
    """Of layouts that have mamba_expand."""
    if config.mamba is not None and config.mamba.inner_dim % config.hidden_dim:
        yield (
            f"{describe_layer(config, 'M')}: {name} has no num_heads * head_dim "
            f"({config.mamba.inner_dim}) that is not a multiple of hidden_dim ({config.hidden_dim})"
        )


def _attention_refusals(config: ModelConfig, attention: AttentionConfig) -> Iterator[str]:
    layer = describe_layer(config, "*")
    if attention.qk_norm:
        yield f"{layer}: {NAME} has no qk_norm"
    if attention.rope is not None:
        yield from rope_refusals(NAME, config, attention)


def read(fields: Fields) -> ModelConfig:
    mixers, hidden = _read_mixers(fields), fields.integer("hidden_size")
    num_experts = fields.integer("num_local_experts", 8)
    # Keys of kinds of layer that a model lacks are there all the same: read, then dropped.
    max_positions = fields.integer("max_position_embeddings")
    attention = _read_attention(fields, hidden, max_positions)
    mamba = read_mamba(fields, hidden)
    data = {
        "pattern": "".join(mixer + ("E" if num_experts else "-") for mixer in mixers),
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": max_positions,
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "embedding_multiplier": fields.number("embedding_multiplier", 1.0),
        "residual_multiplier": fields.number("residual_multiplier", 1.0),
        "logits_divisor": fields.number("logits_scaling", 1.0),
        "init_std": fields.number("initializer_range", 0.02),
        "attention": attention if "*" in mixers else None,
        "mamba": mamba if "M" in mixers else None,
        **_read_feed_forward(fields, num_experts),
    }
    fields.demand("hidden_act", "silu")
    fields.demand("normalization_function", "rmsnorm")
    fields.demand("attention_bias", False)
    fields.ignore(*INERT, "init_method")
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _read_mixers(fields: Fields) -> str:
    fields.alias("layers_block_type", "layer_types")
    num_layers = fields.num_layers()
    kinds = fields.strings("layer_types", ["mamba"] * num_layers)
    for index, kind in enumerate(kinds):
        if kind not in LETTERS:
            fields.fail(f"layer_types: layer {index} is {kind!r}; {NAME} has mamba and attention")
    if len(kinds) != num_layers:
        fields.fail(
            f"contradictory: num_hidden_layers is {num_layers}, layer_types has {len(kinds)}"
        )
    return "".join(LETTERS[kind] for kind in kinds)


def _read_attention(fields: Fields, hidden: int, max_positions: int) -> dict[str, Any]:
    heads = fields.integer("num_attention_heads", 32)
    head_dim = fields.integer("head_dim", hidden // max(heads, 1))
    scale = fields.number("attention_multiplier", 1.0)
    return {
        "num_heads": heads,
        "num_kv_heads": fields.integer("num_key_value_heads", heads),
        "head_dim": head_dim,
        "scale": None if head_dim > 0 and scale == head_dim**-0.5 else scale,
        "rope": _read_rope(fields, head_dim, max_positions),
    }


def _read_rope(fields: Fields, head_dim: int, max_positions: int) -> dict[str, Any] | None:
    kind = fields.text("position_embedding_type", "nope")
    if kind not in ("rope", "nope"):
        fields.fail(f"position_embedding_type = {kind!r} is not supported; only rope and nope are")
    if kind == "nope":
        fields.ignore("rope_theta", "rope_parameters", "rope_scaling")
        return None
    return read_rope(fields, head_dim, max_positions)


def read_mamba(fields: Fields, hidden: int) -> dict[str, Any]:
    """The mamba_* keys, which bamba has too."""
    heads = fields.integer("mamba_n_heads", 128)
    inner = fields.integer("mamba_expand", 2) * hidden
    head_dim = inner // max(heads, 1)
    if heads * head_dim != inner:
        fields.fail(f"contradictory: mamba_expand * hidden_size is {inner}, mamba_n_heads {heads}")
    fields.demand("mamba_d_head", "auto", head_dim)
    fields.demand("mamba_conv_bias", True)
    fields.demand("mamba_proj_bias", False)
    return {
        "num_heads": heads,
        "head_dim": head_dim,
        "state_dim": fields.integer("mamba_d_state", 256),
        "num_groups": fields.integer("mamba_n_groups", 1),
        "conv_width": fields.integer("mamba_d_conv", 4),
        "chunk_size": fields.integer("mamba_chunk_size", 256),
        "dt_limit": fields.limits("time_step_limit"),
    }


def _read_feed_forward(fields: Fields, num_experts: int) -> dict[str, Any]:
    shared = fields.integer("shared_intermediate_size", 1024)
    moe = {
        "num_experts": num_experts,
        "top_k": fields.integer("num_experts_per_tok", 2),
        "expert_dim": fields.integer("intermediate_size", 11_008),
        "shared_dim": shared,
        "activation": "swiglu",
        "router": "softmax",
        "balance_loss": fields.number("router_aux_loss_coef", 0.001),
    }
    mlp = {"inner_dim": shared, "activation": "swiglu"}
    return {"moe": moe} if num_experts else {"mlp": mlp}


def write(config: ModelConfig) -> dict[str, Any]:
    kinds = {"M": "mamba", "*": "attention"}
    layer_types = [kinds[letter] for letter in config.layers[::2]]
    return {
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "model_type": NAME,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(layer_types),
        "layer_types": layer_types,
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "embedding_multiplier": config.embedding_multiplier,
        "residual_multiplier": config.residual_multiplier,
        "logits_scaling": config.logits_divisor,
        "initializer_range": config.init_std,
        "hidden_act": "silu",
        **_write_attention(config),
        **write_mamba(config),
        **_write_feed_forward(config),
    }


def _write_attention(config: ModelConfig) -> dict[str, Any]:
    attention = config.attention
    if attention is None:  # transformers divides by the number of heads all the same
        return {"num_attention_heads": 1, "num_key_value_heads": 1, "attention_bias": False}
    rope = attention.rope
    position: dict[str, Any] = {"position_embedding_type": "nope"}
    if rope is not None:
        position = {"position_embedding_type": "rope", **write_rope(rope, attention.rotary_dim)}
    usual = attention.num_heads * attention.head_dim == config.hidden_dim
    return {
        # Only where it has to be said: not every reader of this layout asks for it.
        **({} if usual else {"head_dim": attention.head_dim}),
        "num_attention_heads": attention.num_heads,
        "num_key_value_heads": attention.num_kv_heads,
        "attention_multiplier": attention.softmax_scale,
        "attention_bias": False,
        **position,
    }


def write_mamba(config: ModelConfig) -> dict[str, Any]:
    mamba = config.mamba
    if mamba is None:  # transformers checks these against hidden_size all the same
        return {"mamba_n_heads": 1, "mamba_expand": 1}
    limit = {} if mamba.dt_limit == (0.0, inf) else {"time_step_limit": mamba.dt_limit}
    return {
        "mamba_n_heads": mamba.num_heads,
        "mamba_d_head": mamba.head_dim,
        "mamba_d_state": mamba.state_dim,
        "mamba_n_groups": mamba.num_groups,
        "mamba_d_conv": mamba.conv_width,
        "mamba_expand": mamba.inner_dim // config.hidden_dim,
        "mamba_chunk_size": mamba.chunk_size,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
        **limit,
    }


def _write_feed_forward(config: ModelConfig) -> dict[str, Any]:
    if config.mlp is not None:
        return {
            "num_local_experts": 0,
            "num_experts_per_tok": 0,
            "intermediate_size": config.mlp.inner_dim,
            "shared_intermediate_size": config.mlp.inner_dim,
        }
    assert config.moe is not None, "every pair ends in - or E"
    return {
        "num_local_experts": config.moe.num_experts,
        "num_experts_per_tok": config.moe.top_k,
        "intermediate_size": config.moe.expert_dim,
        "shared_intermediate_size": config.moe.shared_dim,
        "router_aux_loss_coef": config.moe.balance_loss,
        "output_router_logits": False,
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
