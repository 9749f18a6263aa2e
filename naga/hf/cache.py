"""NagaCache: what the rows of a batch remember between forward calls, in a StatePool.

One row, one slot and an equal share of the pages, which grows by doubling. Beam search moves rows
from place to place (`reorder_cache`) by copying; a state cannot be rolled back, so `crop` and all
that needs it are refused. `columns` counts padding too, as `generate` does.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import torch
from torch import Tensor
from transformers import Cache

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.model.state import Batch, StatePool, place
from naga.ops.linear import padded_len
from naga.runtime import Runtime

PAGE_SIZE = 64


class NagaCache(Cache):
    """Empty until the first forward; one batch at a time."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self._pool: StatePool | None = None
        self._room = 0
        # Tokens of each row, and where in the pool it lies.
        self._lengths: list[int] = []
        self._places: list[int] = []
        self._columns = 0

    def begin(self, config: ModelConfig, runtime: Runtime, rows: int) -> StatePool:
        """The pool for a batch of so many rows; ConfigError if this cache holds another batch."""
        if self._pool is None:
            self._pool = StatePool.create(
                config, runtime, num_slots=rows, num_pages=0, page_size=PAGE_SIZE
            )
            self._lengths, self._places = [0] * rows, list(range(rows))
        if len(self._lengths) != rows or self._pool.dtype != runtime.dtype:
            raise ConfigError(
                f"past_key_values holds {len(self._lengths)} rows in {self._pool.dtype}, the batch "
                f"has {rows} in {runtime.dtype}; give each batch a cache of its own"
            )
        return self._pool

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens held of each row."""
        return tuple(self._lengths)

    def extend(
        self, owners: Sequence[int], lengths: Sequence[int], columns: int
    ) -> tuple[Batch, StatePool]:
        """Where the next tokens of some rows go: `lengths` of them, in a step of `columns`."""
        assert self._pool is not None, "begun"
        ends = [self._lengths[row] + length for row, length in zip(owners, lengths, strict=True)]
        self._grow(max(ends))
        share = self._room // PAGE_SIZE
        places = [self._places[row] for row in owners]
        batch = place(
            lengths,
            [self._lengths[row] for row in owners],
            places,
            [range(at * share, (at + 1) * share) for at in places],
            self._pool.ssm.device,
        )
        for row, end in zip(owners, ends, strict=True):
            self._lengths[row] = end
        self._columns += columns
        return batch, self._pool

    def _grow(self, length: int) -> None:
        """Room for `length` tokens of each row."""
        if length <= self._room or self._pool is None:
            return
        room = padded_len(max(length, 2 * self._room), PAGE_SIZE)
        rows, old, new = len(self._places), self._room // PAGE_SIZE, room // PAGE_SIZE

        def grown(pages: Tensor) -> Tensor:
            shares = pages.new_empty(pages.shape[0], rows, new, *pages.shape[2:])
            shares[:, :, :old] = pages.unflatten(1, (rows, old)) if pages.numel() else 0
            return shares.flatten(1, 2)

        self._pool = replace(
            self._pool, keys=grown(self._pool.keys), values=grown(self._pool.values)
        )
        self._room = room

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._columns

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """-1: it grows."""
        return -1

    @property
    def batch_size(self) -> int:
        return len(self._lengths) or -1

    @property
    def is_croppable(self) -> bool:
        return False

    def reset(self) -> None:
        """As a new one; a pool's memory need not be cleared."""
        self._lengths, self._columns = [0] * len(self._lengths), 0

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i goes on from what row beam_idx[i] holds."""
        chosen = beam_idx.tolist()
        if len(chosen) != len(self._places):
            raise ConfigError(
                f"past_key_values holds {len(self._places)} rows and cannot become {len(chosen)}"
            )
        sources = [self._places[row] for row in chosen]
        free = [at for at in self._places if at not in sources]
        places: list[int] = []
        for row, source in zip(chosen, sources, strict=True):
            at = source
            if source in places:
                at = free.pop()
                self._copy(source, at, self._lengths[row])
            places.append(at)
        self._lengths, self._places = [self._lengths[row] for row in chosen], places

    def _copy(self, source: int, target: int, length: int) -> None:
        assert self._pool is not None, "rows were placed"
        share = self._room // PAGE_SIZE
        self._pool.copy_slot(source, target)
        for page in range(-(-length // PAGE_SIZE)):
            self._pool.copy_page(source * share + page, target * share + page)

    def crop(self, tokens_to_remove: int) -> NoReturn:
        self._refuse("crop")

    def activate_past_recording(self) -> NoReturn:
        self._refuse("activate_past_recording")

    def batch_repeat_interleave(self, repeats: int) -> NoReturn:
        self._refuse("batch_repeat_interleave")

    def batch_select_indices(self, indices: torch.Tensor) -> NoReturn:
        self._refuse("batch_select_indices")

    def _refuse(self, method: str) -> NoReturn:
        raise ConfigError(
            f"NagaCache has no {method}: a recurrent state goes forward only; read the tokens again"
        )
