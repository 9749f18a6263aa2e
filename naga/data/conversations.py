"""One row of a file of conversations -> Conversation, in the schema that chat services speak.

    {"messages": [{"role", "content", "reasoning_content"?, "tool_calls"?, "thinking"?}, ...],
     "tools"?: [...]}

A call is {"type": "function", "function": {"name", "arguments"}}, its arguments an object or the
JSON text of one; a message of a tool says what it answered. Ids of calls are not needed: formats go
by the order. "thinking": "auto" says that the assistant itself decided whether to think. Null is as
if not there. Everything else a message has is refused; other keys of a row (a title, a source) are
not used. Knows no files (corpus.py).
"""

from typing import Any

from naga.config.base import ConfigError
from naga.data.messages import Conversation, Message, Tool, ToolCall, read_object, to_json

MESSAGE_KEYS = {
    *("role", "content", "reasoning_content", "tool_calls", "thinking"),
    *("tool_call_id", "name"),
}


def read_conversation(row: dict[str, Any], place: str) -> Conversation:
    """`place` is where the row stands, for messages; ConfigError begins with it."""
    if "messages" not in row:
        hint = "; train on it with naga pretrain" if "text" in row else ""
        raise ConfigError(f'{place}: has no "messages" (its keys: {", ".join(row)}){hint}')
    messages = tuple(_message(entry, place) for entry in _list(row, "messages", place))
    if not any(message.role == "assistant" for message in messages):
        raise ConfigError(f"{place}: no assistant message, so there is nothing to learn")
    tools = tuple(_tool(entry, place) for entry in _list(row, "tools", place))
    return Conversation(messages=messages, tools=tools, place=place)


def read_string(row: dict[str, Any], key: str, place: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise ConfigError(f'{place}: "{key}" must be a string')
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ConfigError(f'{place}: "{key}" has half a surrogate pair: not valid Unicode')
    return value


def _list(row: dict[str, Any], key: str, place: str) -> list[Any]:
    entries = [] if row.get(key) is None else row[key]
    if not isinstance(entries, list):
        raise ConfigError(f'{place}: "{key}" must be a list')
    return entries


def _message(entry: Any, place: str) -> Message:
    if not isinstance(entry, dict):
        raise ConfigError(f"{place}: a message must be an object, not a {type(entry).__name__}")
    if unknown := entry.keys() - MESSAGE_KEYS:
        raise ConfigError(f"{place}: a message has the unknown key {min(unknown)!r}")
    calls = tuple(_call(call, place) for call in _list(entry, "tool_calls", place))
    silent = bool(calls) and entry.get("content") is None
    thought = entry.get("reasoning_content") is not None
    try:
        return Message(
            role=read_string(entry, "role", place),  # type: ignore[arg-type]  # Message checks it
            content="" if silent else read_string(entry, "content", place),
            reasoning=read_string(entry, "reasoning_content", place) if thought else "",
            calls=calls,
            thinking=entry.get("thinking"),
        )
    except ConfigError as error:
        raise ConfigError(f"{place}: {str(error).removeprefix(f'{place}: ')}") from None


def _call(entry: Any, place: str) -> ToolCall:
    function = _function(entry, "call of a tool", place)
    arguments = function.get("arguments")
    try:
        given = read_object(arguments) if isinstance(arguments, str) else arguments
        if isinstance(given, dict):
            return ToolCall(name=read_string(function, "name", place), arguments=to_json(given))
    except ValueError:
        pass
    raise ConfigError(f"{place}: the arguments of a call must be an object or its JSON text")


def _tool(entry: Any, place: str) -> Tool:
    function = _function(entry, "tool", place)
    return Tool(name=read_string(function, "name", place), declared=to_json(entry))


def _function(entry: Any, what: str, place: str) -> dict[str, Any]:
    function = entry.get("function") if isinstance(entry, dict) else None
    if not isinstance(function, dict) or entry.get("type", "function") != "function":
        wanted = '{"type": "function", "function": {"name": ...}}'
        raise ConfigError(f"{place}: a {what} must be {wanted}")
    return function
