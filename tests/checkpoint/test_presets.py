"""recipes/models: each preset parses, and its structure adds up to what its makers publish."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from naga.checkpoint.config import choose_layout, layout_for
from naga.checkpoint.load import memory_shapes, meta_model
from naga.config.load import load_config
from naga.config.model import ModelConfig
from naga.model.account import account

FOLDER = Path(__file__).parents[2] / "recipes" / "models"
# Total parameters, how far off they may be, and where they are published.
PUBLISHED = {
    "turbos-560b": (560e9, 0.02 * 560e9, "arXiv 2505.15431, section 2"),
    "nemotron-3-nano": (31.6e9, 0.005 * 31.6e9, "Nemotron 3 Nano technical report: 31.6B"),
    "nemotron-h-56b": (56e9, 0.5e9, "arXiv 2504.03624: 56B, no further digit"),
    "granite-4.0-h-350m": (340e6, 0.005 * 340e6, "Granite 4.0 Nano model card: 340M"),
    "granite-4.0-h-1b": (1.5e9, 0.05e9, "Granite 4.0 Nano model card: 1.5B, no further digit"),
    "granite-4.0-h-tiny": (7e9, 0.5e9, "Granite 4.0 model card: 7B, no further digit"),
    "jamba-mini": (52e9, 0.5e9, "arXiv 2408.12570: 52B, 12B of them active"),
    "jamba-large": (398e9, 0.8e9, "arXiv 2408.12570: 398B, 94B of them active"),
    "mamba-130m": (130e6, 1e6, "arXiv 2312.00752: 130M, no further digit"),
    "dense-350m": (352e6, 1e6, "no one's: near granite-4.0-h-350m's size, to measure beside it"),
}
# arXiv 2507.22448, to three digits; layers, each attention beside Mamba-2 and an MLP.
FALCON = {
    "falcon-h1-0.5b": (0.52e9, 36),
    "falcon-h1-1.5b": (1.55e9, 24),
    "falcon-h1-1.5b-deep": (1.55e9, 66),
    "falcon-h1-3b": (3.15e9, 32),
    "falcon-h1-7b": (7.59e9, 44),
    "falcon-h1-34b": (33.6e9, 72),
}
PUBLISHED |= {
    name: (total, 0.005 * total, "Falcon-H1 report") for name, (total, _) in FALCON.items()
}
LAYERS = {
    "turbos-560b": (57, 7, 0, 64),
    "nemotron-3-nano": (23, 6, 0, 23),
    "nemotron-h-56b": (54, 10, 54, 0),
    "granite-4.0-h-350m": (28, 4, 32, 0),
    "granite-4.0-h-1b": (36, 4, 40, 0),
    "granite-4.0-h-tiny": (36, 4, 0, 40),
    "dense-350m": (0, 28, 28, 0),
    "jamba-mini": (0, 4, 16, 16),
    "jamba-large": (0, 9, 36, 36),
    "mamba-130m": (0, 0, 0, 0),
}
LAYERS |= {name: (0, 0, count, 0) for name, (_, count) in FALCON.items()}
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def preset(name: str) -> ModelConfig:
    return load_config(ModelConfig, FOLDER / f"{name}.toml")


def num_parameters(config: ModelConfig) -> int:
    return sum(torch.Size(shape).numel() for shape in memory_shapes(meta_model(config)).values())


def test_every_preset_has_a_published_total() -> None:
    assert sorted(PUBLISHED) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_total_is_the_published_one(name: str) -> None:
    total, tolerance, _ = PUBLISHED[name]
    found = num_parameters(preset(name))
    assert found == account(preset(name)).parameters
    assert abs(found - total) <= tolerance


@pytest.mark.parametrize("name", NAMES)
def test_the_layers_are_the_published_ones(name: str) -> None:
    config = preset(name)
    assert tuple(config.count(letter) for letter in "M*-E") == LAYERS[name]
    # All others are Mamba-1, or parallel heads of a Falcon (below).
    others = config.count("S") + config.count("H")
    assert others == len(config.layers) - sum(LAYERS[name])
    rotated = config.attention is not None and config.attention.rope is not None
    seen = config.layers[0] in "MS" or rotated
    assert seen, "a leading attention layer without positions sees no order"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "turbos-560b"])
def test_transformers_counts_the_same(name: str) -> None:
    config = preset(name)
    written = layout_for(config, None).write(config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**written))
    buffers = sum(tensor.numel() for key, tensor in model.named_buffers() if key.endswith("bias"))
    assert sum(t.numel() for t in model.parameters()) + buffers == num_parameters(config)


@pytest.mark.parametrize("name", FALCON)
def test_falcon_has_attention_beside_mamba_everywhere(name: str) -> None:
    config = preset(name)
    assert config.layers == "H-" * FALCON[name][1]
    assert choose_layout(config) == "falcon_h1"


def test_turbos_is_as_active_as_published() -> None:
    """56B of 560B; QK-norm leaves it to the naga layout."""
    config = preset("turbos-560b")
    assert abs(account(config).active_parameters - 56e9) <= 0.02 * 56e9
    assert choose_layout(config) == "naga"


def test_jamba_is_as_active_as_published() -> None:
    """94B of 398B, 12B of 52B: the embedding, a look-up of one row, counts as active there."""
    for name, active in (("jamba-large", 94e9), ("jamba-mini", 12e9)):
        config = preset(name)
        table = config.vocab_size * config.hidden_dim
        assert abs(account(config).active_parameters + table - active) <= 0.02 * active
