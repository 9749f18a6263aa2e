"""Loader: an endless stream of packed batches over samples held in memory, exactly resumable.

Samples come in a new order every epoch, a function of (seed, epoch) alone; a batch may span the
end of an epoch. With `split`, samples are cut at sequence_len and at the batch's end: every batch
has exactly tokens_per_batch tokens, every position of every sample comes once per epoch. Without,
samples stay whole and a batch ends where the next one does not fit; those that can never fit are
left out and counted in `dropped`. Does not read files or tokenize, and prefetches nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from naga.config.base import ConfigError
from naga.data.packing import PackedBatch, Piece, Sample, pack


@dataclass(frozen=True, kw_only=True)
class LoaderState:
    """Where the next batch starts; plain integers, so `asdict` is JSON."""

    epoch: int
    index: int
    """Rank of the sample in the epoch's order."""
    offset: int
    """Position in that sample; 0 unless it was cut."""
    fingerprint: int
    """CRC-32 of the samples and the seed: a state fits only the data it came from."""


class Loader:
    def __init__(
        self,
        samples: Iterable[Sample],
        *,
        tokens_per_batch: int,
        sequence_len: int,
        seed: int,
        split: bool,
    ) -> None:
        """`sequence_len` bounds one sequence, in tokens. ConfigError if no sample is usable."""
        self._tokens_per_batch = tokens_per_batch
        self._limit = min(sequence_len, tokens_per_batch)
        self._seed = seed
        self._split = split
        given = [sample for sample in samples if sample.num_positions]
        self._samples = [s for s in given if split or s.num_positions <= self._limit]
        self.dropped: int = len(given) - len(self._samples)
        """Samples left out because they are longer than a sequence may be (never with `split`)."""
        if not given:
            raise ConfigError("no text to train on: every document is empty")
        if not self._samples:
            raise ConfigError(
                f"all {len(given)} conversations are longer than {self._limit} tokens; raise "
                "data.sequence_len and data.tokens_per_batch"
            )
        self._fingerprint = _fingerprint(self._samples, seed)
        self._epoch, self._index, self._offset = 0, 0, 0
        self._order = self._shuffled()

    @property
    def tokens_per_epoch(self) -> int:
        """Positions in one pass over the samples."""
        return sum(sample.num_positions for sample in self._samples)

    def next(self) -> PackedBatch:
        """The next batch; never ends."""
        pieces: list[Piece] = []
        room = self._tokens_per_batch
        while piece := self._take(room):
            pieces.append(piece)
            room -= piece.end - piece.start
        return pack(pieces)

    def state(self) -> LoaderState:
        """Everything that decides the batches to come."""
        return LoaderState(
            epoch=self._epoch,
            index=self._index,
            offset=self._offset,
            fingerprint=self._fingerprint,
        )

    def restore(self, state: LoaderState) -> None:
        """Continue where `state` was taken; ConfigError if the data or the seed is not the same."""
        if state.fingerprint != self._fingerprint:
            raise ConfigError(
                "the data or the seed changed since the checkpoint was made; resume with the same "
                "files, tokenizer and seed, or start a new run_dir"
            )
        self._epoch, self._index, self._offset = state.epoch, state.index, state.offset
        self._order = self._shuffled()

    def _take(self, room: int) -> Piece | None:
        """The next piece of at most `room` tokens, and step past it; None if none fits."""
        sample = self._samples[self._order[self._index]]
        left = sample.num_positions - self._offset
        length = min(left, self._limit, room) if self._split else left
        if not 0 < length <= room:
            return None
        piece = Piece(sample=sample, start=self._offset, end=self._offset + length)
        self._offset = piece.end
        if piece.end == sample.num_positions:
            self._next_sample()
        return piece

    def _next_sample(self) -> None:
        self._index, self._offset = self._index + 1, 0
        if self._index == len(self._samples):
            self._epoch, self._index = self._epoch + 1, 0
            self._order = self._shuffled()

    def _shuffled(self) -> list[int]:
        """This epoch's order. Raw Philox output is the same in every version of numpy."""
        keys = np.random.Philox(key=[self._seed, self._epoch]).random_raw(len(self._samples))
        order: list[int] = np.argsort(keys, kind="stable").tolist()
        return order


def _fingerprint(samples: list[Sample], seed: int) -> int:
    checksum = crc32(f"{seed} {[len(sample.tokens) for sample in samples]}".encode())
    for sample in samples:
        checksum = crc32(sample.loss_mask.tobytes(), crc32(sample.tokens.tobytes(), checksum))
    return checksum
