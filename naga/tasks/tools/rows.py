"""A gold episode of tools as a conversation with roles: for formats that have tools of their own.

In text an episode has its tools in the system message, calls between tags and what tools answer in
user messages; here tools are declared beside the conversation, calls are calls, and a tool answers
as one. The rows are those that naga/data/conversations.py reads. The text form (write_conversations
of naga/tasks/mixture.py) is for formats without tools.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from naga.data.messages import Message
from naga.disk import write_atomic
from naga.tasks.example import Example
from naga.tasks.tools.calls import END_RESPONSE, RESPONSE, read_calls
from naga.tasks.tools.tool_use import declare_tools

RESPONSES = re.compile(f"{RESPONSE}\n(.*?)\n{END_RESPONSE}", re.DOTALL)


def tool_row(example: Example) -> dict[str, Any]:
    """Of an example of `tool_use`."""
    tables = json.loads(example.answer)["tables"]
    tools = [json.loads(tool.declared) for tool in declare_tools(list(tables), example.language)]
    messages = [row for message in example.messages for row in _with_roles(message)]
    return {"messages": messages, "tools": tools}


def _with_roles(message: Message) -> list[dict[str, Any]]:
    if message.role == "system":
        return []
    if message.role == "user":
        answers = RESPONSES.findall(message.content)
        if answers:
            return [{"role": "tool", "content": answer} for answer in answers]
        return [{"role": "user", "content": message.content}]
    calls = [call for call in read_calls(message.content) if call is not None]
    row: dict[str, Any] = {"role": "assistant", "content": "" if calls else message.content}
    if message.reasoning:
        row["reasoning_content"] = message.reasoning
    if calls:
        row["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return [row]


def write_tool_conversations(examples: Iterable[Example], path: Path) -> int:
    """Atomically, as jsonl; returns the number of rows."""
    rows = [json.dumps(tool_row(example), ensure_ascii=False) + "\n" for example in examples]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(rows))
    return len(rows)
