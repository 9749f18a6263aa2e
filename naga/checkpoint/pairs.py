"""What layouts share whose layer on disk is two of ours: a mixer, then a feed-forward.

Both have a norm of their own. Says what of a config such a layout cannot express, and names the
tensors that most of them name alike; knows no family. Imports no torch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from naga.checkpoint.layout import Form, Weight, describe_layer
from naga.config.model import AttentionConfig, ModelConfig

Tables = Mapping[str, tuple[Weight, ...]]

TOP = (
    Weight("embed.weight", "model.embed_tokens.weight"),
    Weight("norm.weight", "model.norm.weight"),
)
# As Bamba, Falcon-H1 and Jamba have it.
TOP_FINAL = (TOP[0], Weight("norm.weight", "model.final_layernorm.weight"))
HEAD = Weight("head.weight", "lm_head.weight")
ATTENTION = (
    Weight("norm.weight", "input_layernorm.weight"),
    Weight("mixer.q_proj.weight", "self_attn.q_proj.weight"),
    Weight("mixer.k_proj.weight", "self_attn.k_proj.weight"),
    Weight("mixer.v_proj.weight", "self_attn.v_proj.weight"),
    Weight("mixer.o_proj.weight", "self_attn.o_proj.weight"),
)
QK_NORMS = (
    Weight("mixer.q_norm.weight", "self_attn.q_norm.weight"),
    Weight("mixer.k_norm.weight", "self_attn.k_norm.weight"),
)
MLP = (
    Weight("norm.weight", "post_attention_layernorm.weight"),
    Weight("mixer.up.weight", "mlp.{half}_proj.weight", Form.HALVES),
    Weight("mixer.down.weight", "mlp.down_proj.weight"),
)
FEED_FORWARD = (
    Weight("norm.weight", "pre_ff_layernorm.weight"),
    Weight("mixer.up.weight", "feed_forward.{half}_proj.weight", Form.HALVES),
    Weight("mixer.down.weight", "feed_forward.down_proj.weight"),
)


def weights(
    config: ModelConfig, tables: Tables, top: tuple[Weight, ...] = TOP
) -> tuple[Weight, ...]:
    """Every weight, of names without a layer's prefix in `tables`, by the letter of its layer."""
    layers = (
        weight.under(f"layers.{index}.", f"model.layers.{index // 2}.")
        for index, letter in enumerate(config.layers)
        for weight in tables[letter]
    )
    return (*top, *layers, *(() if config.tie_embeddings else (HEAD,)))


def write_top(config: ModelConfig) -> dict[str, Any]:
    """The keys of a whole model that these layouts spell alike."""
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": len(config.layers) // 2,
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_std,
    }


def pattern_refusals(name: str, layers: str, mixers: str, feeds: str) -> Iterator[str]:
    """Of a pattern that is not pairs of one of `mixers` and one of `feeds`."""
    first, second = " or ".join(mixers), " or ".join(feeds)
    known = f"layers are pairs of {first}, {second}"
    for index, letter in enumerate(layers):
        if letter not in (feeds if index % 2 else mixers):
            yield f"layer {index}: {name} has no {letter} here; {known}"
    if len(layers) % 2:
        yield f"layer {len(layers) - 1}: {name} has no last layer without a {second} after it"


def scale_refusals(name: str, config: ModelConfig, attention: AttentionConfig) -> Iterator[str]:
    """Of another factor on q·k than the usual one."""
    if attention.softmax_scale != attention.head_dim**-0.5:
        yield (
            f"{describe_layer(config, '*')}: {name} has no scale ({attention.scale:g}) other than "
            "head_dim ** -0.5"
        )
