"""A converted checkpoint folder -> the plan's memory; the other half of convert.py.

Packed matrices are read as they are into the memory that the kernels read them from. It is theirs
and not the file system's: mapped files lie on small pages, which halve the speed of memory
(docs/log.md).
"""

from pathlib import Path

from naga.checkpoint.config import read_model_config, read_quantisation
from naga.checkpoint.layout import Part, Shape
from naga.checkpoint.load import TensorFiles, memory_shapes, meta_model
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

    def load_into(self, model: NativeModel) -> None:
        """Every tensor: packed bytes as they are, and vectors in float32."""
        for name, shape in self._shapes.items():
            if is_packed(name):
                place = self._files.find(name, shape, ("U8",))
                self._files.read_into(place, name, model.memory(name))
            else:
                self._files.find(name, shape, ("F32",))
                part = Part(stored=name, shape=shape, index=None)
                model.load([(name, self._files.read(part))])


def is_packed(name: str) -> bool:
    """Whether a converted checkpoint holds the named tensor packed."""
    return is_matrix(name) or is_table(name)


def packed_shapes(shapes: dict[str, Shape], quantisation: Quantisation) -> dict[str, Shape]:
    """In-memory names and shapes -> those in a converted checkpoint."""
    return {
        name: packed_shape(name, shape, quantisation) if is_packed(name) else shape
        for name, shape in shapes.items()
    }
