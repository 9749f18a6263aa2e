"""Calls between tags that a grammar demands: whatever it lets through is a call that fits."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from data import talkers
from hypothesis import given, settings
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.data.formats import format_of, ready
from naga.data.messages import Message, Tool
from naga.data.tokenizer import Tokenizer
from naga.engine.constraint import Constraint, ConstraintFailed, Matcher, compile_constraint

PROPERTIES: dict[str, Any] = {
    "to": {"type": "string", "description": "Whom"},
    "short": {"type": "string", "minLength": 1, "maxLength": 3},
    "kind": {"enum": ["rent", "a b"], "type": "string"},
    "count": {"const": 7, "type": "integer"},
    "amount": {"type": "integer", "minimum": 1, "maximum": 20},
    "now": {"type": "boolean"},
    "none": {"type": "null"},
    "either": {"type": ["string", "null"]},
    "any": {},
    "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 2},
}
ITEM = {"item": {"enum": ["x", 1]}}


def make_tool(properties: dict[str, Any], **others: Any) -> Tool:
    parameters = {"type": "object", "properties": properties, "required": [*properties], **others}
    declared = {"type": "function", "function": {"name": "pay", "parameters": parameters}}
    return Tool(name="pay", declared=json.dumps(declared))


TOOL = make_tool(PROPERTIES, **{"$defs": ITEM})


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("nemotron")
    return ready(Tokenizer.load(talkers.nemotron_folder(folder)))


def compiled(talker: Tokenizer, tool: Tool) -> Matcher:
    form = format_of(talker)
    demand = form.demanded_call([tool])
    constraint = Constraint(kind=demand.kind, text=demand.text)
    return compile_constraint(constraint, talker, form.stop_ids(talker))


def written(name: str, value: str) -> str:
    return f"<function=pay>\n<parameter={name}>\n{value}\n</parameter>\n</function>\n"


def lets_through(talker: Tokenizer, tool: Tool, text: str) -> bool:
    matcher = compiled(talker, tool)
    try:
        for token in talker.encode(text):
            matcher.advance(token)
    except ConstraintFailed:
        return False
    return matcher.finished


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_the_masks_let_through_is_a_call_that_fits(talker: Tokenizer, seed: int) -> None:
    matcher, tokens, draw = compiled(talker, TOOL), list[int](), random.Random(seed)
    closing = iter(talker.encode("\n</parameter>\n"))
    while not matcher.finished and len(tokens) < 3000:
        mask = matcher.mask()
        allowed = [token for token in range(talker.vocab_size) if mask[token // 8] >> token % 8 & 1]
        wanted = next(closing, None) if len(allowed) > 200 else None
        if wanted is None:
            closing = iter(talker.encode("\n</parameter>\n"))
        tokens.append(
            wanted if wanted in allowed and draw.random() < 0.97 else draw.choice(allowed)
        )
        matcher.advance(tokens[-1])
    assert matcher.finished
    parser = format_of(talker).parser(talker, thinking=False, tools=[TOOL], calling=True)
    deltas = [*(parser.feed(token) for token in tokens), parser.finish()]
    (call,) = [call for delta in deltas for call in delta.calls]
    found = json.loads(call.arguments)
    assert call.name == "pay" and list(found) == list(PROPERTIES)
    assert isinstance(found["to"], str) and 1 <= len(found["short"]) <= 3
    assert found["kind"] in ("rent", "a b") and found["count"] == 7
    assert 1 <= found["amount"] <= 20 and isinstance(found["now"], bool)
    assert found["none"] is None and all(item in ("x", 1) for item in found["items"])


@pytest.mark.parametrize(
    ("described", "value", "fits"),
    [
        ({"type": "string"}, "two\nlines <b>", True),
        ({"type": "string"}, "", True),
        ({"type": "string"}, "a</parameter>b", False),
        ({"type": "string", "maxLength": 3}, "abc", True),
        ({"type": "string", "maxLength": 3}, "abcd", False),
        ({"type": "string", "minLength": 2}, "a", False),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "true", False),
        ({"type": "number"}, "1.5", True),
        ({"type": "number"}, "x", False),
        ({"type": "array"}, '[1, {"a": "b"}]', True),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a": "1"}', False),
        ({"enum": ["a", "b"]}, "b", True),
        ({"enum": ["a", "b"]}, "c", False),
    ],
)
def test_a_value_must_fit(
    talker: Tokenizer, described: dict[str, Any], value: str, fits: bool
) -> None:
    assert lets_through(talker, make_tool({"p": described}), written("p", value)) == fits


def test_only_what_is_not_required_may_be_left_out(talker: Tokenizer) -> None:
    nothing = "<function=pay>\n</function>\n"
    assert lets_through(talker, make_tool({"p": {}}, required=[]), nothing)
    assert not lets_through(talker, make_tool({"p": {}}), nothing)
    assert lets_through(talker, Tool(name="pay", declared='{"function": {"name": "pay"}}'), nothing)


@pytest.mark.parametrize(
    ("properties", "others", "problem"),
    [
        ({"p": {"type": "string", "pattern": "a"}}, {}, "'pattern' of its argument 'p'"),
        ({"p": {"type": "string", "format": "date"}}, {}, "'format' of its argument 'p'"),
        ({"p": {"anyOf": [{"type": "integer"}]}}, {}, "'anyOf' of its argument 'p'"),
        ({"p": {"type": ["integer", "boolean"]}}, {}, "'type' of its argument 'p'"),
        ({"p": {"enum": [1]}}, {}, "the value '1' of its argument 'p'"),
        (
            {"p": {"enum": ["a"], "maxLength": 1}},
            {},
            "'maxLength' of its argument 'p', with 'enum'",
        ),
        ({"p": {"enum": "a"}}, {}, "no list of values"),
        ({}, {"required": "q"}, "'required', which is no list"),
        ({"p>": {}}, {}, "its argument 'p>'"),
        ({}, {"required": ["q"]}, "'q', required but not among"),
        ({}, {"minProperties": 1}, "its schema's 'minProperties'"),
    ],
)
def test_what_cannot_be_held_to_is_refused(
    talker: Tokenizer, properties: dict[str, Any], others: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        format_of(talker).demanded_call([make_tool(properties, **others)])
    assert "\n" not in str(caught.value)


def test_a_demanded_call_goes_on_from_its_prompt(talker: Tokenizer) -> None:
    form, question = format_of(talker), [Message(role="user", content="1")]
    prompt = form.render_prompt(talker, question, tools=[TOOL], calling=True, enable_thinking=False)
    assert talkers.spell(talker, prompt).endswith("assistant\n<think></think>\n<tool_call>\n")
