"""Batch: which flat token belongs to whom. StatePool: what sequences remember, by slot and page.

A Batch is derived from host lists once per step; layers only read it. A pool's memory is never
cleared: a sequence that starts at position 0 starts from zeros whatever its slot or pages hold.
Does not decide who gets which slot (engine/cache.py).

S sequences, T tokens, L layers of a kind, W taps, H heads, P head dim, N state dim, V KV heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from naga.config.model import ModelConfig
from naga.runtime import Runtime


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """S sequences laid end to end over T tokens."""

    lengths: tuple[int, ...]
    """Tokens of each sequence in this batch, all at least 1."""
    starts: tuple[int, ...]
    """Position of each sequence's first token here; 0 starts it from zero state."""
    cu_seqlens: Tensor
    """(S+1,) int32: where each sequence begins and the last one ends."""
    positions: Tensor
    """(T,) int64: each token's position in its sequence."""
    slots: Tensor | None
    """(S,) int64: recurrent-state slots; None in training."""
    page_table: Tensor | None
    """(S, pages) int64: page p holds positions p·page_size …; unused entries are -1."""

    @cached_property
    def segments(self) -> Tensor:
        """(T,) int64: the sequence each token belongs to."""
        lengths = self.cu_seqlens.diff().long()
        return torch.arange(len(self.lengths), device=lengths.device).repeat_interleave(lengths)


def pack(lengths: Sequence[int], device: torch.device | str) -> Batch:
    """Fresh sequences for training."""
    return _make(lengths, [0] * len(lengths), None, None, device)


def place(
    lengths: Sequence[int],
    starts: Sequence[int],
    slots: Sequence[int],
    page_table: Sequence[Sequence[int]],
    device: torch.device | str,
) -> Batch:
    """Sequences that continue from their slot and pages; a slot appears once in a batch."""
    assert len(set(slots)) == len(slots) == len(lengths), (slots, lengths)
    widest = max((len(pages) for pages in page_table), default=0)
    table = [list(pages) + [-1] * (widest - len(pages)) for pages in page_table]
    return _make(
        lengths,
        starts,
        torch.tensor(slots, dtype=torch.int64, device=device),
        torch.tensor(table, dtype=torch.int64, device=device).view(len(slots), widest),
        device,
    )


def _make(
    lengths: Sequence[int],
    starts: Sequence[int],
    slots: Tensor | None,
    page_table: Tensor | None,
    device: torch.device | str,
) -> Batch:
    assert lengths and min(lengths) >= 1, lengths
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    spans = zip(starts, lengths, strict=True)
    positions = torch.cat([torch.arange(start, start + length) for start, length in spans])
    return Batch(
        lengths=tuple(lengths),
        starts=tuple(starts),
        cu_seqlens=bounds.to(device=device, dtype=torch.int32),
        positions=positions.to(device),
        slots=slots,
        page_table=page_table,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class StatePool:
    """All a model remembers between steps; indexed by layer of its kind, then slot or page."""

    ssm: Tensor
    """(L, slots, H, P, N) float32."""
    conv: Tensor
    """(L, slots, W-1, conv_dim) in compute dtype: the last inputs of the convolution."""
    keys: Tensor
    """(L, pages, page_size, V, d) in compute dtype; rotated already where the layer rotates."""
    values: Tensor
    """Like keys."""

    @classmethod
    def create(
        cls,
        config: ModelConfig,
        runtime: Runtime,
        *,
        num_slots: int,
        num_pages: int,
        page_size: int,
    ) -> Self:
        """Allocate without clearing; layers of a kind the model lacks take no memory."""
        conv_shape, ssm_shape, kv_shape = (0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, page_size, 0, 0)
        if mamba := config.mamba:
            layers = config.count("M")
            conv_shape = (layers, num_slots, mamba.conv_width - 1, mamba.conv_dim)
            ssm_shape = (layers, num_slots, mamba.num_heads, mamba.head_dim, mamba.state_dim)
        if attention := config.attention:
            heads = (attention.num_kv_heads, attention.head_dim)
            kv_shape = (config.count("*"), num_pages, page_size, *heads)
        device, dtype = runtime.device, runtime.dtype
        return cls(
            ssm=torch.empty(ssm_shape, dtype=torch.float32, device=device),
            conv=torch.empty(conv_shape, dtype=dtype, device=device),
            keys=torch.empty(kv_shape, dtype=dtype, device=device),
            values=torch.empty(kv_shape, dtype=dtype, device=device),
        )

    @property
    def page_size(self) -> int:
        return self.keys.shape[2]

    @property
    def dtype(self) -> torch.dtype:
        """Compute dtype of whoever reads and writes this pool."""
        return self.keys.dtype

    def copy_slot(self, source: int, target: int) -> None:
        """The recurrent state of every layer; forks a sequence."""
        if self.ssm.numel():
            self.ssm[:, target] = self.ssm[:, source]
            self.conv[:, target] = self.conv[:, source]

    def copy_page(self, source: int, target: int) -> None:
        """One page of keys and values of every layer."""
        if self.keys.numel():
            self.keys[:, target] = self.keys[:, source]
            self.values[:, target] = self.values[:, source]
