"""Function calls in a reply: found as JSON or as Python calls, by parsing, nothing is run.

JSON: {"name", "arguments"} or {"NAME": {...}}, alone, in a list, or in <tool_call> tags. Python:
f(a=1), several in a list, or one on each line. The reply may be just that, or hold it in a fenced
block, or after some words. A value that is no literal, and an argument without a name, equal
nothing. Does not know which functions there are.
"""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from naga.tasks.public.parsing import (
    LONGEST_CODE,
    fenced,
    json_values,
    literal,
    parse_expression,
    parse_module,
)

TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
JSON_WORDS = {"true": True, "false": False, "null": None}
MOST_LINES = 50


@dataclass(frozen=True, kw_only=True)
class Call:
    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class NoLiteral:
    """An argument that only running something could tell."""

    text: str


def find_calls(reply: str) -> tuple[Call, ...]:
    """The calls that a reply ends with; none if it makes none."""
    text = reply[-LONGEST_CODE:].strip()
    tagged = TAGGED.findall(text)
    if tagged:
        return _joined([_whole(part) for part in tagged])
    ways: Sequence[Callable[[str], tuple[Call, ...]]] = (_whole, _in_fence, _in_json, _in_lines)
    return next((calls for calls in (way(text) for way in ways) if calls), ())


def _joined(groups: Sequence[tuple[Call, ...]]) -> tuple[Call, ...]:
    return tuple(call for group in groups for call in group)


def _whole(text: str) -> tuple[Call, ...]:
    """The text as one piece of JSON or Python, without backticks."""
    text = text.strip().strip("`").strip()
    try:
        return _of_json(json.loads(text))
    except (ValueError, RecursionError):
        return _of_python(text)


def _in_fence(text: str) -> tuple[Call, ...]:
    found = [calls for block in fenced(text) if (calls := _whole(block))]
    return found[-1] if found else ()


def _in_json(text: str) -> tuple[Call, ...]:
    return _joined([_of_json(value) for value in json_values(text)])


def _in_lines(text: str) -> tuple[Call, ...]:
    """The last lines that are nothing but calls, or the last bracket that is."""
    calls: list[tuple[Call, ...]] = []
    for line in reversed(text.splitlines()[-MOST_LINES:]):
        found = _of_python(line.strip().strip("`"))
        if calls and not found:
            break
        calls += [found] if found else []
    start = text.rfind("\n[") if "\n[" in text else text.find("[")
    return _joined(calls[::-1]) or _of_python(text[start : text.rfind("]") + 1])


def _of_json(value: object) -> tuple[Call, ...]:
    """Every object of it a call, or none at all."""
    items = value if isinstance(value, list) else [value]
    calls = [call for item in items if (call := _json_call(item)) is not None]
    return tuple(calls) if len(calls) == len(items) else ()


def _json_call(given: object) -> Call | None:
    if not isinstance(given, dict):
        return None
    inner = given.get("function")
    item = inner if isinstance(inner, dict) else given
    name = item.get("name")
    if isinstance(name, str):
        arguments = item.get("arguments", item.get("parameters", {}))
    elif len(item) == 1:
        name, arguments = next(iter(item.items()))
    else:
        return None
    if isinstance(arguments, str):
        arguments = next(json_values(arguments), None)
    return Call(name=name, arguments=arguments) if isinstance(arguments, dict) else None


def _of_python(text: str) -> tuple[Call, ...]:
    """A call, a list of calls, or calls on lines of their own; none if there is anything else."""
    expression = parse_expression(text)
    if isinstance(expression, ast.List | ast.Tuple):
        nodes: Sequence[ast.expr] = expression.elts
    elif expression is not None:
        nodes = [expression]
    else:
        module = parse_module(text) if len(text) <= LONGEST_CODE else None
        statements = module.body if module is not None else []
        nodes = [s.value for s in statements if isinstance(s, ast.Expr)]
        if len(nodes) != len(statements):
            return ()
    calls = [call for node in nodes if (call := _python_call(node)) is not None]
    return tuple(calls) if len(calls) == len(nodes) else ()


def _python_call(node: ast.expr) -> Call | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
        return None
    arguments = {f"#{index}": _value(value) for index, value in enumerate(node.args)}
    for index, keyword in enumerate(node.keywords):
        arguments[keyword.arg or f"**{index}"] = _value(keyword.value)
    return Call(name=ast.unparse(node.func), arguments=arguments)


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Name) and node.id in JSON_WORDS:
        return JSON_WORDS[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys):
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        return dict(zip(keys, map(_value, node.values), strict=True))
    try:
        return literal(node)
    except ValueError:
        return NoLiteral(text=ast.unparse(node))
