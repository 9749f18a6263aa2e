"""Rotary embedding in a config.json, old spelling and new: read, written, refused.

Old: rope_theta, rope_scaling, partial_rotary_factor beside each other. New (transformers 5):
rope_parameters with all of them in it. Of the kinds of scaling naga implements llama3; NTK-aware
scaling is a larger base and nothing else, so it is written as one. Written in the old spelling,
which every program reads. Imports no torch.
"""

from collections.abc import Iterator
from typing import Any

from naga.checkpoint.fields import Fields
from naga.checkpoint.layout import describe_layer
from naga.config.model import AttentionConfig, ModelConfig, RopeConfig


def read_rope(
    fields: Fields,
    head_dim: int,
    max_positions: int,
    share: float = 1.0,
    theta: float | None = 10_000.0,
) -> dict[str, Any]:
    """What RopeConfig is made of; `share` of each head rotates, as the family has it.

    theta: where the file says none; None means that it must.
    """
    for key in ("rope_parameters", "rope_scaling"):
        fields.lift(key)
    fields.alias("type", "rope_type")
    fields.demand("partial_rotary_factor", share)
    kind = fields.text("rope_type", "default")
    if kind not in ("default", "llama3"):
        fields.fail(f"rope_type = {kind!r} is not supported; only default and llama3 are")
    rope: dict[str, Any] = {"theta": fields.number("rope_theta", theta)}
    if share != 1.0:
        rope["rotary_dim"] = int(head_dim * share)
    if kind == "llama3":
        rope["llama3"] = {
            "factor": fields.number("factor"),
            "low_freq_factor": fields.number("low_freq_factor"),
            "high_freq_factor": fields.number("high_freq_factor"),
            "original_positions": fields.integer("original_max_position_embeddings", max_positions),
        }
    return rope


def write_rope(rope: RopeConfig, rotary_dim: int) -> dict[str, Any]:
    theta = rope.base(rotary_dim)
    if rope.llama3 is None:
        return {"rope_theta": theta}
    scaling = {
        "rope_type": "llama3",
        "factor": rope.llama3.factor,
        "low_freq_factor": rope.llama3.low_freq_factor,
        "high_freq_factor": rope.llama3.high_freq_factor,
        "original_max_position_embeddings": rope.llama3.original_positions,
    }
    return {"rope_theta": theta, "rope_scaling": scaling}


def rope_refusals(
    name: str, config: ModelConfig, attention: AttentionConfig, share: float = 1.0
) -> Iterator[str]:
    """Of a layout whose attention always rotates, `share` of each head."""
    layer = describe_layer(config, "*")
    if attention.rope is None:
        yield f"{layer}: {name} has no attention without rope"
    elif attention.rotary_dim != int(attention.head_dim * share):
        yield (
            f"{layer}: {name} has no rope of {attention.rotary_dim} of {attention.head_dim} dims, "
            f"but of {share:g} of them"
        )
