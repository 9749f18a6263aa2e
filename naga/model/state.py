"""Batch: which flat token belongs to whom. StatePool: what sequences remember, by slot and page.

A Batch is derived from host lists once per step; layers only read it. A pool's memory is never
cleared: a sequence that starts at position 0 starts from zeros whatever its slot or pages hold.
Does not decide who gets which slot (engine/cache.py).

S sequences, T tokens, L layers of a kind, W taps, H heads, P head dim, N state dim, V KV heads,
I channels of Mamba-1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

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
    device: torch.device | str
    slots: tuple[int, ...] | None
    """Where each sequence's recurrent state is put; None in training."""
    sources: tuple[int, ...] | None
    """Where it comes from: the same slot, or another one, which is left as it is; that may be the
    slot of an earlier sequence here, which this one then goes on from."""
    pages: tuple[tuple[int, ...], ...] | None
    """KV pages of each: the p-th holds positions p·page_size …."""

    @property
    def waves(self) -> "tuple[Batch, ...]":
        """Itself cut so that no sequence goes on from another of its wave, in order."""
        assert self.slots is not None and self.sources is not None
        firsts, written = [0], set[int]()
        for index, (source, slot) in enumerate(zip(self.sources, self.slots, strict=True)):
            if source in written:
                firsts.append(index)
                written.clear()
            written.add(slot)
        if len(firsts) == 1:
            return (self,)
        ends = [*firsts[1:], len(self.slots)]
        return tuple(self._part(slice(*span)) for span in zip(firsts, ends, strict=True))

    def _part(self, part: slice) -> "Batch":
        assert self.slots is not None and self.sources is not None and self.pages is not None
        return Batch(
            lengths=self.lengths[part],
            starts=self.starts[part],
            device=self.device,
            slots=self.slots[part],
            sources=self.sources[part],
            pages=self.pages[part],
        )

    # On demand: native kernels do without them.

    @cached_property
    def cu_seqlens(self) -> Tensor:
        """(S+1,) int32: where each sequence begins and the last one ends."""
        ends = torch.tensor([0, *self.lengths]).cumsum(0)
        return ends.to(device=self.device, dtype=torch.int32)

    @cached_property
    def positions(self) -> Tensor:
        """(T,) int64: each token's position in its sequence."""
        spans = zip(self.starts, self.lengths, strict=True)
        each = [torch.arange(start, start + length) for start, length in spans]
        return torch.cat(each).to(self.device)

    @cached_property
    def slot_index(self) -> Tensor:
        """(S,) int64"""
        assert self.slots is not None
        return torch.tensor(self.slots, dtype=torch.int64, device=self.device)

    @cached_property
    def source_index(self) -> Tensor:
        """(S,) int64"""
        assert self.sources is not None
        return torch.tensor(self.sources, dtype=torch.int64, device=self.device)

    @cached_property
    def page_index(self) -> tuple[Tensor, ...]:
        """(pages,) int64 of each sequence."""
        assert self.pages is not None
        return tuple(torch.tensor(own, dtype=torch.int64, device=self.device) for own in self.pages)

    @cached_property
    def segments(self) -> Tensor:
        """(T,) int64: the sequence each token belongs to."""
        lengths = self.cu_seqlens.diff().long()
        return torch.arange(len(self.lengths), device=lengths.device).repeat_interleave(lengths)


def pack(lengths: Sequence[int], device: torch.device | str) -> Batch:
    """Fresh sequences for training."""
    assert lengths and min(lengths) >= 1, lengths
    starts = (0,) * len(lengths)
    return Batch(
        lengths=tuple(lengths),
        starts=starts,
        device=device,
        slots=None,
        sources=None,
        pages=None,
    )


def place(
    lengths: Sequence[int],
    starts: Sequence[int],
    slots: Sequence[int],
    pages: Sequence[Sequence[int]],
    device: torch.device | str,
    sources: Sequence[int] | None = None,
) -> Batch:
    """Sequences that continue from their slot and pages; a slot appears once in a batch.

    `sources`: slots that the states are read from, if they are others. States are taken on in the
    order of the sequences: what is read from the slot of an earlier one is that after its tokens.
    """
    sources = slots if sources is None else sources
    assert lengths and min(lengths) >= 1, lengths
    assert len(set(slots)) == len(slots) == len(lengths) == len(sources), (slots, lengths)
    return Batch(
        lengths=tuple(lengths),
        starts=tuple(starts),
        device=device,
        slots=tuple(slots),
        sources=tuple(sources),
        pages=tuple(map(tuple, pages)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class StatePool:
    """All a model remembers between steps; indexed by layer of its kind, then slot or page."""

    ssm: Tensor
    """(L, slots, H, P, N) float32."""
    conv: Tensor
    """(L, slots, W-1, conv_dim) in compute dtype: the last inputs of the convolution."""
    keys: Tensor
    """(L, pages, page_size, V, d) in compute dtype or int8; rotated where the layer rotates."""
    values: Tensor
    """Like keys."""
    key_scales: Tensor | None
    """(L, pages, page_size, V) float32 where keys are int8, else None."""
    value_scales: Tensor | None
    """Like key_scales."""
    mamba1_ssm: Tensor
    """(L, slots, I, N) float32, of Mamba-1 layers."""
    mamba1_conv: Tensor
    """(L, slots, W-1, I) in compute dtype: the last inputs of their convolution."""

    @classmethod
    def create(
        cls,
        config: ModelConfig,
        runtime: Runtime,
        *,
        num_slots: int,
        num_pages: int,
        page_size: int,
        kv: Literal["int8"] | None = None,
    ) -> Self:
        """Allocate without clearing; layers of a kind the model lacks take no memory.

        kv: what keys and values are held in, None being the compute dtype.
        """
        conv_shape, ssm_shape, kv_shape = (0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, page_size, 0, 0)
        if mamba := config.mamba:
            layers = config.num_mamba2
            conv_shape = (layers, num_slots, mamba.conv_width - 1, mamba.conv_dim)
            ssm_shape = (layers, num_slots, mamba.num_heads, mamba.head_dim, mamba.state_dim)
        mamba1_ssm, mamba1_conv = (0, 0, 0, 0), (0, 0, 0, 0)
        if mamba1 := config.mamba1:
            layers = config.count("S")
            mamba1_ssm = (layers, num_slots, mamba1.inner_dim, mamba1.state_dim)
            mamba1_conv = (layers, num_slots, mamba1.conv_width - 1, mamba1.inner_dim)
        if attention := config.attention:
            heads = (attention.num_kv_heads, attention.head_dim)
            kv_shape = (config.num_attention, num_pages, page_size, *heads)
        device, dtype = runtime.device, runtime.dtype
        kv_dtype, scales = (torch.int8 if kv else dtype), None
        if kv:
            scales = [torch.empty(kv_shape[:-1], device=device) for _ in range(2)]
        return cls(
            ssm=torch.empty(ssm_shape, dtype=torch.float32, device=device),
            conv=torch.empty(conv_shape, dtype=dtype, device=device),
            keys=torch.empty(kv_shape, dtype=kv_dtype, device=device),
            values=torch.empty(kv_shape, dtype=kv_dtype, device=device),
            key_scales=scales[0] if scales else None,
            value_scales=scales[1] if scales else None,
            mamba1_ssm=torch.empty(mamba1_ssm, dtype=torch.float32, device=device),
            mamba1_conv=torch.empty(mamba1_conv, dtype=dtype, device=device),
        )

    @property
    def page_size(self) -> int:
        return self.keys.shape[2]

    @property
    def dtype(self) -> torch.dtype:
        """Compute dtype of whoever reads and writes this pool."""
        return self.conv.dtype

    def key_values(self, layer: int) -> "KeyValues":
        """The pages of one attention layer, numbered among its kind."""
        scales = (self.key_scales, self.value_scales)
        key_scales, value_scales = (None if s is None else s[layer] for s in scales)
        return KeyValues(
            keys=self.keys[layer],
            values=self.values[layer],
            key_scales=key_scales,
            value_scales=value_scales,
        )

    @property
    def by_slot(self) -> Mapping[str, Tensor]:
        """All memory that lies by slot, (L, slots, ...), of the kinds of layer that there are.

        The names are those of snapshots that leave the engine.
        """
        every = {
            "ssm": self.ssm,
            "conv": self.conv,
            "mamba1.ssm": self.mamba1_ssm,
            "mamba1.conv": self.mamba1_conv,
        }
        return {name: memory for name, memory in every.items() if memory.shape[0]}

    def copy_slot(self, source: int, target: int) -> None:
        """The recurrent state of every layer; forks a sequence."""
        for memory in self.by_slot.values():
            memory[:, target] = memory[:, source]

    def copy_page(self, source: int, target: int) -> None:
        """One page of keys and values of every layer."""
        if self.keys.numel():
            for memory in (self.keys, self.values, self.key_scales, self.value_scales):
                if memory is not None:
                    memory[:, target] = memory[:, source]


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyValues:
    """One attention layer's pages, views into a StatePool."""

    keys: Tensor
    """(pages, page_size, V, d)."""
    values: Tensor
    key_scales: Tensor | None
    """(pages, page_size, V); a head's key is its int8 row times this."""
    value_scales: Tensor | None

    def put(self, pages: Tensor, start: int, k: Tensor, v: Tensor) -> None:
        """Keep k, v (Q, V, d) of positions start ... of the sequence that has `pages`."""
        at = torch.arange(start, start + k.shape[0], device=k.device)
        place = (pages[at // self.keys.shape[1]], at % self.keys.shape[1])
        for rows, held, scales in (
            (k, self.keys, self.key_scales),
            (v, self.values, self.value_scales),
        ):
            if scales is None:
                held[place] = rows
            else:
                held[place], scales[place] = round_rows(rows)

    def take(self, pages: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (pages · page_size, V, d) of these pages; int8 ones as float32."""
        keys, values = (held[pages].flatten(0, 1) for held in (self.keys, self.values))
        if self.key_scales is None or self.value_scales is None:
            return keys, values
        scales = (s[pages].flatten(0, 1)[..., None] for s in (self.key_scales, self.value_scales))
        wide = (held.float() * scale for held, scale in zip((keys, values), scales, strict=True))
        return next(wide), next(wide)

    def meet(self, q: Tensor) -> Tensor:
        """Queries (Q, H, d) as they meet the keys: int8 ones meet int8 queries."""
        if self.key_scales is None:
            return q
        whole, scales = round_rows(q)
        return whole.float() * scales[..., None]


def round_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (..., d) -> int8 (..., d) and a float32 scale (...): the largest in size becomes 127.

    A row that is not finite has the scale NaN.
    """
    wide = x.float()
    peaks = wide.abs().amax(-1)
    finite = peaks.isfinite()
    # So small that 127 / peak would be infinite: zero.
    inverse = torch.where(finite & (peaks > 1e-30), 127 / peaks, 0.0)
    whole = torch.where(finite[..., None], (wide * inverse[..., None]).round(), 0.0)
    return whole.to(torch.int8), torch.where(finite, peaks / 127, torch.nan)
