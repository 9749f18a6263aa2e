"""Masks let through what a constraint describes, all of it and no more; the rest is refused."""

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.data.tokenizer import CONTROL, END, END_OF_TEXT, Tokenizer
from naga.engine.answer import own_stop_ids
from naga.engine.constraint import (
    MAX_TEXT,
    Constraint,
    ConstraintFailed,
    ConstraintKind,
    Matcher,
    compile_constraint,
)

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 4},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "kind": {"enum": ["甲", "乙"]},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}


def compiled(tokenizer: Tokenizer, kind: ConstraintKind, text: str = "") -> Matcher:
    constraint = Constraint(kind=kind, text=text)
    return compile_constraint(constraint, tokenizer, own_stop_ids(tokenizer))


def tokens_of(mask: bytes) -> list[int]:
    return [i for i in range(8 * len(mask)) if mask[i // 8] >> i % 8 & 1]


def wander(tokenizer: Tokenizer, matcher: Matcher, seed: int) -> str | None:
    """The text of tokens drawn from the masks up to an end; None if it gets long."""
    drawn, ends = random.Random(seed), own_stop_ids(tokenizer)
    text = b""
    while len(text) < 400:
        if matcher.finished:
            return text.decode()
        token = drawn.choice(tokens_of(matcher.mask()))
        if token in ends:
            return text.decode()
        text += tokenizer.token_bytes(token)
        matcher.advance(token)
    return None


@given(st.integers(0, 2**32))
def test_whatever_the_masks_let_through_is_of_the_schema(tokenizer: Tokenizer, seed: int) -> None:
    text = wander(tokenizer, compiled(tokenizer, "json_schema", json.dumps(PERSON)), seed)
    assert text is not None
    person = json.loads(text)
    assert person.keys() == {"name", "age", "kind"}
    assert len(person["name"]) <= 4 and 0 <= person["age"] <= 120 and person["kind"] in "甲乙"


@given(st.integers(0, 2**32), st.sampled_from(["(ab|cd?)+", "^[0-9]{1,3}%$", "租金(甲|乙)*x"]))
def test_whatever_the_masks_let_through_matches_the_regex(
    tokenizer: Tokenizer, seed: int, pattern: str
) -> None:
    text = wander(tokenizer, compiled(tokenizer, "regex", pattern), seed)
    assert text is None or re.fullmatch(pattern, text)


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        ("json_schema", json.dumps(PERSON), '{"name": "甲a", "age": 7, "kind": "乙"}'),
        ("json_object", "", '{"a": [1, {"b": null}], "c": "x y"}'),
        ("regex", r"The \w+ shall pay\.", "The tenant shall pay."),
        ("grammar", 'start: "yes" | "no" ("!")*', "no!!"),
    ],
)
def test_what_fits_is_let_through(
    tokenizer: Tokenizer, kind: ConstraintKind, text: str, answer: str
) -> None:
    matcher = compiled(tokenizer, kind, text)
    for token in tokenizer.encode(answer):
        assert token in tokens_of(matcher.mask())
        matcher.advance(token)
    assert matcher.finished or tokenizer.control_id(END) in tokens_of(matcher.mask())


def test_control_tokens_end_a_text_or_are_forbidden(tokenizer: Tokenizer) -> None:
    ends = {tokenizer.control_id(name) for name in (END, END_OF_TEXT)}
    control = {tokenizer.control_id(name) for name in CONTROL}
    matcher = compiled(tokenizer, "regex", "[^x]+")
    assert not control & set(tokens_of(matcher.mask()))
    matcher.advance(tokenizer.encode("a")[0])
    assert control & set(tokens_of(matcher.mask())) == ends


def test_a_grammar_cannot_name_a_control_token(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="no token"):
        compiled(tokenizer, "grammar", "start: <[5]>")
    matcher = compiled(tokenizer, "grammar", 'start: <[5]> | "a"')
    assert 5 not in tokens_of(matcher.mask())


def test_a_copy_goes_its_own_way(tokenizer: Tokenizer) -> None:
    matcher = compiled(tokenizer, "regex", "ab|cd")
    before = matcher.mask()
    other = matcher.copy()
    other.advance(tokenizer.encode("c")[0])
    assert matcher.mask() == before != other.mask()


def test_a_token_that_breaks_the_constraint_is_told(tokenizer: Tokenizer) -> None:
    matcher = compiled(tokenizer, "regex", "ab")
    with pytest.raises(ConstraintFailed):
        matcher.advance(tokenizer.encode("c")[0])


REFUSED = [
    ("json_schema", "{", "not valid JSON"),
    ("json_schema", "[]", "object"),
    ("json_schema", '{"type": "strng"}', "strng"),
    ("json_schema", '{"not": {}}', "not"),
    ("json_schema", '{"type": "array", "uniqueItems": true}', "uniqueItems"),
    ("json_schema", '{"not": {}, "x-guidance": {"lenient": true}}', "not"),
    ("json_schema", '{"oneOf": [{"type": "string"}, {"maxLength": 3}]}', "oneOf"),
    ("json_schema", '{"$ref": "http://localhost/x"}', "localhost"),
    ("json_schema", '{"enum": []}', "empty"),
    ("json_schema", "[" * 60_000, "not valid JSON"),
    ("regex", "(", "unclosed group"),
    ("regex", "(?=a)b", "look-around"),
    ("grammar", "start: b", "unknown name"),
    ("grammar", "start: <|end|>", "grammar"),
]


@pytest.mark.parametrize(("kind", "text", "reason"), REFUSED)
def test_what_cannot_be_held_to_is_refused_in_one_line(
    tokenizer: Tokenizer, kind: ConstraintKind, text: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        compiled(tokenizer, kind, text)
    assert str(caught.value).startswith(kind) and "\n" not in str(caught.value)


def test_a_text_too_much_or_too_long_is_refused() -> None:
    for kind, text in (("regex", ""), ("json_object", "{}"), ("regex", "a" * (MAX_TEXT + 1))):
        with pytest.raises(ConfigError, match=kind):
            Constraint(kind=kind, text=text)


def test_a_model_without_an_end_token_is_refused(tokenizer: Tokenizer) -> None:
    constraint = Constraint(kind="regex", text="a")
    with pytest.raises(ConfigError, match="end token"):
        compile_constraint(constraint, tokenizer, frozenset())


@pytest.mark.parametrize(
    "text",
    [
        "start: " + "(" * 20_000 + '"a"' + ")" * 20_000,
        "\n".join(["start: r0", *(f"r{i}: r{i + 1} r{i + 1} | r{i + 1}" for i in range(60))])
        + '\nr60: "a"',
    ],
    ids=["deep", "ambiguous"],
)
def test_a_grammar_that_takes_too_much_is_told(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises((ConfigError, ConstraintFailed)):
        matcher = compiled(tokenizer, "grammar", text)
        for token in tokenizer.encode("a") * 50:
            matcher.mask()
            matcher.advance(token)
