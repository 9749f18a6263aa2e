"""A call as a JSON object, {"name": NAME, "arguments": {...}}: written, read and demanded."""

from collections.abc import Sequence
from typing import Any

from naga.data.messages import Tool, ToolCall, read_json, read_object, to_json


def read_call(text: str) -> tuple[ToolCall, ...]:
    """The one call; none for what is no call."""
    try:
        return (_as_call(read_json(text)),)
    except ValueError:
        return ()


def read_list(text: str) -> tuple[ToolCall, ...]:
    """The calls of a JSON list; none for what is not a list of calls alone."""
    try:
        found = read_json(text)
        return tuple(map(_as_call, found)) if isinstance(found, list) else ()
    except ValueError:
        return ()


def written(call: ToolCall) -> str:
    """As Granite's and Nemotron's templates write it: the name as it is."""
    arguments = to_json(read_object(call.arguments))
    return f'{{"name": "{call.name}", "arguments": {arguments}}}'


def _as_call(value: Any) -> ToolCall:
    """ValueError for what is no call."""
    name = value.get("name") if isinstance(value, dict) else None
    arguments = value.get("arguments") if isinstance(value, dict) else None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError("a call has a name and arguments")
    name.encode()
    return ToolCall(name=name, arguments=to_json(arguments))


def calls_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """Of a call of any of the tools, which its own arguments fit."""
    return {"anyOf": [_call_schema(tool) for tool in tools]}


def _call_schema(tool: Tool) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {
            "name": {"const": tool.name},
            "arguments": {"type": "object", **tool.parameters},
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
