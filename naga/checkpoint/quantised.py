"""A converted checkpoint folder -> a native model; the other half of convert.py.

Packed matrices are mapped and lent to the model as they are, so that the first token comes without
reading a whole file. Mapped files lie on small pages, which halve the speed of memory
(docs/log.md): the model copies them when there is time, and what was copied is dropped here.
"""

from mmap import ACCESS_COPY, MADV_DONTNEED, PAGESIZE, mmap
from pathlib import Path

import torch

from naga.checkpoint.config import read_model_config, read_quantisation
from naga.checkpoint.layout import Part, Shape
from naga.checkpoint.load import Place, TensorFiles, memory_shapes, meta_model
from naga.config.base import ConfigError
from naga.config.quantisation import Quantisation
from naga.model.lm import is_matrix, is_table
from naga.model.native import NativeModel, packed_shape


class PackedModel:
    """ConfigError if the folder is not converted, or not of this model's tensors."""

    def __init__(self, path: Path) -> None:
        self.config = read_model_config(path)
        quantisation = read_quantisation(path)
        if quantisation is None:
            raise ConfigError(
                f"{path}: its weights are not quantised; naga convert makes such ones"
            )
        self.quantisation = quantisation
        self._shapes = packed_shapes(memory_shapes(meta_model(self.config)), quantisation)
        self._files = TensorFiles(path)
        self._files.expect(self._shapes)

    def lend(self, model: NativeModel) -> None:
        """Every tensor: packed bytes where they lie, and copies of vectors in float32."""
        mapped: dict[Path, mmap] = {}
        for name, shape in self._shapes.items():
            if is_packed(name):
                place = self._files.find(name, shape, ("U8",))
                if place.file not in mapped:
                    mapped[place.file] = _map(place.file)
                _lend(model, name, mapped[place.file], place)
            else:
                self._files.find(name, shape, ("F32",))
                part = Part(stored=name, shape=shape, index=None)
                model.load([(name, self._files.read(part))])


def _map(file: Path) -> mmap:
    with file.open("rb") as stream:
        # Nobody writes there; who did would not write into the file.
        return mmap(stream.fileno(), 0, access=ACCESS_COPY)


def _lend(model: NativeModel, name: str, mapped: mmap, place: Place) -> None:
    packed = torch.frombuffer(
        mapped, dtype=torch.uint8, count=place.num_bytes, offset=place.first
    ).view(place.shape)
    # Whole pages within.
    first = -(-place.first // PAGESIZE) * PAGESIZE
    count = (place.first + place.num_bytes) // PAGESIZE * PAGESIZE - first

    def drop() -> None:
        if count > 0:
            mapped.madvise(MADV_DONTNEED, first, count)

    model.borrow(name, packed, drop)


def is_packed(name: str) -> bool:
    """Whether a converted checkpoint holds the named tensor packed."""
    return is_matrix(name) or is_table(name)


def packed_shapes(shapes: dict[str, Shape], quantisation: Quantisation) -> dict[str, Shape]:
    """In-memory names and shapes -> those in a converted checkpoint."""
    return {
        name: packed_shape(name, shape, quantisation) if is_packed(name) else shape
        for name, shape in shapes.items()
    }
