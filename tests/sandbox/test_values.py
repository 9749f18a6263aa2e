"""Plain values cross a pipe as they are, and nothing else does; reading raises NotPlain alone."""

import json
from collections import OrderedDict
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.sandbox.guest import pipes, values

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.integers() | st.text() | st.tuples(st.booleans(), st.text())
PLAIN = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["tuple", "set", "dict", "bytes", "complex", "float", "range", "iterator"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | NAMES, inner),
    max_leaves=8,
)


@given(PLAIN)
def test_a_plain_value_comes_back_as_it_was(value: Any) -> None:
    back = values.read(json.loads(values.write(value)))
    assert back == value
    assert type(back) is type(value)
    if type(value) in (list, tuple):
        assert [*map(type, back)] == [*map(type, value)]


@given(JSON)
def test_whatever_is_read_is_a_value_or_is_refused(tagged: Any) -> None:
    try:
        values.read(tagged)
    except values.NotPlain:
        return


@pytest.mark.parametrize(
    "value",
    [object(), len, lambda: 0, IntEnum("A", "b").b, type, [object()], {1: len}, 10**5000],
    ids=["object", "function", "lambda", "subclass", "type", "inside", "in a dict", "digits"],
)
def test_what_brings_code_or_never_ends_is_not_plain(value: Any) -> None:
    with pytest.raises(values.NotPlain):
        values.write(value)


def test_dicts_of_collections_arrive_as_dicts() -> None:
    back = values.read(json.loads(values.write(OrderedDict(a=1))))
    assert type(back) is dict and back == {"a": 1}


@given(st.binary(max_size=40))
def test_bytes_are_a_message_or_not_yet_or_an_error(received: bytes) -> None:
    try:
        found = pipes.unpack(received, 1000)
    except (ValueError, RecursionError):
        return
    assert found is None or pipes.pack(found[0])


@given(JSON)
def test_a_message_is_read_only_when_it_is_whole(message: Any) -> None:
    try:
        packed = pipes.pack(message)
    except ValueError:  # NaN and infinity are no JSON
        return
    assert pipes.unpack(packed + b"rest", 1 << 20) == (message, b"rest")
    assert all(pipes.unpack(packed[:end], 1 << 20) is None for end in range(len(packed)))
