"""Padded or packed batches (B, L) of transformers as flat tokens with sequence lengths, and back.

A masked token does not exist, wherever in a row it stands: those around it are neighbours. A row
is one sequence, or several where position_ids, cu_seq_lens or seq_idx say so; whichever are given
must agree. Every sequence begins at position 0, or goes on where its row in a cache ended.

B rows, L columns, T tokens that exist.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from naga.config.base import ConfigError


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    shape: tuple[int, int]
    kept: Tensor | None
    """(T,) int64 places among B·L of the tokens that exist; None if all do."""
    lengths: tuple[int, ...]
    """Of each sequence, in the order of the tokens; all at least 1."""
    owners: tuple[int, ...]
    """The row of each sequence."""

    def flat(self, x: Tensor) -> Tensor:
        """(B, L, ...) -> (T, ...)"""
        whole = x.flatten(0, 1)
        return whole if self.kept is None else whole.index_select(0, self.kept)

    def padded(self, x: Tensor) -> Tensor:
        """(T, ...) -> (B, L, ...), zeros where no token is."""
        if self.kept is None:
            return x.unflatten(0, self.shape)
        whole = x.new_zeros(self.shape[0] * self.shape[1], *x.shape[1:])
        return whole.index_copy(0, self.kept, x).unflatten(0, self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cuts:
    """What a batch may say about where sequences begin; each None or as transformers has it."""

    position_ids: Tensor | None
    """(B, L) or (1, L)"""
    cu_seq_lens: Tensor | None
    """(S+1,), for one row without padding."""
    seq_idx: Tensor | None
    """(B, L)"""


def read_rows(
    shape: tuple[int, int],
    mask: Tensor | None,
    cuts: Cuts,
    device: torch.device,
    starts: Sequence[int] | None = None,
) -> Rows:
    """`mask` (B, L or more), of which the last L columns count.

    `starts`: tokens that a cache holds of each row.
    ConfigError for what cannot be, or is not, meant as sequences.
    """
    kept = _kept(shape, mask)
    rows = torch.arange(shape[0], device=device).repeat_interleave(shape[1])
    rows = rows if kept is None else rows.index_select(0, kept)
    if not rows.numel():
        raise ConfigError("attention_mask: no token is left")
    read = Rows(shape=shape, kept=kept, lengths=(), owners=())
    begins = _begins(read, rows, cuts, starts)
    firsts = begins.nonzero().flatten()
    ends = torch.cat([firsts[1:], firsts.new_tensor([len(rows)])])
    return Rows(
        shape=shape,
        kept=kept,
        lengths=tuple((ends - firsts).tolist()),
        owners=tuple(rows[firsts].tolist()),
    )


def _kept(shape: tuple[int, int], mask: Tensor | None) -> Tensor | None:
    if mask is None:
        return None
    if mask.dim() != 2 or mask.shape[0] != shape[0] or mask.shape[1] < shape[1]:
        raise ConfigError(
            f"attention_mask has shape {tuple(mask.shape)}, the batch {shape}; naga takes a mask "
            "of tokens that exist, one row for each"
        )
    existing = mask[:, mask.shape[1] - shape[1] :].bool()
    return None if bool(existing.all()) else existing.flatten().nonzero().flatten()


def _begins(read: Rows, rows: Tensor, cuts: Cuts, starts: Sequence[int] | None) -> Tensor:
    """(T,) bool: the first token of each sequence."""
    begins = torch.ones_like(rows, dtype=torch.bool)
    begins[1:] = rows[1:] != rows[:-1]
    found = dict(_described(read, rows, begins, cuts, starts))
    for name, other in found.items():
        first_name, first = next(iter(found.items()))
        if not other.equal(first):
            raise ConfigError(f"{first_name} and {name} cut the batch into different sequences")
        begins = other
    return begins


def _described(
    read: Rows, rows: Tensor, begins: Tensor, cuts: Cuts, starts: Sequence[int] | None
) -> Iterator[tuple[str, Tensor]]:
    """(T,) bool as each of the cuts says."""
    if cuts.position_ids is not None:
        positions = read.flat(cuts.position_ids.expand(read.shape)).to(rows.device)
        yield "position_ids", _jumps(positions, rows, begins, starts)
    if cuts.cu_seq_lens is not None:
        yield "cu_seq_lens_q", _ends(read, cuts.cu_seq_lens.to(rows.device), begins)
    if cuts.seq_idx is not None:
        index = read.flat(cuts.seq_idx.expand(read.shape)).to(rows.device)
        changes = begins.clone()
        changes[1:] |= index[1:] != index[:-1]
        yield "seq_idx", changes


def _jumps(positions: Tensor, rows: Tensor, begins: Tensor, starts: Sequence[int] | None) -> Tensor:
    jumps = begins.clone()
    jumps[1:] |= positions[1:] != positions[:-1] + 1
    expected = torch.zeros_like(positions)
    if starts is not None:
        expected = torch.tensor(starts, device=rows.device)[rows]
        if not jumps.equal(begins):
            raise ConfigError("position_ids: with a cache a row is one sequence, without a jump")
    wrong = (jumps & (positions != expected)).nonzero().flatten()
    if wrong.numel():
        at = int(wrong[0])
        raise ConfigError(
            f"position_ids: a sequence of row {int(rows[at])} begins at {int(positions[at])}, not "
            f"at {int(expected[at])}; leave position_ids out, or count tokens that exist from there"
        )
    return jumps


def _ends(read: Rows, cu_seq_lens: Tensor, begins: Tensor) -> Tensor:
    columns = read.shape[1]
    if read.shape[0] != 1 or read.kept is not None:
        raise ConfigError("cu_seq_lens_q is for one packed row without padding")
    if (
        int(cu_seq_lens[0]) != 0
        or int(cu_seq_lens[-1]) != columns
        or (cu_seq_lens.diff() < 1).any()
    ):
        raise ConfigError(f"cu_seq_lens_q must rise from 0 to {columns}, the tokens of the row")
    firsts = torch.zeros_like(begins)
    firsts[cu_seq_lens[:-1].long()] = True
    return firsts
