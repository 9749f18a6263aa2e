"""Calls of tools as text within messages: written, read back, answered.

    <tool_call>
    {"name": "lookup", "arguments": {"table": "price", "key": "pen"}}
    </tool_call>

in what an assistant says, and `<tool_response>` around each answer in the user's next message: the
words of the common chat formats, so that a conversation can move into one that has roles and
control tokens for tools. Reading believes nothing: a call that is no JSON object of a name and
arguments is None, and nothing here runs a call.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CALL, END_CALL = "<tool_call>", "</tool_call>"
RESPONSE, END_RESPONSE = "<tool_response>", "</tool_response>"
CALL_PATTERN = re.compile(f"{CALL}(.*?)(?:{END_CALL}|$)", re.DOTALL)
LONGEST = 20_000


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    name: str
    arguments: str
    """The JSON text of an object."""

    @property
    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.arguments)
        return values


def make_call(name: str, arguments: Mapping[str, Any]) -> ToolCall:
    return ToolCall(name=name, arguments=json.dumps(arguments, ensure_ascii=False))


def write_call(call: ToolCall) -> str:
    return f'{CALL}\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n{END_CALL}'


def write_responses(texts: Iterable[str]) -> str:
    """What tools answered, one block each; a block's end within an answer is broken up."""
    return "\n".join(
        f"{RESPONSE}\n{text.replace(END_RESPONSE, '</ tool_response>')}\n{END_RESPONSE}"
        for text in texts
    )


def read_calls(reply: str) -> list[ToolCall | None]:
    """The calls of a reply in order; None for one that cannot be read."""
    if len(reply) > LONGEST:
        return [None] if CALL in reply else []
    return [_read(found) for found in CALL_PATTERN.findall(reply)]


def _read(text: str) -> ToolCall | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
        return None
    name, arguments = value["name"], value["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return make_call(name, arguments)


def last_answer(reply: str) -> str | None:
    """What is said after all calls and responses; None for a reply that ends with a call."""
    answer = reply.rpartition(END_RESPONSE)[2]
    return None if CALL in answer else answer
