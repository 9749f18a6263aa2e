"""The records a layout is made of: a config map, and one table of weights used in both directions.

A weight has a name and a shape in memory and one or more tensors on disk; `Form` says how the two
relate. Holds no tensors and imports no torch: load.py and save.py do the copying.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from naga.checkpoint.fields import Fields
from naga.config.model import ModelConfig

Shape = tuple[int, ...]

KINDS = {"M": "Mamba-2", "*": "attention", "-": "MLP", "E": "mixture of experts"}
KINDS |= {"H": "parallel attention and Mamba-2"}


class Form(Enum):
    SAME = "one tensor of the same shape"
    CHANNELS = "(C, W) in memory, one tensor (C, 1, W) on disk"
    EXPERTS = "(E, ...) in memory, one tensor (...) per expert on disk"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One tensor on disk: all of a weight, or its slice `index` along the first dimension."""

    stored: str
    shape: Shape
    index: int | None


@dataclass(frozen=True)
class Weight:
    """A row of the table; with Form.EXPERTS `stored` has {expert} in it."""

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
        else:
            yield Part(stored=self.stored, shape=shape, index=None)


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


def describe_layer(config: ModelConfig, letter: str) -> str:
    """Names the first layer of a kind in errors: `layer 3 (attention)`."""
    return f"layer {config.layers.index(letter)} ({KINDS[letter]})"
