"""Records <-> rows of jsonl files, and conversations as `naga sft` reads them.

Rows are this package's own: what is not of their shape is a damaged file, and a ConfigError.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from naga.config.base import ConfigError
from naga.data.messages import Message, Tool, read_object
from naga.distill.types import Attempt, Question, Quick, Slow
from naga.tasks import Example

RecordT = TypeVar("RecordT")


def to_row(record: Question | Quick | Slow) -> dict[str, Any]:
    return asdict(record)


def read_question(row: dict[str, Any]) -> Question:
    given = row["example"]
    messages = tuple(_message(each) for each in given["messages"])
    return Question(key=row["key"], example=Example(**{**given, "messages": messages}))


def read_quick(row: dict[str, Any]) -> Quick:
    return Quick(key=row["key"], attempts=_attempts(row))


def read_slow(row: dict[str, Any]) -> Slow:
    return Slow(**{**row, "attempts": _attempts(row)})


def read_rows(rows: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], RecordT],
              source: str) -> list[RecordT]:  # fmt: skip
    """`source`: where they stood, for the error."""
    try:
        return [read(row) for row in rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{source}: damaged ({error}); remove it to make it again") from None


def _attempts(row: dict[str, Any]) -> tuple[Attempt, ...]:
    return tuple(Attempt(**each) for each in row["attempts"])


def _message(row: dict[str, Any]) -> Message:
    if row["calls"]:
        raise ConfigError("a question's messages call no tools but in text")
    return Message(
        role=row["role"],
        content=row["content"],
        reasoning=row["reasoning"],
        thinking=row["thinking"],
    )


def conversation_row(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> dict[str, Any]:
    """As naga/data/conversations.py reads it."""
    row: dict[str, Any] = {"messages": [_written(message) for message in messages]}
    if tools:
        row["tools"] = [read_object(tool.declared) for tool in tools]
    return row


def _written(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        row["reasoning_content"] = message.reasoning
    if message.calls:
        row["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
    if message.thinking:
        row["thinking"] = message.thinking
    return row


def line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
