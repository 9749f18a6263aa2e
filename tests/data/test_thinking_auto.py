"""Automatic thinking in data: the decision is learned where it was one, and nowhere else."""

import pytest

from naga.config.base import ConfigError
from naga.data.chat import Message, render, render_prompt
from naga.data.conversations import read_conversation
from naga.data.formats import Format
from naga.data.formats.granite import GraniteFormat
from naga.data.formats.nemotron import NemotronFormat
from naga.data.formats.own import OwnFormat
from naga.data.tokenizer import END_THINK, THINK, Tokenizer

ASK = Message(role="user", content="2+2")


def learned(tokenizer: Tokenizer, *messages: Message) -> list[int]:
    rendered = render(tokenizer, messages)
    return [t for t, mask in zip(rendered.tokens, rendered.loss_mask, strict=True) if mask]


def test_an_empty_think_block_is_learned_where_it_was_decided_and_given_elsewhere(
    tokenizer: Tokenizer,
) -> None:
    end = tokenizer.control_id(END_THINK)
    straight = Message(role="assistant", content="4")
    decided = Message(role="assistant", content="4", thinking="auto")
    assert render(tokenizer, [ASK, straight]).tokens == render(tokenizer, [ASK, decided]).tokens
    assert end not in learned(tokenizer, ASK, straight)
    assert learned(tokenizer, ASK, decided) == [end, *learned(tokenizer, ASK, straight)]


def test_the_decision_is_the_first_token_after_the_prompt(tokenizer: Tokenizer) -> None:
    prompt = render_prompt(tokenizer, [ASK])
    assert prompt[-1] == tokenizer.control_id(THINK)
    for reasoning in ("", "two and two"):
        answer = Message(role="assistant", content="4", reasoning=reasoning, thinking="auto")
        rendered = render(tokenizer, [ASK, answer])
        assert list(rendered.tokens[: len(prompt)]) == prompt
        assert rendered.loss_mask == (False,) * len(prompt) + (True,) * (
            len(rendered.tokens) - len(prompt)
        )
        first = rendered.tokens[len(prompt)]
        assert (first == tokenizer.control_id(END_THINK)) is (not reasoning)


def test_a_dropped_thought_was_not_decided_against(tokenizer: Tokenizer) -> None:
    before = Message(role="assistant", content="4", reasoning="two and two", thinking="auto")
    end = tokenizer.control_id(END_THINK)
    after = Message(role="assistant", content="6", reasoning="three and three", thinking="auto")
    assert learned(tokenizer, ASK, before, ASK, after).count(end) == 1


@pytest.mark.parametrize("form", [GraniteFormat(), NemotronFormat()], ids=lambda form: form.name)
def test_other_formats_refuse_what_they_cannot_say(form: Format, tokenizer: Tokenizer) -> None:
    decided = Message(role="assistant", content="4", thinking="auto")
    with pytest.raises(ConfigError, match=r'cannot say .* leave "thinking" out'):
        form.render(tokenizer, [ASK, decided])
    assert not form.decides
    assert OwnFormat(has_tools=False).decides


def test_a_row_says_that_it_was_decided() -> None:
    def read(**more: object) -> Message:
        answer = {"role": "assistant", "content": "4", **more}
        row = {"messages": [{"role": "user", "content": "2+2"}, answer]}
        return read_conversation(row, "a.jsonl:1").messages[-1]

    assert read().thinking is read(thinking=None).thinking is None
    assert read(thinking="auto").thinking == "auto"
    with pytest.raises(ConfigError, match=r'a\.jsonl:1: thinking True: must be "auto"'):
        read(thinking=True)
    with pytest.raises(ConfigError, match="a user message decides on no thought"):
        Message(role="user", content="x", thinking="auto")
