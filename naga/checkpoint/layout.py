"""The records a layout is made of: a config map, and one table of weights used in both directions.

A weight has a name and a shape in memory and one or more tensors on disk; `Form` says how the two
relate. Holds no tensors and imports no torch: load.py and save.py do the copying.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from naga.checkpoint.fields import Fields
from naga.config.model import ModelConfig

Shape = tuple[int, ...]

KINDS = {
    "M": "Mamba-2",
    "*": "attention",
    "-": "MLP",
    "E": "mixture of experts",
    "S": "Mamba-1",
    "H": "parallel attention and Mamba-2",
}


class Form(Enum):
    SAME = "one tensor of the same shape"
    CHANNELS = "(C, W) in memory, one tensor (C, 1, W) on disk"
    EXPERTS = "(E, ...) in memory, one tensor (...) per expert on disk"
    HALVES = "(2I, D) in memory, gate (I, D) and up (I, D) on disk"
    EXPERT_HALVES = "(E, 2I, D) in memory, gate (I, D) and up (I, D) per expert on disk"


# The rows of a gated `up` in memory, in order, as most layouts name them on disk.
HALVES = ("gate", "up")
# A part's place in the weight, as torch indexes.
Index = int | slice | tuple[int, slice] | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One tensor on disk: all of a weight, or what `index` takes of it."""

    stored: str
    shape: Shape
    index: Index


@dataclass(frozen=True)
class Weight:
    """A row of the table; `stored` has {expert} or {half} in it where it is one of several."""

    name: str
    stored: str
    form: Form = Form.SAME

    def under(self, prefix: str, stored_prefix: str) -> "Weight":
        return Weight(prefix + self.name, stored_prefix + self.stored, self.form)

    def parts(self, shape: Shape) -> Iterator[Part]:
        """What a weight of this shape in memory is on disk."""
        if self.form is Form.EXPERTS:
            for expert in range(shape[0]):
                stored = self.stored.format(expert=expert)
                yield Part(stored=stored, shape=shape[1:], index=expert)
        elif self.form is Form.CHANNELS:
            yield Part(stored=self.stored, shape=(shape[0], 1, *shape[1:]), index=None)
        elif self.form is Form.HALVES:
            for half, rows in _halves(shape[0]):
                stored = self.stored.format(half=half)
                yield Part(stored=stored, shape=(shape[0] // 2, *shape[1:]), index=rows)
        elif self.form is Form.EXPERT_HALVES:
            for expert in range(shape[0]):
                for half, rows in _halves(shape[1]):
                    stored = self.stored.format(expert=expert, half=half)
                    part = (shape[1] // 2, *shape[2:])
                    yield Part(stored=stored, shape=part, index=(expert, rows))
        else:
            yield Part(stored=self.stored, shape=shape, index=None)


def _halves(rows: int) -> Iterator[tuple[str, slice]]:
    for number, half in enumerate(HALVES):
        yield half, slice(number * rows // 2, (number + 1) * rows // 2)


@dataclass(frozen=True, kw_only=True)
class Layout:
    model_type: str
    refusals: Callable[[ModelConfig], Iterator[str]]
    """Everything in a config that this layout has no way to say, named."""
    read: Callable[[Fields], ModelConfig]
    """Config of a config.json's fields; ConfigError for what naga does not implement."""
    write: Callable[[ModelConfig], dict[str, Any]]
    """config.json of a config without refusals."""
    weights: Callable[[ModelConfig], tuple[Weight, ...]]
    """Every weight of the model, in the order of the file."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Beginnings of names on disk that are no weights of the network -> what they are; whoever
    opens such a file is told."""


def describe_layer(config: ModelConfig, letter: str) -> str:
    """Names the first layer of a kind in errors: `layer 3 (attention)`; H has * and M in it."""
    found = {letter, "H"} if letter in "M*" else {letter}
    index = next(i for i, other in enumerate(config.layers) if other in found)
    return f"layer {index} ({KINDS[config.layers[index]]})"
