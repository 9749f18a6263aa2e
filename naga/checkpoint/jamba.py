"""jamba (AI21 Jamba), as the hub and transformers have it.

A layer on disk is two of ours: [S or *] then [- or E], each with its norm. Which ones are attention
and which have experts is a period and an offset each. Mamba-1 has norms of dt, B and C; attention
has no positions; a token's experts keep their share of the softmax over all experts, and are as
wide as the dense feed-forward.

Quirk of transformers 5.23: its scan keeps states in the compute dtype in prefill and in float32
when decoding (naga: float32 always). In float32 there is no difference.
"""

from collections.abc import Iterator
from typing import Any

from naga.checkpoint import pairs
from naga.checkpoint.fields import INERT, Fields
from naga.checkpoint.layout import Form, Layout, Weight, describe_layer
from naga.checkpoint.mamba import IMPLEMENTATION, MIXER, mixer_refusals, read_rank
from naga.checkpoint.unsaid import ATTENTION, MAMBA1, MLP, MOE, unsaid
from naga.config.load import parse_config
from naga.config.model import ModelConfig, MoeConfig

NAME = "jamba"
SAID = {
    "mamba1": MAMBA1 | {"norms"},
    "attention": ATTENTION | {"scale"},
    "mlp": MLP,
    "moe": MOE | {"weigh"},
}
LAYERS = {
    "S": (
        Weight("norm.weight", "input_layernorm.weight"),
        *(weight.under("mixer.", "mamba.") for weight in MIXER),
        Weight("mixer.dt_norm.weight", "mamba.dt_layernorm.weight"),
        Weight("mixer.B_norm.weight", "mamba.b_layernorm.weight"),
        Weight("mixer.C_norm.weight", "mamba.c_layernorm.weight"),
    ),
    "*": pairs.ATTENTION,
    "-": pairs.FEED_FORWARD,
    "E": (
        Weight("norm.weight", "pre_ff_layernorm.weight"),
        Weight("mixer.router.weight", "feed_forward.router.weight"),
        Weight(
            "mixer.experts.up",
            "feed_forward.experts.{expert}.{half}_proj.weight",
            Form.EXPERT_HALVES,
        ),
        Weight(
            "mixer.experts.down", "feed_forward.experts.{expert}.down_proj.weight", Form.EXPERTS
        ),
    ),
}


def weights(config: ModelConfig) -> tuple[Weight, ...]:
    return pairs.weights(config, LAYERS, pairs.TOP_FINAL)


def refusals(config: ModelConfig) -> Iterator[str]:
    yield from _pattern_refusals(config)
    yield from unsaid(NAME, config, SAID)
    if config.attention is not None:
        yield from pairs.scale_refusals(NAME, config, config.attention)
    if config.mamba1 is not None:
        yield from mixer_refusals(config, config.mamba1, NAME)
        if not config.mamba1.norms:
            yield f"{describe_layer(config, 'S')}: {NAME} has norms of dt, B and C"
    if config.moe is not None:
        yield from _moe_refusals(config, config.moe)


def _pattern_refusals(config: ModelConfig) -> Iterator[str]:
    layers = config.layers
    yield from pairs.pattern_refusals(NAME, layers, "S*", "-E")
    for letter, part in (("*", layers[::2]), ("E", layers[1::2])):
        if _places(part, letter) is None:
            yield f"{describe_layer(config, letter)}: {NAME} has them at even distances alone"


def _moe_refusals(config: ModelConfig, moe: MoeConfig) -> Iterator[str]:
    layer = describe_layer(config, "E")
    if moe.weigh != "all":
        yield f"{layer}: {NAME} has no weigh = {moe.weigh!r}, but 'all'"
    if moe.num_experts < 2:  # transformers makes a dense feed-forward of it
        yield f"{layer}: {NAME} has no single expert"
    if config.mlp is not None and config.mlp.inner_dim != moe.expert_dim:
        yield (
            f"{layer}: {NAME} has no experts ({moe.expert_dim}) of another width than the MLP's "
            f"({config.mlp.inner_dim})"
        )


def _places(kinds: str, letter: str) -> tuple[int, int] | None:
    """(period, offset) of a letter: kinds[i] is it where i % period == offset; None if none fit.

    Of a letter that is not there, a period beyond all layers.
    """
    count, first = len(kinds), kinds.find(letter)
    if first < 0:
        return count + 1, count
    for period in range(first + 1, count + 1):
        if all((kind == letter) == (i % period == first) for i, kind in enumerate(kinds)):
            return period, first
    return None


def read(fields: Fields) -> ModelConfig:
    fields.alias("n_ctx", "max_position_embeddings")
    hidden, num_layers = fields.integer("hidden_size"), fields.num_layers()
    num_experts = fields.integer("num_experts", 16)
    mixers = _read_kinds(fields, "attn_layer", (8, 4), num_layers, "S*")
    others = _read_kinds(fields, "expert_layer", (2, 1), num_layers, "-E")
    if num_experts == 1:
        others = "-" * num_layers
    pattern = "".join(map("".join, zip(mixers, others, strict=True)))
    # Keys of kinds of layer that a model lacks are there all the same: read, then dropped.
    sections = {
        "*": ("attention", _read_attention(fields, hidden)),
        "S": ("mamba1", _read_mamba(fields, hidden)),
        "-": ("mlp", {"inner_dim": fields.integer("intermediate_size", 14_336)}),
    }
    inner = sections["-"][1]["inner_dim"]
    sections["E"] = ("moe", _read_moe(fields, num_experts, inner))
    data = {
        "pattern": pattern,
        "vocab_size": fields.integer("vocab_size"),
        "hidden_dim": hidden,
        "max_positions": fields.integer("max_position_embeddings", 262_144),
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "tie_embeddings": fields.flag("tie_word_embeddings", False),
        "init_std": fields.number("initializer_range", 0.02),
        **{name: section for letter, (name, section) in sections.items() if letter in pattern},
    }
    fields.demand("hidden_act", "silu")
    fields.demand("mamba_conv_bias", True)
    fields.demand("mamba_proj_bias", False)
    fields.demand("mamba_inner_layernorms", True)
    fields.demand("sliding_window")
    fields.ignore(*INERT, *IMPLEMENTATION, "use_mamba_kernels")
    # Which logits a caller gets.
    fields.ignore("calc_logits_for_entire_prompt", "num_logits_to_keep")
    fields.finish()
    return parse_config(ModelConfig, data, fields.source)


def _read_kinds(
    fields: Fields, name: str, default: tuple[int, int], count: int, letters: str
) -> str:
    """A letter for each layer: the second of `letters` where period and offset say so."""
    period = fields.integer(f"{name}_period", default[0])
    offset = fields.integer(f"{name}_offset", default[1])
    if not 0 <= offset < period:
        fields.fail(f"{name}_offset must be below {name}_period ({period}), not {offset}")
    return "".join(letters[index % period == offset] for index in range(count))


def _read_attention(fields: Fields, hidden: int) -> dict[str, Any]:
    heads = fields.integer("num_attention_heads", 32)
    return {
        "num_heads": heads,
        "num_kv_heads": fields.integer("num_key_value_heads", 8),
        "head_dim": fields.integer("head_dim", hidden // max(heads, 1)),
    }


def _read_mamba(fields: Fields, hidden: int) -> dict[str, Any]:
    return {
        "inner_dim": fields.integer("mamba_expand", 2) * hidden,
        "state_dim": fields.integer("mamba_d_state", 16),
        "conv_width": fields.integer("mamba_d_conv", 4),
        "dt_rank": read_rank(fields, "mamba_dt_rank", hidden),
        "norms": True,
    }


def _read_moe(fields: Fields, num_experts: int, inner: int) -> dict[str, Any]:
    return {
        "num_experts": num_experts,
        "top_k": fields.integer("num_experts_per_tok", 2),
        "expert_dim": inner,
        "weigh": "all",
        "balance_loss": fields.number("router_aux_loss_coef", 0.001),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    mixers, others = _places(config.layers[::2], "*"), _places(config.layers[1::2], "E")
    assert mixers is not None and others is not None, "refused before"
    return {
        "architectures": ["JambaForCausalLM"],
        "model_type": NAME,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(config.layers) // 2,
        "attn_layer_period": mixers[0],
        "attn_layer_offset": mixers[1],
        "expert_layer_period": others[0],
        "expert_layer_offset": others[1],
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_std,
        "hidden_act": "silu",
        **_write_attention(config),
        **_write_mamba(config),
        **_write_feed_forward(config),
    }


def _write_attention(config: ModelConfig) -> dict[str, Any]:
    attention = config.attention
    if attention is None:  # transformers divides by the number of heads all the same
        return {"num_attention_heads": 1, "num_key_value_heads": 1}
    usual = attention.num_heads * attention.head_dim == config.hidden_dim
    return {
        # Only where it has to be said: not every reader of this layout asks for it.
        **({} if usual else {"head_dim": attention.head_dim}),
        "num_attention_heads": attention.num_heads,
        "num_key_value_heads": attention.num_kv_heads,
    }


def _write_mamba(config: ModelConfig) -> dict[str, Any]:
    mamba = config.mamba1
    if mamba is None:
        return {"mamba_expand": 1}
    return {
        "mamba_expand": mamba.inner_dim // config.hidden_dim,
        "mamba_d_state": mamba.state_dim,
        "mamba_d_conv": mamba.conv_width,
        "mamba_dt_rank": mamba.dt_rank,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
    }


def _write_feed_forward(config: ModelConfig) -> dict[str, Any]:
    if config.moe is None:
        assert config.mlp is not None, "every pair ends in - or E"
        experts = {"num_experts": 1, "num_experts_per_tok": 1}
        return {"intermediate_size": config.mlp.inner_dim, **experts}
    return {
        "intermediate_size": config.moe.expert_dim,
        "num_experts": config.moe.num_experts,
        "num_experts_per_tok": config.moe.top_k,
        "router_aux_loss_coef": config.moe.balance_loss,
        "output_router_logits": False,
    }


LAYOUT = Layout(model_type=NAME, refusals=refusals, read=read, write=write, weights=weights)
