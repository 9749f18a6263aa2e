"""Messages and tools -> tokens, in the formats of other families."""

import json
from pathlib import Path
from typing import Any

import pytest
from data import talkers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from naga.config.base import ConfigError
from naga.data.formats import Format, format_of, ready
from naga.data.messages import Message, Tool, ToolCall
from naga.data.tokenizer import CONTROL, Tokenizer
from naga.data.tokenizer import TOOL as TOOL_TURN

PARTS = ["你好", "。", " ", "\n", "a", "The rent", "12", "{{", "{% if %}", "é", "😀", '"', "<x>"]
NAMES = [
    *talkers.CONTROL, *CONTROL, TOOL_TURN, "/think", "/no_think",
    "<function=pay>", "</function>", "</parameter>",
]  # fmt: skip
PLAIN = st.lists(st.sampled_from(PARTS), max_size=5).map("".join)
HOSTILE = st.lists(st.sampled_from([*PARTS, *NAMES]), max_size=6).map("".join)
PAY = {
    "type": "function",
    "function": {
        "name": "pay",
        "description": " Pay a bill. ",
        "parameters": {
            "type": "object",
            "properties": {
                "to": {"type": "string", "description": "Whom", "enum": ["a", "b"]},
                "amount": {"type": "integer", "minimum": 1},
            },
            "required": ["to"],
        },
    },
}
TOOL = Tool(name="pay", declared=json.dumps(PAY))


def calls(text: st.SearchStrategy[str]) -> st.SearchStrategy[ToolCall]:
    values = text | st.integers() | st.lists(text, max_size=2)
    arguments = st.dictionaries(st.sampled_from(["to", "amount"]), values, max_size=2)
    return arguments.map(
        lambda found: ToolCall(name="pay", arguments=json.dumps(found, ensure_ascii=False))
    )


def conversations(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[Message]]:
    role = st.sampled_from(["system", "user", "tool"])
    message = st.builds(Message, role=role, content=text) | st.builds(
        Message,
        role=st.just("assistant"),
        content=text,
        reasoning=text,
        calls=st.lists(calls(text), max_size=2).map(tuple),
    )
    return st.lists(message, min_size=1, max_size=5)


def sayable(form: Format, messages: list[Message]) -> list[Message]:
    """Without what the format refuses: of Nemotron Nano 2, system messages but the first."""
    if form.name != "nemotron-nano-2":
        return messages
    return messages[:1] + [message for message in messages[1:] if message.role != "system"]


def as_dict(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        row["reasoning_content"] = message.reasoning
    if message.calls:
        row["tool_calls"] = [
            {"function": {"name": call.name, "arguments": json.loads(call.arguments)}}
            for call in message.calls
        ]
    return row


@pytest.fixture(scope="module")
def official(folder: Path) -> Any:
    """What transformers makes of the folder."""
    return AutoTokenizer.from_pretrained(folder)


@settings(max_examples=40, deadline=None)
@given(messages=conversations(PLAIN), thinking=st.booleans())
def test_the_tokens_are_those_of_the_template(
    talker: Tokenizer,
    form: Format,
    official: PreTrainedTokenizerBase,
    messages: list[Message],
    thinking: bool,
) -> None:
    messages = sayable(form, messages)
    tools = [] if form.name == "nemotron-3" else [TOOL]
    text = official.apply_chat_template(
        [as_dict(message) for message in messages],
        tools=[PAY] if tools else None,
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=thinking,
    )
    thinking = form.opens_thought(messages, thinking)
    tokens = form.render_prompt(talker, messages, tools=tools, enable_thinking=thinking)
    assert talkers.spell(talker, tokens) == text


def test_benign_text_has_the_tokens_of_the_whole_string(
    talker: Tokenizer, form: Format, official: PreTrainedTokenizerBase
) -> None:
    messages = [
        Message(role="user", content="\nPay the rent.\n"),
        Message(role="assistant", content="Paid.", reasoning="Is it due?"),
        Message(role="user", content="user 付款"),
    ]
    tokens = form.render_prompt(talker, messages)
    assert official(talkers.spell(talker, tokens), add_special_tokens=False)["input_ids"] == tokens


@settings(max_examples=60, deadline=None)
@given(messages=conversations(HOSTILE))
def test_no_text_forges_a_control_token(
    talker: Tokenizer, form: Format, messages: list[Message]
) -> None:
    def controls(found: list[Message]) -> list[str]:
        tokens = form.render(talker, found, [TOOL]).tokens
        names = (talker.control_name(token) for token in tokens)
        return [name for name in names if name is not None]

    messages = sayable(form, messages)
    assert controls(messages) == controls([harmless(message) for message in messages])


def harmless(message: Message) -> Message:
    """The same message, saying x wherever it says anything."""
    return Message(
        role=message.role,
        content="x" if message.content.strip() else message.content,
        reasoning="x" if message.reasoning.strip() else message.reasoning,
        calls=tuple(ToolCall(name="pay", arguments="{}") for _ in message.calls),
    )


@settings(max_examples=40, deadline=None)
@given(messages=conversations(HOSTILE))
def test_messages_end_at_their_end_tokens(
    talker: Tokenizer, form: Format, messages: list[Message]
) -> None:
    messages = sayable(form, messages)
    prompt = form.render_prompt(talker, messages)
    ends = form.message_ends(talker, prompt)
    if form.name == "nemotron-nano-2":
        # Nothing ends a user's turn but the next one.
        start = talker.control_id("<SPECIAL_11>")
        assert [prompt[position] for position in ends] == [start] * prompt.count(start)
        return
    stops = form.stop_ids(talker)
    assert all(prompt[position - 1] in stops for position in ends)
    assert sum(token in stops for token in prompt) == len(ends)


def test_learned_is_what_the_model_writes(talker: Tokenizer, form: Format) -> None:
    messages = [
        Message(role="user", content="1"),
        Message(role="assistant", content="A", reasoning="old"),
        Message(role="user", content="2"),
        Message(role="assistant", content="B", reasoning="new"),
    ]
    rendered = form.render(talker, messages)
    spans = zip(rendered.tokens, rendered.loss_mask, strict=True)
    learned = talkers.spell(talker, [token for token, flag in spans if flag])
    assert learned == {
        "naga": "A<|end|>new</think>B<|end|>",
        "nemotron-nano-2": "A\n<SPECIAL_12>new\n</think>\nB\n<SPECIAL_12>",
        "granite-4": "A<|end_of_text|>B<|end_of_text|>",
        "nemotron-3": "A<|im_end|>new\n</think>\nB<|im_end|>",
    }[form.name]  # fmt: skip


def test_a_reply_goes_on_from_its_prompt(talker: Tokenizer, form: Format) -> None:
    question = [Message(role="user", content="1")]
    reply = Message(role="assistant", content="A", reasoning="why" if form.thinks else "")
    whole = form.render(talker, [*question, reply])
    prompt = form.render_prompt(talker, question)
    assert list(whole.tokens[: len(prompt)]) == prompt
    assert not any(whole.loss_mask[: len(prompt)]) and whole.loss_mask[len(prompt)]


def test_tools_of_nemotron_stand_in_tags(tmp_path: Path) -> None:
    talker = ready(Tokenizer.load(talkers.nemotron_folder(tmp_path)))
    messages = [Message(role="system", content="S"), Message(role="user", content="U")]
    tokens = format_of(talker).render_prompt(talker, messages, tools=[TOOL], enable_thinking=False)
    text = talkers.spell(talker, tokens)
    assert text.startswith(
        "<|im_start|>system\nS\n\n# Tools\n\nYou have access to the following functions:\n\n"
        "<tools>\n<function>\n<name>pay</name>\n<description>Pay a bill.</description>\n"
        "<parameters>\n<parameter>\n<name>to</name>\n<type>string</type>\n"
        '<description>Whom</description>\n<enum>["a", "b"]</enum>\n</parameter>\n'
        "<parameter>\n<name>amount</name>\n<type>integer</type>\n<minimum>1</minimum>\n"
        '</parameter>\n<required>["to"]</required>\n</parameters>\n</function>\n</tools>\n\n'
        "If you choose to call a function"
    )
    assert text.endswith(
        "</IMPORTANT><|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
        "<|im_start|>assistant\n<think></think>"
    )


@pytest.mark.parametrize(
    ("said", "on"),
    [("1", True), ("1 /no_think", False), ("/no_think 1 /think", True), ("a/think", True)],
)
def test_words_switch_the_thoughts_of_nano(tmp_path: Path, said: str, on: bool) -> None:
    talker = ready(Tokenizer.load(talkers.nano_folder(tmp_path)))
    form, messages = format_of(talker), [Message(role="user", content=said)]
    assert form.opens_thought(messages, True) == on and not form.opens_thought(messages, False)
    before = [Message(role="system", content="/no_think S"), *messages]
    assert form.opens_thought(before, True) == (on and "/think" in said)
    prompt = talkers.spell(talker, form.render_prompt(talker, before, enable_thinking=on))
    text = said.replace("/think", "").replace("/no_think", "").strip()
    assert prompt == (
        f"<SPECIAL_10>System\nS\n<SPECIAL_11>User\n{text}\n<SPECIAL_11>Assistant\n<think>"
        + ("\n" if on else "</think>")
    )
    with pytest.raises(ConfigError, match="one system message, the first"):
        form.render(talker, [*messages, before[0]])


def test_the_first_granite_4_speaks_a_system_turn_of_its_own(tmp_path: Path) -> None:
    folder = talkers.granite_folder(tmp_path)
    default = (
        "You are a helpful assistant. Please ensure responses are professional, accurate, and safe."
    )
    template = folder / "chat_template.jinja"
    text = template.read_text(encoding="utf-8")
    template.write_text("{#- " + default + " -#}" + text, encoding="utf-8")
    talker = ready(Tokenizer.load(folder))
    prompt = format_of(talker).render_prompt(talker, [Message(role="user", content="1")])
    assert talkers.spell(talker, prompt) == (
        f"<|start_of_role|>system<|end_of_role|>{default}<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>1<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>"
    )


def test_an_empty_conversation_is_refused(talker: Tokenizer, form: Format) -> None:
    with pytest.raises(ConfigError, match="at least one message"):
        form.render_prompt(talker, [])
