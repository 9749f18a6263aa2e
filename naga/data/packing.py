"""Tokenized samples, and the packing of pieces of them into one flat batch without padding.

A sample of L tokens is L - 1 positions: position i reads token i and learns token i + 1. A piece is
a run of positions of one sample and becomes one sequence of the batch, with fresh model state. The
last target of a piece is its own sample's next token: targets never cross into another sample.
T tokens of a batch, S sequences in it. Does not choose which pieces go together (loader.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from naga.config.base import ConfigError
from naga.data.formats import format_of, ready
from naga.data.messages import Conversation
from naga.data.tokenizer import END_OF_TEXT, Tokenizer

DOCUMENTS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    tokens: NDArray[np.int32]
    """(L,)"""
    loss_mask: NDArray[np.bool_]
    """(L,) which tokens are learned; the first has nothing before it and never is."""

    @property
    def num_positions(self) -> int:
        return max(0, len(self.tokens) - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Positions [start, end) of a sample."""

    sample: Sample
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedBatch:
    tokens: NDArray[np.int64]
    """(T,)"""
    targets: NDArray[np.int64]
    """(T,) the token after each one, in the same sample."""
    loss_mask: NDArray[np.bool_]
    """(T,) which targets count in the loss."""
    lengths: tuple[int, ...]
    """(S,) tokens of each sequence; they sum to T."""


def pack(pieces: Sequence[Piece]) -> PackedBatch:
    """Lay the pieces end to end; there must be at least one, and none empty."""
    spans = [p.sample.tokens[p.start : p.end + 1] for p in pieces]
    masks = [p.sample.loss_mask[p.start + 1 : p.end + 1] for p in pieces]
    return PackedBatch(
        tokens=np.concatenate([span[:-1] for span in spans]).astype(np.int64),
        targets=np.concatenate([span[1:] for span in spans]).astype(np.int64),
        loss_mask=np.concatenate(masks),
        lengths=tuple(p.end - p.start for p in pieces),
    )


def document_samples(
    tokenizer: Tokenizer, documents: Iterable[str], sequence_len: int
) -> Iterator[Sample]:
    """Each document's tokens and `<|endoftext|>`, all learned; tokenized many at once.

    A document of more than sequence_len positions becomes several samples, so that shuffling
    samples mixes long documents too: a book would else fill many batches in a row.
    """
    end = tokenizer.control_id(END_OF_TEXT)
    source = iter(documents)
    while texts := list(islice(source, DOCUMENTS_AT_ONCE)):
        for ids in tokenizer.encode_batch(texts):
            tokens = np.array([*ids, end], dtype=np.int32)
            for start in range(0, len(tokens) - 1, sequence_len):
                # One token more than positions: the last is only ever a target.
                cut = tokens[start : start + sequence_len + 1]
                yield Sample(tokens=cut, loss_mask=np.ones(len(cut), dtype=np.bool_))


def conversation_samples(
    tokenizer: Tokenizer, conversations: Iterable[Conversation]
) -> Iterator[Sample]:
    """Each conversation as the tokenizer's format has it, with its loss mask.

    ConfigError for a tokenizer without a known format, and for what the format cannot say.
    """
    form, talking = format_of(tokenizer), ready(tokenizer)
    for conversation in conversations:
        try:
            rendered = form.render(talking, conversation.messages, conversation.tools)
        except ConfigError as error:
            raise ConfigError(f"{conversation.place}: {error}") from None
        yield Sample(
            tokens=np.array(rendered.tokens, dtype=np.int32),
            loss_mask=np.array(rendered.loss_mask, dtype=np.bool_),
        )
