"""Granite 4: turns between role tokens, calls as JSON between <tool_call> tags, no thoughts.

    <|start_of_role|>ROLE<|end_of_role|>CONTENT<|end_of_text|>\\n

Tools stand in the system turn, one JSON object a line. What tools answer is a user turn. The first
checkpoints speak a system turn of their own where the conversation has none; later ones do not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from naga.data.formats.base import Demand, Piece, markup
from naga.data.formats.calls import calls_schema, read_call, written
from naga.data.formats.markup import MarkupFormat
from naga.data.messages import Message, Tool, ToolCall, read_object, to_json
from naga.data.tokenizer import CALL, END_CALL

START_ROLE = "<|start_of_role|>"
END_ROLE = "<|end_of_role|>"
END_TEXT = "<|end_of_text|>"
DEFAULT_SYSTEM = (
    "You are a helpful assistant. Please ensure responses are professional, accurate, and safe."
)
# The words that the models were trained with; another wording would be another prompt.
TOOLS_BEFORE = (
    "You are a helpful assistant with access to the following tools. You may call one or more "
    "tools to assist with the user query.\n\nYou are provided with function signatures within "
    "<tools></tools> XML tags:\n<tools>"
)
TOOLS_AFTER = (
    "\n</tools>\n\nFor each tool call, return a json object with function name and arguments "
    'within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, '
    '"arguments": <args-json-object>}\n</tool_call>. If a tool does not exist in the provided '
    "list of tools, notify the user that you do not have the ability to fulfill the request."
)


@final
@dataclass(frozen=True, kw_only=True)
class GraniteFormat(MarkupFormat):
    name: str = "granite-4"
    thinks: bool = False
    required: tuple[str, ...] = (START_ROLE, END_ROLE, END_TEXT)
    optional: tuple[str, ...] = (
        "<tools>", "</tools>", CALL, END_CALL, "<tool_response>", "</tool_response>",
        "<documents>", "</documents>", "<think>", "</think>", "<|tool_call|>",
    )  # fmt: skip
    end: str = END_TEXT
    default_system: str = ""
    """The system turn of a conversation that has neither a system message nor tools."""

    def _conversation(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Piece]:
        first = messages[0] if messages[0].role == "system" else None
        yield from self._system(first.content if first else "", tools)
        rest = messages[1:] if first else messages
        for index, message in enumerate(rest):
            if message.role == "tool":
                begins = index == 0 or rest[index - 1].role != "tool"
                ends = index + 1 == len(rest) or rest[index + 1].role != "tool"
                yield from _tool_turn(message.content, begins=begins, ends=ends)
            elif message.role == "assistant":
                yield from _assistant(message)
            else:
                yield from _turn(message.role, [Piece(text=message.content)])

    def _system(self, text: str, tools: Sequence[Tool]) -> Iterator[Piece]:
        said = [Piece(text=text)] if text else []
        if tools:
            said += [markup("\n\n" * bool(text) + TOOLS_BEFORE)]
            said += [Piece(text="\n" + to_json(read_object(tool.declared))) for tool in tools]
            said += [markup(TOOLS_AFTER)]
        elif not text and self.default_system:
            said = [Piece(text=self.default_system)]
        if said:
            yield from _turn("system", said)

    def _opening(self, *, thinking: bool, calling: bool) -> Iterator[Piece]:
        yield markup(f"{START_ROLE}assistant{END_ROLE}")
        if calling:
            yield markup(f"{CALL}\n")

    def _read_calls(self, text: str, tools: Sequence[Tool]) -> Sequence[ToolCall]:
        return read_call(text)

    def demanded_call(self, tools: Sequence[Tool]) -> Demand:
        return Demand(kind="json_schema", text=to_json(calls_schema(tools)))


def _turn(role: str, said: Sequence[Piece]) -> Iterator[Piece]:
    yield markup(f"{START_ROLE}{role}{END_ROLE}")
    yield from said
    yield markup(f"{END_TEXT}\n")


def _assistant(message: Message) -> Iterator[Piece]:
    yield markup(f"{START_ROLE}assistant{END_ROLE}")
    yield Piece(text=message.content, learned=True)
    for index, call in enumerate(message.calls):
        yield markup(("\n" if index or message.content else "") + f"{CALL}\n", learned=True)
        yield Piece(text=written(call), learned=True)
        yield markup(f"\n{END_CALL}", learned=True)
    yield markup(END_TEXT, learned=True)
    yield markup("\n")


def _tool_turn(text: str, *, begins: bool, ends: bool) -> Iterator[Piece]:
    """What tools answer one after the other is one turn."""
    if begins:
        yield markup(f"{START_ROLE}user{END_ROLE}")
    yield markup("\n<tool_response>\n")
    yield Piece(text=text)
    yield markup("\n</tool_response>")
    if ends:
        yield markup(f"{END_TEXT}\n")
