"""config.json of a checkpoint folder -> ModelConfig, whatever the layout. Imports no torch."""

from pathlib import Path
from typing import Literal

from naga.checkpoint import (
    bamba,
    falcon_h1,
    granitemoehybrid,
    jamba,
    llama,
    mamba,
    mamba2,
    nemotron_h,
    qwen3,
    qwen3_moe,
)
from naga.checkpoint import naga as naga_layout
from naga.checkpoint.fields import Fields, read_json
from naga.checkpoint.layout import Layout
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation
from naga.model.account import account

CONFIG_FILE = "config.json"
# Beyond this torch cannot even name the shapes.
MAX_PARAMETERS = 10**15

# In order of preference: what more programs open comes first.
LAYOUTS = (
    llama.LAYOUT,
    granitemoehybrid.LAYOUT,
    mamba2.LAYOUT,
    nemotron_h.LAYOUT,
    bamba.LAYOUT,
    qwen3.LAYOUT,
    qwen3_moe.LAYOUT,
    jamba.LAYOUT,
    mamba.LAYOUT,
    falcon_h1.LAYOUT,
    naga_layout.LAYOUT,
)


def read_model_config(path: Path) -> ModelConfig:
    """Config of the checkpoint folder `path`; ConfigError names the file, the key and the fault."""
    return read_layout(path)[1]


def read_layout(path: Path) -> tuple[Layout, ModelConfig]:
    """The layout a checkpoint folder is in, and its config."""
    file = _config_file(path)
    data = read_json(file)
    known = {layout.model_type: layout for layout in LAYOUTS}
    name = data.get("model_type")
    if not isinstance(name, str) or name not in known:
        remote = (
            ", code of its own repository, which naga does not run" if "auto_map" in data else ""
        )
        raise ConfigError(
            f"{file}: model_type is {name!r:.60}{remote}; naga reads {', '.join(known)}"
        )
    config = known[name].read(Fields(data, str(file)))
    if account(config).parameters > MAX_PARAMETERS:
        raise ConfigError(f"{file}: describes more than {MAX_PARAMETERS:.0e} parameters")
    return known[name], config


def read_quantisation(path: Path) -> Quantisation | None:
    """What the weights of a converted checkpoint folder are held in; None for any other folder."""
    file = _config_file(path)
    record = read_json(file).get(naga_layout.RECORD)
    if record is None:
        return None
    if not isinstance(record, dict):
        raise ConfigError(f"{file}: {naga_layout.RECORD} must be an object, not {record!r:.40}")
    return parse_config(Quantisation, record, f"{file}: {naga_layout.RECORD}")


def read_dtype(path: Path) -> Literal["float32", "bfloat16"]:
    """What a checkpoint folder is meant to be computed in: bfloat16 if it says so, else float32."""
    data = read_json(_config_file(path))
    return "bfloat16" if (data.get("dtype") or data.get("torch_dtype")) == "bfloat16" else "float32"


def choose_layout(config: ModelConfig) -> str:
    """The first layout that can express `config`; naga can express any."""
    return next(x.model_type for x in LAYOUTS if next(x.refusals(config), None) is None)


def layout_for(config: ModelConfig, name: str | None) -> Layout:
    """The named layout (None: the chosen one); ConfigError names what it cannot express."""
    known = {layout.model_type: layout for layout in LAYOUTS}
    layout = known.get(choose_layout(config) if name is None else name)
    if layout is None:
        raise ConfigError(f"layout {name!r}: unknown; use {', '.join(known)}")
    problem = next(layout.refusals(config), None)
    if problem is not None:
        raise ConfigError(f"{problem}; use layout {choose_layout(config)!r}")
    return layout


def _config_file(path: Path) -> Path:
    if not path.is_dir():
        fault = "is a file" if path.exists() else "no such folder"
        kept = path.with_name(f".{path.name}.previous")
        hint = f"an interrupted save left the former one in {kept}: rename it back"
        raise ConfigError(
            f"{path}: {fault}; give a checkpoint folder" + (f"; {hint}" if kept.is_dir() else "")
        )
    file = path / CONFIG_FILE
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; a checkpoint folder has one")
    return file
