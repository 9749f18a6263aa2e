"""Weights of a checkpoint folder -> HybridLM: safetensors only, memory-mapped, tensor by tensor.

Every tensor is named, shaped and typed as expected or nothing is returned: a missing, unexpected,
misshapen or truncated one is a single ConfigError that names file and tensor. Runs no code from the
folder. Does not read the tokenizer, and knows no layout: config.py finds it.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from naga.checkpoint.config import read_layout
from naga.checkpoint.fields import read_json
from naga.checkpoint.layout import Part, Shape, Weight
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.model.lm import HybridLM, memory_dtype, value_dtype
from naga.runtime import Runtime

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
STORED_DTYPES = ("F32", "BF16", "F16")


def load_model(path: Path, runtime: Runtime) -> HybridLM:
    """The model of the folder `path`, in any layout, ready for inference.

    Matrices are in runtime.dtype, the rest in float32 (`memory_dtype`), nothing requires gradients.
    """
    layout, config = read_layout(path)
    weights, model = layout.weights(config), meta_model(config)
    shapes, files = memory_shapes(model), TensorFiles(path)
    files.expect(part.stored for weight in weights for part in weight.parts(shapes[weight.name]))
    model.load_state_dict(dict(read_tensors(files, weights, shapes, runtime)), assign=True)
    return model.requires_grad_(False).eval()


def meta_model(config: ModelConfig) -> HybridLM:
    """A model without memory."""
    with torch.device("meta"):
        return HybridLM(config)


def memory_shapes(model: HybridLM) -> dict[str, Shape]:
    """Names and shapes of the model's tensors in memory."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def read_tensors(
    files: "TensorFiles",
    weights: Iterable[Weight],
    shapes: Mapping[str, Shape],
    runtime: Runtime,
) -> Iterator[tuple[str, Tensor]]:
    """Each weight under its in-memory name, in the order of the table."""
    for weight in weights:
        shape = shapes[weight.name]
        # Fresh memory, not a view of the mapped file: aligned, and safe from whoever writes there.
        dtype = memory_dtype(weight.name, runtime.dtype)
        tensor = torch.empty(shape, dtype=dtype, device=runtime.device)
        for part in weight.parts(shape):
            target = tensor if part.index is None else tensor[part.index]
            stored = files.read(part).view(target.shape)
            target.copy_(stored.to(value_dtype(weight.name, runtime.dtype)))
        yield weight.name, tensor


class TensorFiles:
    """The safetensors files of a folder, mapped; finds a tensor by its name on disk.

    As for transformers, a single file goes before an index.
    """

    def __init__(self, folder: Path) -> None:
        single, index = folder / WEIGHTS_FILE, folder / INDEX_FILE
        if single.is_file():
            self._listing = single
            mapped = _open(single)
            self._places = dict.fromkeys(mapped.keys(), single)
            self._mapped = {single: mapped}
        elif index.is_file():
            self._listing = index
            self._places = _read_index(index)
            self._mapped = {shard: _open(shard) for shard in sorted({*self._places.values()})}
            self._check_shards()
        else:
            raise ConfigError(f"{single}: no such file, and no {INDEX_FILE}; naga reads no others")

    def expect(self, names: Iterable[str]) -> None:
        """Refuse a folder that lacks one of these tensors or has others."""
        others = dict(self._places)
        for name in names:
            if others.pop(name, None) is None:
                raise ConfigError(f"{self._listing}: tensor {name} is missing")
        if others:
            first = min(others)
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            raise ConfigError(f"{others[first]}: tensor {first}{more} is not of this model")

    def read(self, part: Part) -> Tensor:
        """The tensor, mapped: it is only good as the source of a copy."""
        place = self._places[part.stored]
        view = self._mapped[place].get_slice(part.stored)
        shape, dtype = tuple(view.get_shape()), view.get_dtype()
        if shape != part.shape:
            raise ConfigError(
                f"{place}: tensor {part.stored} has shape {shape}, the config says {part.shape}"
            )
        if dtype not in STORED_DTYPES:
            raise ConfigError(
                f"{place}: tensor {part.stored} is {dtype}; naga reads {', '.join(STORED_DTYPES)}"
            )
        tensor: Tensor = self._mapped[place].get_tensor(part.stored)
        return tensor

    def _check_shards(self) -> None:
        for shard, mapped in self._mapped.items():
            held = set(mapped.keys())
            listed = {name for name, place in self._places.items() if place == shard}
            if held != listed:
                name = min(held ^ listed)
                fault = "lists it there" if name in listed else "does not list it"
                raise ConfigError(f"{shard}: tensor {name}: {self._listing.name} {fault}")


def _open(file: Path) -> Any:
    if not file.is_file():
        raise ConfigError(f"{file}: no such file, but {INDEX_FILE} lists it")
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{file}: not a complete safetensors file: {error}") from None


def _read_index(index: Path) -> dict[str, Path]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ConfigError(f"{index}: has no weight_map from tensors to files")
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise ConfigError(f"{index}: tensor {name} is in {file!r}, which is no file name")
    return {name: index.parent / file for name, file in places.items()}
