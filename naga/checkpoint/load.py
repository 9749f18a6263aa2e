"""Weights of a checkpoint folder -> tensors, or a HybridLM: safetensors only, one tensor at a time.

Every tensor is named, shaped, typed and finite as expected or nothing is returned: a missing,
unexpected, misshapen or truncated one is a single ConfigError that names file and tensor. Files are
read, not mapped: pages of a mapped one count as this process's memory until they are dropped. Runs
no code from the folder. Does not read the tokenizer, and knows no layout: config.py finds it.
Converted folders are quantised.py's.
"""

import io
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from naga.checkpoint.config import read_layout, read_quantisation
from naga.checkpoint.fields import read_json
from naga.checkpoint.layout import Part, Shape
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.model.lm import HybridLM, memory_dtype, value_dtype
from naga.runtime import Runtime

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
# Read at once by one thread.
PIECE_BYTES = 8 << 20
# Called with so many bytes more; told of so many in all, gives what to call.
Advance = Callable[[int], None]
Progress = Callable[[int], AbstractContextManager[Advance]]
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def unseen(total: int) -> AbstractContextManager[Advance]:
    """No progress shown."""
    return nullcontext(lambda _: None)


def load_model(path: Path, runtime: Runtime, progress: Progress = unseen) -> HybridLM:
    """The model of the folder `path`, in any layout, ready for inference.

    Matrices are in runtime.dtype, the rest in float32 (`memory_dtype`), nothing requires gradients.
    """
    stored = StoredModel(path)
    model = meta_model(stored.config)
    with progress(stored.num_bytes) as advance:
        tensors = stored.tensors(advance)
        held = {name: _place(name, tensor, runtime) for name, tensor in tensors}
    model.load_state_dict(held, assign=True)
    return model.requires_grad_(False).eval()


def _place(name: str, tensor: Tensor, runtime: Runtime) -> Tensor:
    values = tensor.to(value_dtype(name, runtime.dtype))
    return values.to(runtime.device, memory_dtype(name, runtime.dtype))


def meta_model(config: ModelConfig) -> HybridLM:
    """A model without memory."""
    with torch.device("meta"):
        return HybridLM(config)


def memory_shapes(model: HybridLM) -> dict[str, Shape]:
    """Names and shapes of the model's tensors in memory."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def check_tensors(config: ModelConfig, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Some of a model's tensors by their in-memory names; ConfigError for what is none of them."""
    shapes, found = memory_shapes(meta_model(config)), dict[str, Tensor]()
    for name, tensor in tensors:
        if name not in shapes:
            raise ConfigError(f"{name}: not a tensor of this model")
        if name in found:
            raise ConfigError(f"{name}: given twice")
        if tuple(tensor.shape) != shapes[name]:
            raise ConfigError(
                f"{name}: has shape {tuple(tensor.shape)}, the model's has {shapes[name]}"
            )
        if not tensor.is_floating_point() or not is_finite(tensor):
            raise ConfigError(f"{name}: not of finite floating-point numbers")
        found[name] = tensor
    return found


def is_finite(tensor: Tensor) -> bool:
    """Neither NaN nor infinity; takes no memory."""
    # Neither leaves a sum, which is many times faster than bounds of float16 (and may overflow).
    if tensor.dtype == torch.float16 and tensor.detach().sum().isfinite():
        return True
    return all(bound.isfinite() for bound in tensor.detach().aminmax())


class StoredModel:
    """A checkpoint folder that was not converted: its config, and its tensors as they are stored.

    ConfigError if a tensor is missing, or there are others.
    """

    def __init__(self, path: Path) -> None:
        layout, self.config = read_layout(path)
        if quantisation := read_quantisation(path):
            raise ConfigError(
                f"{path}: its weights are quantised ({quantisation}), for the native backend "
                "alone; name the checkpoint that it was converted from"
            )
        self._weights = {weight.name: weight for weight in layout.weights(self.config)}
        self.shapes = memory_shapes(meta_model(self.config))
        self._files = TensorFiles(path)
        for start, meaning in layout.skipped.items():
            if count := self._files.skip(start):
                logger.warning("%s: %d tensors %s* (%s) are not used", path, count, start, meaning)
        self._files.expect(part.stored for name in self._weights for part in self._parts(name))

    @property
    def num_bytes(self) -> int:
        """Of all tensors as they are stored."""
        return self._files.num_bytes

    def tensors(self, advance: Advance = lambda _: None) -> Iterator[tuple[str, Tensor]]:
        """Every tensor under its in-memory name, in the order of the layout's table.

        `advance` is called with the bytes of each that was read.
        """
        for name in self._weights:
            tensor = self.read(name)
            advance(tensor.nbytes)
            yield name, tensor

    def read(self, name: str) -> Tensor:
        """One tensor in its in-memory shape and the dtype it is stored in, in memory of its own."""
        shape, parts = self.shapes[name], self._parts(name)
        if parts[0].index is None:
            return self._files.read(parts[0]).view(shape)
        first = self._files.read(parts[0])
        tensor = torch.empty(shape, dtype=first.dtype)
        tensor[parts[0].index] = first
        for part in parts[1:]:
            tensor[part.index] = self._files.read(part)
        return tensor

    def stored_dtype(self, name: str) -> torch.dtype:
        """Of a tensor on disk; ConfigError if its parts have several."""
        dtypes = {self._files.find(x.stored, x.shape).dtype: x for x in self._parts(name)}
        if len(dtypes) > 1:
            found = ", ".join(f"{part.stored} is {dtype}" for dtype, part in dtypes.items())
            raise ConfigError(f"tensors of one weight have several dtypes: {found}")
        return DTYPES[next(iter(dtypes))]

    def _parts(self, name: str) -> list[Part]:
        return list(self._weights[name].parts(self.shapes[name]))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a tensor lies."""

    file: Path
    dtype: str
    """As safetensors spells it."""
    shape: Shape
    first: int
    """Byte of the file."""
    num_bytes: int


class TensorFiles:
    """The safetensors files of a folder; finds a tensor by its name on disk.

    As for transformers, a single file goes before an index.
    """

    def __init__(self, folder: Path) -> None:
        single, index = folder / WEIGHTS_FILE, folder / INDEX_FILE
        if single.is_file():
            self._listing = single
            self._places = _read_places(single)
        elif index.is_file():
            self._listing = index
            listed = read_index(index)
            shards = {shard: _read_places(shard) for shard in sorted({*listed.values()})}
            self._check_shards(listed, shards)
            self._places = {name: shards[shard][name] for name, shard in listed.items()}
        else:
            raise ConfigError(f"{single}: no such file, and no {INDEX_FILE}; naga reads no others")

    def skip(self, start: str) -> int:
        """Forget the tensors whose names begin so; how many there are."""
        kept = {name: x for name, x in self._places.items() if not name.startswith(start)}
        count, self._places = len(self._places) - len(kept), kept
        return count

    def expect(self, names: Iterable[str]) -> None:
        """Refuse a folder that lacks one of these tensors or has others."""
        others = dict(self._places)
        for name in names:
            if others.pop(name, None) is None:
                raise ConfigError(f"{self._listing}: tensor {name} is missing")
        if others:
            first = min(others)
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            raise ConfigError(f"{others[first].file}: tensor {first}{more} is not of this model")

    @property
    def num_bytes(self) -> int:
        """Of all tensors."""
        return sum(place.num_bytes for place in self._places.values())

    def find(self, name: str, shape: Shape, dtypes: Iterable[str] = DTYPES) -> Place:
        """Where a tensor lies; ConfigError if it has another shape or dtype."""
        place = self._places[name]
        if place.shape != shape:
            raise ConfigError(
                f"{place.file}: tensor {name} has shape {place.shape}, the config says {shape}"
            )
        if place.dtype not in dtypes:
            known = ", ".join(dtypes)
            raise ConfigError(f"{place.file}: tensor {name} is {place.dtype}; naga reads {known}")
        return place

    def read(self, part: Part) -> Tensor:
        """The tensor as it is stored, in memory of its own; ConfigError for NaN and infinity."""
        place = self.find(part.stored, part.shape)
        tensor = torch.empty(part.shape, dtype=DTYPES[place.dtype])
        self.read_into(place, part.stored, tensor)
        if not is_finite(tensor):
            raise ConfigError(
                f"{place.file}: tensor {part.stored} has NaN or infinity; fetch or make it again"
            )
        return tensor

    def read_into(self, place: Place, name: str, tensor: Tensor) -> None:
        """The bytes at `place` into the contiguous memory of `tensor`, as many as it has.

        In pieces on several threads: a file that the system holds already is copied faster so.
        """
        target = tensor.view(-1).view(torch.uint8).numpy().data
        firsts = range(0, len(target), PIECE_BYTES)
        with place.file.open("rb", buffering=0) as file:

            def read(first: int) -> bool:
                return _read_piece(file, place.first + first, target[first : first + PIECE_BYTES])

            # Most tensors are one piece: no threads for those.
            with ThreadPoolExecutor(torch.get_num_threads()) as pool:
                found = (map if len(firsts) < 2 else pool.map)(read, firsts)
                if not all(found):
                    raise ConfigError(f"{place.file}: ends within tensor {name}")

    def _check_shards(self, listed: dict[str, Path], shards: dict[Path, dict[str, Place]]) -> None:
        for shard, held in shards.items():
            expected = {name for name, place in listed.items() if place == shard}
            if held.keys() != expected:
                name = min(held.keys() ^ expected)
                fault = "lists it there" if name in expected else "does not list it"
                raise ConfigError(f"{shard}: tensor {name}: {self._listing.name} {fault}")


def _read_piece(file: io.FileIO, first: int, target: memoryview) -> bool:
    """False if the file ends before `target` is full."""
    while target:
        count = os.preadv(file.fileno(), [target], first)
        if not count:
            return False
        first, target = first + count, target[count:]
    return True


def _read_places(file: Path) -> dict[str, Place]:
    """Every tensor of a file."""
    if not file.is_file():
        raise ConfigError(f"{file}: no such file, but {INDEX_FILE} lists it")
    try:
        # Checks the header against the file's size; gives no offsets, so the header is read again.
        with safe_open(file, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{file}: not a complete safetensors file: {error}") from None
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    places = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            places[name] = Place(
                file=file,
                dtype=entry["dtype"],
                shape=tuple(entry["shape"]),
                first=8 + length + first,
                num_bytes=last - first,
            )
    return places


def read_index(index: Path) -> dict[str, Path]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ConfigError(f"{index}: has no weight_map from tensors to files")
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise ConfigError(f"{index}: tensor {name} is in {file!r}, which is no file name")
    return {name: index.parent / file for name, file in places.items()}
