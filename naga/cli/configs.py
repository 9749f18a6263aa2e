"""`naga config check`, and how a verb finds the config that a name or a path means.

Loads no weights; torch is imported for checkpoint folders and presets only.
"""

from pathlib import Path
from typing import Annotated

import typer

from naga.cli.options import Overrides
from naga.config.base import Config, ConfigError
from naga.config.consistency import ConsistencyConfig
from naga.config.distill import DistillConfig
from naga.config.load import apply_override, load_config, read_toml
from naga.config.model import ModelConfig
from naga.config.rl import RlConfig
from naga.config.train import PretrainConfig, SftConfig


def check(file: Annotated[Path, typer.Argument()], overrides: Overrides = None) -> None:
    """Check a recipe or model config; the kind is told from its keys. 检查配置文件."""
    kind = kind_of(file, overrides or [])
    load_config(kind, file, overrides or ())
    print(f"{file}: valid {kind.__name__} 有效")


def kind_of(file: Path, overrides: list[str]) -> type[Config]:
    """Which record a TOML file is meant to be, by the keys only one kind has."""
    data = read_toml(file)
    for override in overrides:
        apply_override(data, override)
    kinds: tuple[tuple[str, type[Config]], ...] = (
        ("pattern", ModelConfig),
        ("rollout", RlConfig),
        ("questions", DistillConfig),
        ("thresholds", ConsistencyConfig),
        ("init_from", SftConfig),
        ("data", PretrainConfig),
    )
    for key, kind in kinds:
        if key in data:
            return kind
    raise ConfigError(
        f"{file}: neither a model (no pattern) nor a recipe (no [data]); see recipes/"
    )


def model_config(source: Path) -> ModelConfig:
    """Of a checkpoint folder or repository, a model's .toml, or the recipe that trains it."""
    if source.suffix != ".toml":
        from naga.checkpoint.config import read_model_config
        from naga.checkpoint.hub import find_model

        return read_model_config(find_model(source, weights=False))
    config = load_config(kind_of(source, []), source)
    if isinstance(config, PretrainConfig):
        return config.model
    if not isinstance(config, ModelConfig):
        raise ConfigError(f"{source}: describes no model; inspect the checkpoint in its init_from")
    return config


def named_config(name: str) -> ModelConfig:
    """A preset's, or what model_config finds."""
    from naga.bench.models import preset_file

    path = Path(name)
    is_path = path.suffix == ".toml" or path.is_dir() or "/" in name
    return model_config(path if is_path else preset_file(name))
