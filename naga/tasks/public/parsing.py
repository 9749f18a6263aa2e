"""Reads Python and JSON out of text that may be anything, without running a thing.

Python is parsed into a syntax tree, of which only literals become values. Plain values are their
one JSON form, in which results of programs are compared: equal values have equal forms, 2.0 is 2,
a tuple is no list, a set and a dictionary have no order.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator

LONGEST_CODE = 20_000
MOST_STARTS = 50
FENCE = re.compile(r"```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
# The result of a call in the JSON form, for the end of a program; `plain` is its twin here.
PLAIN = """
def _naga_plain(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__add__(value, 0)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        value = float.__add__(value, 0.0)
        if value != value or value in (float("inf"), float("-inf")):
            return {"float": repr(value)}
        return int(value) if value == int(value) else value
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, list):
        return [_naga_plain(item) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"tuple": [_naga_plain(item) for item in tuple.__iter__(value)]}
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((_naga_plain(item) for item in value), key=repr)}
    if isinstance(value, dict):
        pairs = [[_naga_plain(key), _naga_plain(item)] for key, item in dict.items(value)]
        return {"dict": sorted(pairs, key=repr)}
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    raise TypeError("a result of type " + type(value).__name__ + " cannot be compared")
"""


def plain(value: object) -> object:
    """The JSON form of a literal's value; TypeError for anything that is no literal."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return {"float": repr(value)}
        return int(value) if value == int(value) else value
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [plain(item) for item in value]}
    if isinstance(value, set | frozenset):
        return {"set": sorted((plain(item) for item in value), key=repr)}
    if isinstance(value, dict):
        pairs = [[plain(key), plain(item)] for key, item in value.items()]
        return {"dict": sorted(pairs, key=repr)}
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    raise TypeError(f"a value of type {type(value).__name__} cannot be compared")


def parse_module(text: str) -> ast.Module | None:
    """The syntax tree; None for what is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse_expression(text: str) -> ast.expr | None:
    """The one expression that `text` is, None for anything else or one of absurd length."""
    module = parse_module(text.strip()) if len(text) <= LONGEST_CODE else None
    if module is None or len(module.body) != 1 or not isinstance(module.body[0], ast.Expr):
        return None
    return module.body[0].value


def literal(node: ast.expr) -> object:
    """Its value; ValueError where it is no literal."""
    try:
        return ast.literal_eval(node)
    except (TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"no literal: {error}") from None


def is_literal(node: ast.expr) -> bool:
    try:
        literal(node)
    except ValueError:
        return False
    return True


def fenced(text: str) -> list[str]:
    """The contents of ``` blocks in order; one that is cut off counts."""
    return [match[2] for match in FENCE.finditer(text)]


def json_values(text: str) -> Iterator[object]:
    """The objects and arrays in a text, in order, none inside another; of a hopeless text few."""
    decoder, position, starts = json.JSONDecoder(), 0, 0
    while starts < MOST_STARTS and (found := re.compile(r"[{\[]").search(text, position)):
        starts += 1
        try:
            value, position = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            position = found.start() + 1
            continue
        yield value
