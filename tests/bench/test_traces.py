"""Traces: what a conversation is made of, from its own past alone."""

from itertools import pairwise

import pytest

from naga.bench.models import byte_tokenizer
from naga.bench.traces import TRACES, Ask, Trace, Words, agent, contract, steps
from naga.config.base import ConfigError
from naga.data.chat import Message

TOKENIZER = byte_tokenizer()


def words(seed: int = 1) -> Words:
    return Words(seed, TOKENIZER)


def play(trace: Trace) -> list[Ask]:
    asks = [next(trace)]
    while True:
        try:
            asks.append(trace.send(f"answer {len(asks)}"))
        except StopIteration:
            return asks


def common(one: tuple[Message, ...], other: tuple[Message, ...]) -> int:
    """Messages that both begin with."""
    pairs = list(zip(one, other, strict=False))
    return next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))


@pytest.mark.parametrize("tokens", [1, 40, 1000])
def test_words_have_the_length_asked_for(tokens: int) -> None:
    found = len(TOKENIZER.encode(words().text(tokens)))
    assert tokens <= found < tokens + 10


def test_words_are_those_of_the_seed() -> None:
    assert words(1).text(50) == words(1).text(50) != words(2).text(50)


def test_a_contract_is_asked_about_again_and_again() -> None:
    asks = play(contract(words(), turns=4, document_tokens=100))
    assert [ask.kind for ask in asks] == ["cold", "append", "append", "append"]
    for before, after in pairwise(asks):
        assert after.messages[:-2] == before.messages
        assert [message.role for message in after.messages[-2:]] == ["assistant", "user"]
    assert asks[-1].messages[1].content == "answer 1"


def test_an_agent_edits_three_times_and_leaves_two_branches() -> None:
    asks = play(agent(words(), turns=30, document_tokens=300, result_tokens=20))
    kinds = [ask.kind for ask in asks]
    assert len(asks) == 30 and kinds[0] == "cold"
    assert (kinds.count("edit"), kinds.count("branch"), kinds.count("return")) == (3, 2, 2)
    assert {ask.messages[0] for ask in asks} == {asks[0].messages[0]}
    for before, after in pairwise(asks):
        shared = common(before.messages, after.messages)
        match after.kind:
            case "append":
                assert shared == len(before.messages) == len(after.messages) - 2
            case "edit":
                assert shared == len(after.messages) - 5 and after.messages[shared].role == "user"
                assert after.messages[shared + 1 : -2] == before.messages[shared + 1 :]
            case "branch":
                assert shared == 4 and len(after.messages) == 5
            case "return":
                assert shared == 4
                assert any(after.messages[:-2] == ask.messages for ask in asks)


def test_an_agent_needs_room_for_all_that() -> None:
    with pytest.raises(ConfigError, match="at least 10 turns, not 9"):
        next(agent(words(), turns=9, document_tokens=10))


def test_steps_share_what_their_names_say() -> None:
    asks = {ask.kind: ask for ask in play(steps(words(), document_tokens=400))}
    document = asks["cold"].messages[0].content
    assert asks["the same again"].messages == asks["cold"].messages
    edits = [asks[kind].messages[0].content for kind in ("edit at 3/4", "another edit at 3/4")]
    for text in edits:
        shared = next(i for i, (a, b) in enumerate(zip(text, document, strict=False)) if a != b)
        assert 295 <= shared <= 320
    assert asks["another user"].messages == asks["the other user back"].messages
    assert asks["another user"].user != asks["cold"].user
    restarted = asks["restart, the same again"]
    assert restarted.restart and restarted.messages == asks["the first user back"].messages


def test_the_sizes_told_are_the_sizes_played() -> None:
    for name, turns, first in (("contract", 8, 16_000), ("agent", 30, 8_000), ("steps", 13, 4_000)):
        asks = play(TRACES[name](words()))
        length = sum(len(TOKENIZER.encode(one.content)) for one in asks[0].messages)
        assert len(asks) == turns and first <= length < first + 120
