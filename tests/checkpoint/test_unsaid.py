"""Whatever is changed in a config, a layout writes it or refuses it by name; nothing is dropped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from checkpoint import tiny
from naga.checkpoint.config import LAYOUTS, read_model_config
from naga.checkpoint.fields import to_json
from naga.checkpoint.layout import Layout
from naga.config.base import Config
from naga.config.model import Llama3Config, ModelConfig, RopeConfig

# Of training; layouts that have no key for it lose it.
TRAINING = ("balance_loss", "bias_update")
OTHERS = {
    "rope": (None, RopeConfig(theta=77.0), RopeConfig(rotary_dim=4)),
    "llama3": (
        Llama3Config(factor=2, low_freq_factor=1, high_freq_factor=2, original_positions=9),
    ),
    "dt_limit": ((0.01, 0.5),),
    "multipliers": ((1.0, 1.0, 1.0, 1.0, 2.0),),
    "pattern": (),
}
SECTIONS = ("attention", "mamba", "mlp", "moe", "mamba1", "parallel")


def changes_of(config: Config) -> Iterator[dict[str, Any]]:
    """Copies of a config as plain data, each with one field at another value."""
    plain = config.model_dump()
    for key, field in type(config).model_fields.items():
        value = getattr(config, key)
        if key in OTHERS:
            for other in OTHERS[key]:
                yield plain | {key: other.model_dump() if isinstance(other, Config) else other}
        elif isinstance(value, Config):
            for inner in changes_of(value):
                yield plain | {key: inner}
        elif isinstance(value, bool):
            yield plain | {key: not value}
        elif get_origin(field.annotation) is Literal:
            for choice in get_args(field.annotation):
                yield plain | {key: choice}
        elif isinstance(value, int | float):
            yield plain | {key: 2 * value or 1}
            yield plain | {key: value + 1}
        elif value is None and key not in SECTIONS:
            yield plain | {key: 8}
            yield plain | {key: 0.5}


def changed(config: ModelConfig) -> Iterator[ModelConfig]:
    for data in changes_of(config):
        try:
            yield ModelConfig.model_validate(data)
        except ValidationError:
            continue


def said_again(layout: Layout, config: ModelConfig, folder: Path) -> ModelConfig:
    (folder / "config.json").write_text(to_json(layout.write(config)))
    return read_model_config(folder)


def comparable(config: ModelConfig) -> dict[str, Any]:
    """Without what may be spelled in several ways, and settings of training."""
    data = config.model_dump() | {"pattern": config.layers}
    for section in ("attention", "moe"):
        data[section] = dict(data[section] or {})
    for key in TRAINING:
        data["moe"].pop(key, None)
    if config.attention is not None:
        data["attention"]["scale"] = config.attention.softmax_scale
        if (rope := config.attention.rope) is not None and rope.ntk_alpha != 1:
            dim = config.attention.rotary_dim
            folded = rope.theta * rope.ntk_alpha ** (dim / (dim - 2))
            data["attention"]["rope"] |= {"theta": folded, "ntk_alpha": 1.0}
        if data["attention"]["rope"] is not None:
            data["attention"]["rope"]["rotary_dim"] = config.attention.rotary_dim
    return data


@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.model_type for layout in LAYOUTS])
def test_a_change_is_written_or_refused(layout: Layout, tmp_path: Path) -> None:
    written = refused = 0
    for config in tiny.EVERY.values():
        if next(layout.refusals(config), None) is not None:
            continue
        for other in changed(config):
            if next(layout.refusals(other), None) is not None:
                refused += 1
                continue
            again = said_again(layout, other, tmp_path)
            naga = layout.model_type == "naga"
            assert again == other if naga else comparable(again) == comparable(other)
            written += 1
    assert written > 10 and (refused > 3 or layout.model_type == "naga")
