from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from naga.config.base import ConfigError
from naga.data.chat import Message, ReplyParser, render, render_prompt
from naga.data.messages import Tool, ToolCall
from naga.data.tokenizer import CONTROL, END_THINK, THINK, TOOL_CONTROL, Tokenizer

NAMES = CONTROL + TOOL_CONTROL
PARTS = ["你好", "。", " ", "\n", "\t", "a", "The rent", "12", "{{", "}}", "{% if %}", "é", "😀"]
PLAIN = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
HOSTILE = st.lists(st.sampled_from([*PARTS, *NAMES]), max_size=6).map("".join)


def conversations(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[Message]]:
    given_role = st.sampled_from(["system", "user"])
    message = st.builds(Message, role=given_role, content=text) | st.builds(
        Message, role=st.just("assistant"), content=text, reasoning=text
    )
    return st.lists(message, min_size=1, max_size=6)


def as_dict(message: Message) -> dict[str, str]:
    row = {"role": message.role, "content": message.content}
    return row | ({"reasoning_content": message.reasoning} if message.reasoning else {})


def spell(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The ids as a string, control tokens by name."""
    data = (
        NAMES[index].encode() if index < len(NAMES) else tokenizer.token_bytes(index)
        for index in ids
    )
    return b"".join(data).decode()


@pytest.fixture(scope="module")
def official(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What transformers makes of the saved folder."""
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_the_format_is_as_documented(tokenizer: Tokenizer) -> None:
    messages = [
        Message(role="system", content="S"),
        Message(role="user", content="1"),
        Message(role="assistant", content="A", reasoning="old"),
        Message(role="user", content="2"),
        Message(role="assistant", content="B", reasoning="new"),
    ]
    assert spell(tokenizer, list(render(tokenizer, messages).tokens)) == (
        "<|system|>S<|end|><|user|>1<|end|><|assistant|><think></think>A<|end|>"
        "<|user|>2<|end|><|assistant|><think>new</think>B<|end|>"
    )


def test_tools_are_as_documented(tokenizer: Tokenizer) -> None:
    declared = '{"type": "function", "function": {"name": "pay", "parameters": {"a": 1}}}'
    tools = [
        Tool(name="pay", declared=declared),
        Tool(name="é", declared='{"function": {"name": "é"}}'),
    ]
    call = ToolCall(name="pay", arguments='{"a":  "甲"}')
    messages = [
        Message(role="system", content="S"),
        Message(role="user", content="1"),
        Message(role="assistant", content="A", reasoning="why", calls=(call, call)),
        Message(role="tool", content="R"),
        Message(role="assistant", content="B"),
    ]
    offered = (
        "You can call these tools, one in each line:\n"
        '{"name": "pay", "parameters": {"a": 1}}\n{"name": "é"}<|end|>'
    )
    learned = (
        'why</think>A<tool_call>{"name": "pay", "arguments": {"a": "甲"}}</tool_call>'
        '<tool_call>{"name": "pay", "arguments": {"a": "甲"}}</tool_call><|end|>'
    )
    rendered = render(tokenizer, messages, tools)
    assert spell(tokenizer, list(rendered.tokens)) == (
        f"<|system|>S\n\n{offered}<|user|>1<|end|><|assistant|><think>{learned}"
        "<|tool|>R<|end|><|assistant|><think></think>B<|end|>"
    )
    spans = zip(rendered.tokens, rendered.loss_mask, strict=True)
    assert spell(tokenizer, [token for token, flag in spans if flag]) == learned + "B<|end|>"
    prompt = render_prompt(tokenizer, messages[1:2], tools, calling=True)
    assert spell(tokenizer, prompt) == (
        f"<|system|>{offered}<|user|>1<|end|><|assistant|><think></think><tool_call>"
    )


def test_learned_is_what_the_model_writes(tokenizer: Tokenizer) -> None:
    messages = [
        Message(role="user", content="1"),
        Message(role="assistant", content="A", reasoning="old"),
        Message(role="user", content="2"),
        Message(role="assistant", content="B", reasoning="new"),
    ]
    rendered = render(tokenizer, messages)
    spans = zip(rendered.tokens, rendered.loss_mask, strict=True)
    learned = spell(tokenizer, [token for token, flag in spans if flag])
    assert learned == "A<|end|>new</think>B<|end|>"


@given(messages=conversations(HOSTILE), thinking=st.booleans())
def test_the_template_renders_the_same_string(
    tokenizer: Tokenizer,
    official: PreTrainedTokenizerBase,
    messages: list[Message],
    thinking: bool,
) -> None:
    rows = [as_dict(message) for message in messages]
    whole = official.apply_chat_template(rows, tokenize=False)
    prompt = official.apply_chat_template(
        rows, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    assert whole == spell(tokenizer, list(render(tokenizer, messages).tokens))
    assert prompt == spell(tokenizer, render_prompt(tokenizer, messages, enable_thinking=thinking))


@given(messages=conversations(PLAIN), thinking=st.booleans())
def test_transformers_encodes_the_whole_string_to_the_same_ids(
    tokenizer: Tokenizer,
    official: PreTrainedTokenizerBase,
    messages: list[Message],
    thinking: bool,
) -> None:
    rows = [as_dict(message) for message in messages]
    prompt = official.apply_chat_template(
        rows, add_generation_prompt=True, enable_thinking=thinking, return_dict=False
    )
    assert prompt == render_prompt(tokenizer, messages, enable_thinking=thinking)


def test_transformers_sees_our_end_and_pad_tokens(
    tokenizer: Tokenizer, official: PreTrainedTokenizerBase
) -> None:
    assert official.eos_token_id == tokenizer.control_id("<|end|>")
    assert official.pad_token_id == tokenizer.control_id("<|endoftext|>")
    assert official.decode(tokenizer.encode("甲方 , it 's")) == "甲方 , it 's"


def test_thinking_is_on_unless_switched_off(
    tokenizer: Tokenizer, official: PreTrainedTokenizerBase
) -> None:
    messages = [Message(role="user", content="hi")]
    default = official.apply_chat_template(
        [as_dict(m) for m in messages], add_generation_prompt=True, return_dict=False
    )
    assert default == render_prompt(tokenizer, messages)
    assert default[-1] == tokenizer.control_id(THINK)


@given(messages=conversations(HOSTILE))
def test_control_ids_come_from_the_format_alone(
    tokenizer: Tokenizer, messages: list[Message]
) -> None:
    tokens = render(tokenizer, messages).tokens
    expected = sum(4 if message.role == "assistant" else 2 for message in messages)
    assert sum(token < len(NAMES) for token in tokens) == expected


@given(messages=conversations(HOSTILE))
def test_a_prompt_and_its_reply_are_the_training_tokens(
    tokenizer: Tokenizer, messages: list[Message]
) -> None:
    question = [*messages, Message(role="user", content="?")]
    answer = Message(role="assistant", content="7", reasoning="3 + 4")
    rendered = render(tokenizer, [*question, answer])
    prompt = render_prompt(tokenizer, question)
    assert list(rendered.tokens[: len(prompt)]) == prompt
    assert all(rendered.loss_mask[len(prompt) :])
    assert not rendered.loss_mask[len(prompt) - 1]


def test_without_thinking_the_reply_follows_the_closed_block(tokenizer: Tokenizer) -> None:
    question = [Message(role="user", content="?")]
    rendered = render(tokenizer, [*question, Message(role="assistant", content="7")])
    prompt = render_prompt(tokenizer, question, enable_thinking=False)
    assert list(rendered.tokens[: len(prompt)]) == prompt
    assert rendered.loss_mask == (False,) * len(prompt) + (True,) * (
        len(rendered.tokens) - len(prompt)
    )


def test_bad_messages_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="unknown role 'critic'"):
        Message(role="critic", content="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="user message has no reasoning"):
        Message(role="user", content="x", reasoning="y")
    with pytest.raises(ConfigError, match="at least one message"):
        render(tokenizer, [])


def reply_ids(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    """Any tokens, broken characters and stray control tokens among them."""
    text = st.sampled_from(["你好", "😀", "rent", "é"]).map(tokenizer.encode)
    anything = st.integers(0, tokenizer.vocab_size - 1).map(lambda index: [index])
    end_think = st.just([tokenizer.control_id(END_THINK)])
    return st.lists(text | anything | end_think, max_size=20).map(lambda parts: list(chain(*parts)))


@given(data=st.data(), thinking=st.booleans(), raw=st.booleans())
@settings(max_examples=200)
def test_a_streamed_reply_equals_the_whole_one(
    tokenizer: Tokenizer, data: st.DataObject, thinking: bool, raw: bool
) -> None:
    ids = data.draw(reply_ids(tokenizer))
    parser = ReplyParser(tokenizer, thinking=thinking, raw=raw)
    deltas = [*(parser.feed(token) for token in ids), parser.finish()]

    end_think = tokenizer.control_id(END_THINK)
    cut = (ids.index(end_think) if end_think in ids else len(ids)) if thinking and not raw else 0
    assert "".join(delta.reasoning for delta in deltas) == tokenizer.decode(ids[:cut])
    assert "".join(delta.content for delta in deltas) == tokenizer.decode(ids[cut:])


def test_a_character_is_held_back_until_it_is_whole(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("😀")
    assert len(ids) == 4
    parser = ReplyParser(tokenizer, thinking=False)
    assert [parser.feed(token).content for token in ids] == ["", "", "", "😀"]
    assert parser.finish().content == ""


def test_a_character_cut_off_by_the_end_of_thought_stays_in_the_reasoning(
    tokenizer: Tokenizer,
) -> None:
    parser = ReplyParser(tokenizer, thinking=True)
    assert parser.feed(tokenizer.encode("😀")[0]).reasoning == ""
    delta = parser.feed(tokenizer.control_id(END_THINK))
    assert (delta.reasoning, delta.content) == ("\ufffd", "")
    assert not parser.reasoning


@given(messages=conversations(HOSTILE))
def test_no_two_contents_touch(tokenizer: Tokenizer, messages: list[Message]) -> None:
    """Piecewise = whole: every run of plain text in a rendering is one content's own encoding."""
    tokens = list(render(tokenizer, messages).tokens)
    controls = [index for index, token in enumerate(tokens) if token < len(NAMES)]
    runs = [tokens[left + 1 : right] for left, right in pairwise(controls)]
    texts = {message.content for message in messages} | {m.reasoning for m in messages} | {""}
    allowed = [tokenizer.encode(text) for text in texts]
    assert all(run in allowed for run in runs)
