from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from naga.data.chat import Message, render
from naga.data.messages import Conversation
from naga.data.packing import Piece, Sample, conversation_samples, document_samples, pack
from naga.data.tokenizer import Tokenizer


def make_sample(length: int, first: int = 0) -> Sample:
    """Tokens first, first + 1, ...; every third is not learned."""
    tokens = np.arange(first, first + length, dtype=np.int32)
    return Sample(tokens=tokens, loss_mask=tokens % 3 != 0)


@st.composite
def pieces(draw: Callable[..., int]) -> list[Piece]:
    found = []
    for rank in range(draw(st.integers(1, 5))):
        sample = make_sample(draw(st.integers(2, 12)), first=100 * rank)
        start = draw(st.integers(0, sample.num_positions - 1))
        end = draw(st.integers(start + 1, sample.num_positions))
        found.append(Piece(sample=sample, start=start, end=end))
    return found


@given(pieces=pieces())
def test_a_target_is_the_next_token_of_the_same_sample(pieces: list[Piece]) -> None:
    batch = pack(pieces)
    assert np.array_equal(batch.targets, batch.tokens + 1)
    assert np.array_equal(batch.tokens // 100, batch.targets // 100)


@given(pieces=pieces())
def test_the_mask_is_the_targets_own(pieces: list[Piece]) -> None:
    batch = pack(pieces)
    assert np.array_equal(batch.loss_mask, batch.targets % 3 != 0)


@given(pieces=pieces())
def test_lengths_tile_the_batch_in_order(pieces: list[Piece]) -> None:
    batch = pack(pieces)
    assert sum(batch.lengths) == len(batch.tokens) == len(batch.targets) == len(batch.loss_mask)
    starts = np.cumsum((0, *batch.lengths[:-1]))
    assert batch.tokens[starts].tolist() == [100 * r + p.start for r, p in enumerate(pieces)]
    assert (batch.tokens.dtype, batch.targets.dtype) == (np.int64, np.int64)


def test_a_document_ends_with_end_of_text_and_is_learned_whole(tokenizer: Tokenizer) -> None:
    texts = [f"甲方 {number}" for number in range(300)]
    samples = list(document_samples(tokenizer, iter(texts), 1000))
    assert [tokenizer.decode(sample.tokens.tolist()) for sample in samples] == texts
    end = tokenizer.control_id("<|endoftext|>")
    assert all(s.tokens[-1] == end and s.loss_mask.all() for s in samples)


def test_a_conversation_is_packed_as_rendered(tokenizer: Tokenizer) -> None:
    messages = (
        Message(role="user", content="3 + 4?"),
        Message(role="assistant", content="7", reasoning="3 + 4 = 7"),
    )
    [sample] = conversation_samples(tokenizer, [Conversation(messages=messages)])
    rendered = render(tokenizer, messages)
    assert sample.tokens.tolist() == list(rendered.tokens)
    assert sample.loss_mask.tolist() == list(rendered.loss_mask)


def test_long_documents_become_samples_that_cover_every_position(tokenizer: Tokenizer) -> None:
    (whole,) = document_samples(tokenizer, ["a long text " * 50], 10_000)
    cut = list(document_samples(tokenizer, ["a long text " * 50], 7))
    assert len(cut) > 3 and all(sample.num_positions <= 7 for sample in cut)
    assert sum(sample.num_positions for sample in cut) == whole.num_positions
    targets = [token for sample in cut for token in sample.tokens[1:]]
    assert targets == whole.tokens[1:].tolist()
