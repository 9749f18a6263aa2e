"""A safetensors file written one tensor at a time, in the order given.

Memory holds one tensor. Does not put the file on the disk for good (naga/disk.py).
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from naga.checkpoint.layout import Shape

NAMES = {
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One tensor to write; made when its turn comes."""

    name: str
    dtype: torch.dtype
    """One of NAMES."""
    shape: Shape
    make: Callable[[], Tensor]

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def write_stream(file: Path, entries: Sequence[Entry], metadata: dict[str, str]) -> None:
    """Write `entries` into a new file."""
    with file.open("xb") as stream:
        stream.write(header(entries, metadata))
        for entry in entries:
            tensor = entry.make()
            assert (tuple(tensor.shape), tensor.dtype) == (entry.shape, entry.dtype), entry.name
            stream.write(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)


def header(entries: Sequence[Entry], metadata: dict[str, str]) -> bytes:
    """All that stands in the file before the first tensor; tensors follow in their order."""
    described: dict[str, object] = {"__metadata__": metadata}
    first = 0
    for entry in entries:
        described[entry.name] = {
            "dtype": NAMES[entry.dtype],
            "shape": entry.shape,
            "data_offsets": (first, first + entry.num_bytes),
        }
        first += entry.num_bytes
    text = json.dumps(described, separators=(",", ":")).encode()
    # The format asks for tensors that begin at a multiple of eight.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
