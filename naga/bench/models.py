"""Checkpoints with random weights in real shapes: as fast as trained ones, and made in a minute.

Every tensor comes from the seed and its own name, with the values of model/init.py (A in 1 .. 16,
dt_bias for dt in 1e-3 .. 1e-1). Tensors are made when their file is written: memory holds one file
of about FILE_BYTES. The tokenizer reads bytes and control tokens alone; what the model says is
noise, and its routers choose experts more evenly than trained ones may.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from naga.checkpoint.config import CONFIG_FILE
from naga.checkpoint.load import memory_shapes, meta_model
from naga.checkpoint.save import save_made
from naga.config.base import ConfigError
from naga.config.load import load_config
from naga.config.model import ModelConfig
from naga.data.tokenizer import CONTROL, TOOL_CONTROL, Tokenizer, train_tokenizer
from naga.model.init import initial_value

PRESETS = Path(__file__).parents[2] / "recipes" / "models"
FILE_BYTES = 1_000_000_000


def preset_names() -> tuple[str, ...]:
    """The models of recipes/models; none where naga is installed without its sources."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def preset_file(name: str) -> Path:
    """The TOML file of a preset; ConfigError names those there are."""
    if name not in preset_names():
        known = ", ".join(preset_names()) or f"none here ({PRESETS}: no such folder)"
        raise ConfigError(f"model {name!r}: unknown; use a .toml file or one of: {known}")
    return PRESETS / f"{name}.toml"


def presets() -> dict[str, ModelConfig]:
    return {name: load_config(ModelConfig, preset_file(name)) for name in preset_names()}


def make_model(
    config: ModelConfig,
    out: Path,
    *,
    seed: int,
    dtype: torch.dtype,
    made: Callable[[], None] = lambda: None,
) -> None:
    """Write the checkpoint folder `out`; the same seed gives the same bytes for one torch version.

    `made` is called after each of the `count_tensors(config)` tensors, for a progress bar.
    ConfigError as of save_model, and for a folder that has a checkpoint: it may be a trained one.
    """
    if (out / CONFIG_FILE).exists():
        raise ConfigError(
            f"{out}: has a checkpoint, which random weights would replace; give a new folder"
        )
    shapes = memory_shapes(meta_model(config))

    # The last one is kept: a layout may store each expert by itself.
    @lru_cache(maxsize=1)
    def make(name: str) -> Tensor:
        tensor = initial_value(name, shapes[name], config, generator_of(seed, name))
        made()
        return tensor

    tokenizer = byte_tokenizer().filled(config.vocab_size)
    save_made(out, config, make, dtype=dtype, tokenizer=tokenizer, shard_bytes=FILE_BYTES)


def count_tensors(config: ModelConfig) -> int:
    return len(memory_shapes(meta_model(config)))


def generator_of(seed: int, name: str) -> torch.Generator:
    """Of one tensor: what others are made, and in which order, changes nothing."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


def byte_tokenizer() -> Tokenizer:
    """A token for every byte and the control tokens, so that the folder serves and chats."""
    # One letter has no pair to merge.
    return train_tokenizer(["a"], len(CONTROL + TOOL_CONTROL) + 256)
