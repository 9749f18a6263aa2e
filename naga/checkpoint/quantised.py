"""A converted checkpoint folder -> its packed weights, mapped; the other half of convert.py.

Packed matrices are views of the mapped files, bytes as the kernels want them where they lie:
nothing is read before it is used, and processes share it. What is small is read. The files must not
change while they are mapped; a folder that is replaced, as convert and save do it, leaves them.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from naga.checkpoint.config import read_model_config, read_quantisation
from naga.checkpoint.layout import Part, Shape
from naga.checkpoint.load import TensorFiles, memory_shapes, meta_model
from naga.checkpoint.stream import LINE
from naga.config.base import ConfigError
from naga.config.quantisation import Quantisation
from naga.model.lm import is_matrix, is_table
from naga.model.native import packed_shape


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
        self._mapped: dict[Path, Tensor] = {}

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor under its in-memory name: uint8 (bytes,) or (E, bytes), or float32."""
        for name, shape in self._shapes.items():
            packed = is_packed(name)
            yield name, self._map(name, shape) if packed else self._read(name, shape)

    def _map(self, name: str, shape: Shape) -> Tensor:
        place = self._files.find(name, shape, ("U8",))
        if place.first % LINE:
            raise ConfigError(
                f"{place.file}: tensor {name} begins at byte {place.first}, no multiple of {LINE}"
            )
        if place.file not in self._mapped:
            # Private: nobody writes there, but who did would not write into the file.
            size = place.file.stat().st_size
            whole = torch.from_file(str(place.file), shared=False, size=size, dtype=torch.uint8)
            self._mapped[place.file] = whole
        whole = self._mapped[place.file]
        return whole[place.first : place.first + place.num_bytes].view(shape)

    def _read(self, name: str, shape: Shape) -> Tensor:
        self._files.find(name, shape, ("F32",))
        return self._files.read(Part(stored=name, shape=shape, index=None))


def is_packed(name: str) -> bool:
    """Whether a converted checkpoint holds the named tensor packed."""
    return is_matrix(name) or is_table(name)


def packed_shapes(shapes: dict[str, Shape], quantisation: Quantisation) -> dict[str, Shape]:
    """In-memory names and shapes -> those in a converted checkpoint."""
    return {
        name: packed_shape(name, shape, quantisation) if is_packed(name) else shape
        for name, shape in shapes.items()
    }
