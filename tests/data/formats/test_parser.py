"""A reply's tokens -> reasoning, content and calls, in the formats of other families."""

import json
import re
from itertools import chain, takewhile

import pytest
from data import talkers
from hypothesis import given, settings
from hypothesis import strategies as st

from naga.data.formats import Format, Parser
from naga.data.messages import Delta, Message, Tool, ToolCall
from naga.data.tokenizer import CONTROL, Tokenizer

TOOL = Tool(
    name="pay",
    declared=json.dumps(
        {
            "type": "function",
            "function": {
                "name": "pay",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "to": {"type": "string"},
                        "amount": {"type": "integer"},
                        "share": {"type": "number"},
                        "now": {"type": "boolean"},
                        "items": {"type": "array"},
                        "more": {"type": "object"},
                        "note": {"type": ["string", "null"]},
                    },
                },
            },
        }
    ),
)
WORDS = st.sampled_from(["付款", " ", "\n", "a", "12", "é", "😀", '"', "<", "<tool", "{}", "\\"])
TEXT = st.lists(WORDS, max_size=5).map("".join)
INSIDE = st.recursive(TEXT | st.integers() | st.booleans(), lambda x: st.lists(x, max_size=2))
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "to": TEXT,
        "amount": st.integers(),
        "share": st.floats(allow_nan=False, allow_infinity=False),
        "now": st.booleans(),
        "items": st.lists(INSIDE, max_size=2),
        "more": st.dictionaries(TEXT, INSIDE, max_size=2),
        "note": st.none() | TEXT.filter(lambda text: text not in ("None", "null")),
    },
)
CALLS = st.lists(
    ARGUMENTS.map(lambda found: ToolCall(name="pay", arguments=dumps(found))), max_size=3
).map(tuple)


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def parse(parser: Parser, tokens: list[int]) -> Delta:
    return joined([*(parser.feed(token) for token in tokens), parser.finish()])


def joined(deltas: list[Delta]) -> Delta:
    return Delta(
        reasoning="".join(delta.reasoning for delta in deltas),
        content="".join(delta.content for delta in deltas),
        calls=tuple(chain.from_iterable(delta.calls for delta in deltas)),
    )


def new_parser(
    talker: Tokenizer, form: Format, *, thinking: bool = False, tools: bool = True
) -> Parser:
    offered = [TOOL] if tools else []
    return form.parser(talker, thinking=thinking, tools=offered, calling=False)


def before_end(talker: Tokenizer, form: Format, answered: list[int]) -> list[int]:
    ends = form.stop_ids(talker)
    return list(takewhile(lambda token: token not in ends, answered))


def written(talker: Tokenizer, text: str) -> list[int]:
    """Tokens of a text that a model writes: names of control tokens in it are these tokens."""
    names = [
        *CONTROL,
        *talkers.GRANITE_CONTROL,
        *talkers.NEMOTRON_CONTROL,
        *talkers.TAGS,
        *talkers.THOUGHT,
    ]
    known = [name for name in names if talker.has_control(name)]
    tokens: list[int] = []
    for part in re.split("(" + "|".join(map(re.escape, known)) + ")", text):
        tokens += [talker.control_id(part)] if part in known else talker.encode(part)
    return tokens


@settings(max_examples=100, deadline=None)
@given(content=TEXT, reasoning=TEXT, calls=CALLS)
def test_what_is_rendered_is_read_back(
    talker: Tokenizer,
    form: Format,
    content: str,
    reasoning: str,
    calls: tuple[ToolCall, ...],
) -> None:
    # Blanks at these places are the formats' own.
    content = content.strip()
    reasoning = reasoning.strip() if form.thinks else ""
    question = [Message(role="user", content="1")]
    reply = Message(role="assistant", content=content, reasoning=reasoning, calls=calls)
    whole = form.render(talker, [*question, reply], [TOOL]).tokens
    thinking = bool(reasoning)
    prompt = form.render_prompt(talker, question, tools=[TOOL], enable_thinking=thinking)
    assert list(whole[: len(prompt)]) == prompt
    parser = new_parser(talker, form, thinking=thinking and form.thinks)
    found = parse(parser, before_end(talker, form, list(whole[len(prompt) :])))
    assert (found.reasoning, found.content) == (reasoning, content)
    assert [json.loads(call.arguments) for call in found.calls] == [
        json.loads(call.arguments) for call in calls
    ]
    assert {call.name for call in found.calls} <= {"pay"}


def streams(talker: Tokenizer) -> st.SearchStrategy[list[int]]:
    """Any tokens, with markers, beginnings of markers and whole calls among them."""
    pieces = [
        "<tool_call>", "</tool_call>", "</think>", "<tool_", "call>", "</", "\n", " ", "付",
        '\n{"name": "pay", "arguments": {"a": 1}}\n', "<function=pay>\n</function>\n",
        '<tool_call>{"name": "pay", "arguments": {}}</tool_call>', "<TOOLCALL>", "</TOOLCALL>",
        '<TOOLCALL>[{"name": "pay", "arguments": {}}]</TOOLCALL>', "<TOOL", "[", "]",
        "<tool_call><function=pay></function></tool_call>",
    ]  # fmt: skip
    text = st.sampled_from(pieces).map(lambda piece: written(talker, piece))
    anything = st.integers(0, talker.vocab_size - 1).map(lambda token: [token])
    return st.lists(text | anything, max_size=12).map(lambda parts: list(chain(*parts)))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), thinking=st.booleans(), tools=st.booleans())
def test_every_cut_of_a_stream_gives_the_beginning_of_the_whole(
    talker: Tokenizer, form: Format, data: st.DataObject, thinking: bool, tools: bool
) -> None:
    tokens = data.draw(streams(talker))
    thinking = thinking and form.thinks
    whole = parse(new_parser(talker, form, thinking=thinking, tools=tools), tokens)
    cut = data.draw(st.integers(0, len(tokens)))
    parser = new_parser(talker, form, thinking=thinking, tools=tools)
    shown = joined([parser.feed(token) for token in tokens[:cut]])
    rest = joined([*(parser.feed(token) for token in tokens[cut:]), parser.finish()])
    assert joined([shown, rest]) == whole
    assert whole.reasoning.startswith(shown.reasoning)
    assert whole.content.startswith(shown.content)
    assert whole.calls[: len(shown.calls)] == shown.calls
    assert tools or not whole.calls


@settings(max_examples=100, deadline=None)
@given(text=st.lists(WORDS | st.sampled_from(talkers.TAGS[:2]), max_size=8).map("".join))
def test_without_tools_all_is_content_at_once(talker: Tokenizer, form: Format, text: str) -> None:
    parser = new_parser(talker, form, tools=False)
    found = joined([parser.feed(token) for token in written(talker, text)])
    assert found == Delta(content=text.strip() if form.name == "nemotron-nano-2" else text)
    assert parser.finish() == Delta()


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\nnot a call\n</tool_call>",
        "<tool_call>\n{}\n</tool_call>",
        "<tool_call>\n[1]\n</tool_call>",
        '<tool_call>\n[{"name": "pay", "arguments": {}}, {}]\n</tool_call>',
        '<tool_call>\n{"name": "pay", "arguments": [1]}\n</tool_call>',
        '<tool_call>\n{"name": "pay", "arguments": {"a": NaN}}\n</tool_call>',
        '<tool_call>\n{"name": "\\ud800", "arguments": {}}\n</tool_call>',
        "<tool_call>\n" + "[" * 3000 + "\n</tool_call>",
        "<tool_call>\n<function=pay>\n<parameter=a>\n1\n</function>\n</tool_call>",
        "<tool_call>\n<function=pay",
        "<tool_call>",
        "</tool_call> so",
        "see <tool_ca",
    ],
)
def test_what_is_no_call_is_content_as_it_was_written(
    talker: Tokenizer, form: Format, text: str
) -> None:
    if form.name == "nemotron-nano-2":
        text = text.replace("tool_call>", "TOOLCALL>").replace("<tool_ca", "<TOOLCA")
    found = parse(new_parser(talker, form), written(talker, "A\n" + text))
    assert found == Delta(content="A\n" + text)


def test_a_call_comes_when_it_is_complete(talker: Tokenizer, form: Format) -> None:
    call = Message(
        role="assistant", content="", calls=(ToolCall(name="pay", arguments='{"to": "a"}'),)
    )
    tokens = list(form.render(talker, [Message(role="user", content="1"), call], [TOOL]).tokens)
    prompt = form.render_prompt(
        talker, [Message(role="user", content="1")], tools=[TOOL], enable_thinking=False
    )
    parser = new_parser(talker, form)
    answered = before_end(talker, form, tokens[len(prompt) :])
    deltas = [parser.feed(token) for token in answered]
    assert sum(len(delta.calls) for delta in deltas) == 1
    assert not any(delta.content for delta in deltas)
    assert parser.finish() == Delta()


def test_a_call_in_a_thought_is_thought(talker: Tokenizer, form: Format) -> None:
    if not form.thinks:
        pytest.skip("a format without thoughts")
    text = "I might <tool_call><function=pay></function></tool_call> later\n</think>\n\nNo."
    found = parse(new_parser(talker, form, thinking=True), written(talker, text))
    if form.name == "naga":
        # No blank is its own.
        assert (found.reasoning, found.content) == tuple(text.split("</think>"))
    else:
        assert found.reasoning == text.partition("\n</think>")[0]
        assert found.content == ("No." if form.name == "nemotron-nano-2" else "\nNo.")
    assert found.calls == ()


def test_what_the_schema_does_not_say_is_text(talker: Tokenizer, form: Format) -> None:
    if form.name != "nemotron-3":
        pytest.skip("JSON has types of its own")
    values = {"amount": "many", "now": "yes", "items": "{}", "note": "null", "other": "5"}
    text = "".join(f"<parameter={name}>\n{value}\n</parameter>\n" for name, value in values.items())
    text = f"<tool_call>\n<function=pay>\n{text}</function>\n</tool_call>"
    (call,) = parse(new_parser(talker, form), written(talker, text)).calls
    assert json.loads(call.arguments) == values | {"note": None}
