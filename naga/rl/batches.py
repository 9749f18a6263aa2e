"""Samples -> micro-batches laid flat, each token beside what the learner knows of it.

A sample of L tokens is L - 1 positions: position i reads token i and learns token i + 1, as in
data/packing.py. Samples stay whole. T positions of a batch, S sequences, R learned tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naga.rl.types import Sample


@dataclass(frozen=True, kw_only=True, eq=False)
class MicroBatch:
    tokens: Tensor
    """(T,) int64"""
    targets: Tensor
    """(R,) int64"""
    rows: Tensor
    """(R,) int64, ascending: the positions that learn."""
    lengths: tuple[int, ...]
    """(S,) positions of each sequence."""
    sequences: Tensor
    """(R,) int64: which sequence each learned token is of."""
    sampler: Tensor
    """(R,) float32, as the two that follow."""
    advantages: Tensor
    weights: Tensor
    routes: tuple[Tensor, ...] | None
    """(T, k) int64 for each layer of kind E."""
    old: Tensor | None = None
    """(R,) before the first update; None: the policy has not moved yet."""
    reference: Tensor | None = None
    """(R,)"""


def cut(samples: Sequence[Sample], tokens_per_batch: int) -> list[list[Sample]]:
    """The longest first, each into the first batch that has room: few batches, always the same."""
    batches: list[list[Sample]] = []
    room: list[int] = []
    for sample in sorted(samples, key=lambda sample: -len(sample.tokens)):
        length = len(sample.tokens) - 1
        place = next((i for i, left in enumerate(room) if left >= length), None)
        if place is None:
            batches.append([])
            room.append(tokens_per_batch)
            place = len(room) - 1
        batches[place].append(sample)
        room[place] -= length
    return batches


def pack(samples: Sequence[Sample], device: torch.device) -> MicroBatch:
    """End to end; at least one sample, each of two tokens at least."""
    lengths = tuple(len(sample.tokens) - 1 for sample in samples)
    learned = np.concatenate([sample.learned[1:] for sample in samples])
    rows = learned.nonzero()[0]

    def join(streams: Iterable[NDArray[Any]]) -> Tensor:
        later = np.concatenate([stream[1:] for stream in streams])
        return _tensor(later[rows], device)

    sequences = np.repeat(np.arange(len(samples)), lengths)[rows]
    return MicroBatch(
        tokens=_tensor(np.concatenate([sample.tokens[:-1] for sample in samples]), device),
        targets=join(sample.tokens for sample in samples),
        rows=_tensor(rows, device),
        lengths=lengths,
        sequences=_tensor(sequences, device),
        sampler=join(sample.logprobs for sample in samples),
        advantages=join(sample.advantages for sample in samples),
        weights=join(sample.weights for sample in samples),
        routes=_routes(samples, device),
    )


def _routes(samples: Sequence[Sample], device: torch.device) -> tuple[Tensor, ...] | None:
    found = [sample.routes for sample in samples if sample.routes is not None]
    if len(found) < len(samples):
        return None
    joined = torch.from_numpy(np.concatenate(found, axis=1).astype(np.int64))
    return joined.to(device).unbind()


def _tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)
