"""nemotron_h (NVIDIA Nemotron-H, Nemotron 3), as the hub and transformers have it.

A layer is one mixer, as in naga: any pattern of M * - E. Feed-forwards are ungated relu2; experts
have a sigmoid router with a balancing bias, and a shared expert, and may work in a latent space;
attention never rotates; the head is untied.

Quirks. d_inner is heads * head_dim: `expand` is inert, and so are rope_theta and its kin. Heads for
multi-token prediction (mtp.*) are not loaded, which a warning says, and so not saved again.
transformers clamps dt from below by time_step_min in prefill only, so that its decoding does not go
on from its own prefill; NVIDIA's own code, vLLM and naga never do: the key is ignored when read,
and written as TIME_STEP_MIN so that the clamp is inert.
time_step_limit is honoured when read, as in NVIDIA's code; transformers ignores it, so a model that
has limits is not written in this layout. Its cache counts positions by an attention layer: a model
without one generates uncached only.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Form, Layout, Weight, describe_layer
from naga.checkpoint.unsaid import ATTENTION, MAMBA, MLP, MOE, unsaid
from naga.config.load import parse_config
from naga.config.model import AttentionConfig, ModelConfig, MoeConfig

NAME = "nemotron_h"
TIME_STEP_MIN = 1e-12
LETTERS = {
    "mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*",
    "mlp": "-", "moe": "E",
}  # fmt: skip
INERT_HERE = (
    "expand", "time_step_min", "time_step_max", "time_step_floor", "time_step_rank",
    "rope_theta", "rope_parameters", "partial_rotary_factor", "mamba_ssm_cache_dtype",
    "use_mamba_kernels", "num_logits_to_keep", "rescale_prenorm_residual",
    "moe_shared_expert_overlap", "mamba_expand", "mamba_dt_min", "mamba_dt_max",
    "mamba_dt_init_floor", "num_nextn_predict_layers", "mtp_hybrid_override_pattern",
    "mtp_layers_block_type", "keep_mtp_spec_in_bf16",
)  # fmt: skip

SAID = {
    "mamba": MAMBA,
    "attention": ATTENTION | {"scale"},
    "mlp": MLP | {"activation"},
    "moe": MOE | {
        "activation", "router", "shared_dim", "latent_dim", "routed_scale", "bias_update",
    },
}  # fmt: skip

# Older spellings, also found beside the newer ones.
ALIASES = {
    "mamba_n_groups": "n_groups",
    "mamba_d_conv": "conv_kernel",
    "mamba_chunk_size": "chunk_size",
    "mamba_conv_bias": "use_conv_bias",
    "mamba_dt_limit": "time_step_limit",
    "norm_eps": "layer_norm_epsilon",
    "rms_norm_eps": "layer_norm_epsilon",
    "attention_head_dim": "head_dim",
    "layer_types": "layers_block_type",
}

TOP = (Weight("embed.weight", "backbone.embeddings.weight"),)
LAST = (
    Weight("norm.weight", "backbone.norm_f.weight"),
    Weight("head.weight", "lm_head.weight"),
)
NORM = Weight("norm.weight", "norm.weight")
LAYERS = {
    "M": (
        NORM,
        Weight("mixer.in_proj.weight", "mixer.in_proj.weight"),
        Weight("mixer.conv.weight", "mixer.conv1d.weight", Form.CHANNELS),
        Weight("mixer.conv.bias", "mixer.conv1d.bias"),
        Weight("mixer.dt_bias", "mixer.dt_bias"),
        Weight("mixer.A_log", "mixer.A_log"),
        Weight("mixer.D", "mixer.D"),
        Weight("mixer.norm.weight", "mixer.norm.weight"),
        Weight("mixer.out_proj.weight", "mixer.out_proj.weight"),
    ),
    "*": (
        NORM,
        Weight("mixer.q_proj.weight", "mixer.q_proj.weight"),
        Weight("mixer.k_proj.weight", "mixer.k_proj.weight"),
        Weight("mixer.v_proj.weight", "mixer.v_proj.weight"),
        Weight("mixer.o_proj.weight", "mixer.o_proj.weight"),
    ),
    "-": (
        NORM,
        Weight("mixer.up.weight", "mixer.up_proj.weight"),
        Weight("mixer.down.weight", "mixer.down_proj.weight"),
    ),
    "E": (
        NORM,
        Weight("mixer.router.weight", "mixer.gate.weight"),
        Weight("mixer.router.bias", "mixer.gate.e_score_correction_bias"),
        Weight("mixer.experts.up", "mixer.experts.{expert}.up_proj.weight", Form.EXPERTS),
        Weight("mixer.experts.down", "mixer.experts.{expert}.down_proj.weight", Form.EXPERTS),
        Weight("mixer.shared.up.weight", "mixer.shared_experts.up_proj.weight"),
        Weight("mixer.shared.down.weight", "mixer.shared_experts.down_proj.weight"),
    ),
}
LATENT = (
    Weight("mixer.enter_proj.weight", "mixer.fc1_latent_proj.weight"),
    Weight("mixer.leave_proj.weight", "mixer.fc2_latent_proj.weight"),
)


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    layers = (
        weight.under(f"layers.{index}.", f"backbone.layers.{index}.")
        for index, letter in enumerate(config.layers)
        for weight in _of_layer(config, letter)
    )
    return (*TOP, *layers, *LAST)


def _of_layer(config: ModelConfig, letter: str) -> tuple[Weight, ...]:
    latent = letter == "E" and config.moe is not None and config.moe.latent_dim is not None
    return (*LAYERS[letter], *LATENT) if latent else LAYERS[letter]


def refusals(config: ModelConfig) -> Iterator[str]:
    for letter in sorted({*config.layers} - {*LAYERS}):
        yield f"{describe_layer(config, letter)}: {NAME} has no such layer"
    if config.tie_embeddings:
        yield f"{NAME} has no tied embeddings"
    if config.embedding_multiplier != 1.0:
        yield f"{NAME} has no embedding_multiplier ({config.embedding_multiplier:g})"
    if config.residual_multiplier != 1.0:
        yield f"{NAME} has no residual_multiplier ({config.residual_multiplier:g})"
    if config.logits_divisor != 1.0:
        yield f"{NAME} has no logits_divisor ({config.logits_divisor:g})"
    if config.mamba is not None and config.mamba.dt_limit != (0.0, inf):
        yield f"{describe_layer(config, 'M')}: {NAME} has no dt_limit"
    if config.attention is not None:
        yield from _attention_refusals(describe_layer(config, "*"), config.attention)
    if config.mlp is not None and config.mlp.activation != "relu2":
        yield f"{describe_layer(config, '-')}: {NAME} has no {config.mlp.activation} activation"
    if config.moe is not None:
        yield from _moe_refusals(describe_layer(config, "E"), config.moe)
    yield from unsaid(NAME, config, SAID)


def _attention_refusals(layer: str, attention: AttentionConfig) -> Iterator[str]:
    if attention.rope is not None:
        yield f"{layer}: {NAME} has no rope"
    if attention.qk_norm:
        yield f"{layer}: {NAME} has no qk_norm"
    if attention.softmax_scale != attention.head_dim**-0.5:
        yield f"{layer}: {NAME} has no scale ({attention.scale:g}) other than head_dim ** -0.5"


def _moe_refusals(layer: str, moe: MoeConfig) -> Iterator[str]:
    if moe.activation != "relu2":
        yield f"{layer}: {NAME} has no {moe.activation} activation"
    if moe.router != "sigmoid":
        yield f"{layer}: {NAME} has no {moe.router} router"
    if moe.shared_dim is None:
        yield f"{layer}: {NAME} has no experts without a shared one (shared_dim)"
    if moe.num_experts < 2:  # transformers ranks groups by their two best experts
        yield f"{layer}: {NAME} has no single expert"


def read(fields: Fields) -> ModelConfig:
    for other, key in ALIASES.items():
        fields.alias(other, key)
    layers = _read_layers(fields)
    # Keys of kinds of layer that a model lacks are there all the same: read, then dropped.
    sections = {
        "mamba": ("M", _read_mamba(fields)),
        "attention": ("*", _read_attention(fields)),
        "mlp": ("-", _read_mlp(fields)),
        "moe": ("E", _read_moe(fields)),
    }
    data = {
        "pattern": layers,
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": fields.integer("hidden_size"),
        "max_positions": fields.integer("max_position_embeddings"),
        "norm_eps": fields.number("layer_norm_epsilon", 1e-5),
        "tie_embeddings": False,
        "init_std": fields.number("initializer_range", 0.02),
        **{name: section for name, (letter, section) in sections.items() if letter in layers},
    }
    _demand_known(fields)
    fields.ignore(*INERT, *INERT_HERE)
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _demand_known(fields: Fields) -> None:
    """Refuse by name every variant that would change the numbers."""
    for key in ("tie_word_embeddings", "use_bias", "attention_bias", "mlp_bias", "mamba_proj_bias"):
        fields.demand(key, False)
    fields.demand("use_conv_bias", True)
    fields.demand("mamba_hidden_act", "silu")
    fields.demand("mlp_hidden_act", "relu2")
    fields.demand("norm_topk_prob", True)
    for key in ("n_group", "topk_group", "n_shared_experts"):
        fields.demand(key, 1)
    fields.demand("residual_in_fp32", False)
    for key in ("sliding_window", "rope_scaling"):
        fields.demand(key)


def _read_layers(fields: Fields) -> str:
    pattern = fields.text("hybrid_override_pattern", "")
    kinds = fields.strings("layers_block_type", [])
    for index, kind in enumerate(kinds):
        if kind not in LETTERS:
            fields.fail(
                f"layers_block_type: layer {index} is {kind!r}; known: {', '.join(LETTERS)}"
            )
    listed = "".join(LETTERS[kind] for kind in kinds)
    if pattern and listed and pattern != listed:
        fields.fail("contradictory: hybrid_override_pattern and layers_block_type differ")
    layers = pattern or listed
    if not layers:
        fields.fail("missing key 'hybrid_override_pattern' or 'layers_block_type'")
    count = fields.integer("num_hidden_layers", len(layers))
    if count != len(layers):
        fields.fail(f"contradictory: num_hidden_layers is {count}, the pattern has {len(layers)}")
    return layers


def _read_mamba(fields: Fields) -> dict[str, Any]:
    return {
        "num_heads": fields.integer("mamba_num_heads", 128),
        "head_dim": fields.integer("mamba_head_dim", 64),
        "state_dim": fields.integer("ssm_state_size", 128),
        "num_groups": fields.integer("n_groups", 8),
        "conv_width": fields.integer("conv_kernel", 4),
        "chunk_size": fields.integer("chunk_size", 128),
        "dt_limit": fields.limits("time_step_limit"),
    }


def _read_attention(fields: Fields) -> dict[str, Any]:
    heads = fields.integer("num_attention_heads", 32)
    return {
        "num_heads": heads,
        "num_kv_heads": fields.integer("num_key_value_heads", 8),
        "head_dim": fields.integer("head_dim", 128),
    }


def _read_mlp(fields: Fields) -> dict[str, Any]:
    return {"inner_dim": fields.integer("intermediate_size", 21_504), "activation": "relu2"}


def _read_moe(fields: Fields) -> dict[str, Any]:
    latent = fields.integer("moe_latent_size", 0)
    if latent < 0:
        fields.fail(f"moe_latent_size must be a positive number, not {latent}")
    return {
        "latent_dim": latent or None,
        "num_experts": fields.integer("n_routed_experts", 8),
        "top_k": fields.integer("num_experts_per_tok", 2),
        "expert_dim": fields.integer("moe_intermediate_size", 7688),
        "shared_dim": fields.integer("moe_shared_expert_intermediate_size", 7688),
        "activation": "relu2",
        "router": "sigmoid",
        "routed_scale": fields.number("routed_scaling_factor", 1.0),
        # Training settings: nobody else reads them here, the names are Granite's and Megatron's.
        "balance_loss": fields.number("router_aux_loss_coef", 0.0),
        "bias_update": fields.number("moe_router_bias_update_rate", 0.0),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    data = {
        "architectures": ["NemotronHForCausalLM"],
        "model_type": NAME,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(config.layers),
        "hybrid_override_pattern": config.layers,
        "max_position_embeddings": config.max_positions,
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": False,
        "initializer_range": config.init_std,
        "time_step_min": TIME_STEP_MIN,
        "mamba_ssm_cache_dtype": "float32",
        "mamba_hidden_act": "silu",
        "mlp_hidden_act": "relu2",
        "use_conv_bias": True,
        "residual_in_fp32": False,
        "num_nextn_predict_layers": 0,
    }
    biases = ("use_bias", "attention_bias", "mlp_bias", "mamba_proj_bias")
    return data | dict.fromkeys(biases, False) | _write_mixers(config)


def _write_mixers(config: ModelConfig) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if mamba := config.mamba:
        data["mamba_num_heads"] = mamba.num_heads
        data["mamba_head_dim"] = mamba.head_dim
        data["ssm_state_size"] = mamba.state_dim
        data["n_groups"] = mamba.num_groups
        data["conv_kernel"] = mamba.conv_width
        data["chunk_size"] = mamba.chunk_size
    if attention := config.attention:
        data["num_attention_heads"] = attention.num_heads
        data["num_key_value_heads"] = attention.num_kv_heads
        data["head_dim"] = attention.head_dim
    if mlp := config.mlp:
        data["intermediate_size"] = mlp.inner_dim
    if moe := config.moe:
        data["n_routed_experts"] = moe.num_experts
        data["num_experts_per_tok"] = moe.top_k
        data["moe_intermediate_size"] = moe.expert_dim
        data["n_shared_experts"] = 1
        data["moe_shared_expert_intermediate_size"] = moe.shared_dim
        data["moe_latent_size"] = moe.latent_dim
        data["routed_scaling_factor"] = moe.routed_scale
        data["n_group"] = data["topk_group"] = 1
        data["norm_topk_prob"] = True
        data["router_aux_loss_coef"] = moe.balance_loss
        data["moe_router_bias_update_rate"] = moe.bias_update
    return data


LAYOUT = Layout(
    model_type=NAME,
    refusals=refusals,
    read=read,
    write=write,
    weights=weights,
    skipped={"mtp.": "multi-token prediction"},
)
