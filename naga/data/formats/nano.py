"""Nemotron Nano 2: turns between <SPECIAL_11>s, calls as one JSON list, thoughts of the last turn.

    <SPECIAL_10>System\\nCONTENT\\n<SPECIAL_11>User\\nCONTENT\\n
    <SPECIAL_11>Assistant\\nCONTENT\\n\\n<TOOLCALL>[{"name": NAME, "arguments": {...}}]</TOOLCALL>
    \\n<SPECIAL_12>\\n

Texts are stripped. The last turn alone says what it thought: a reply opens with <think>, closed at
once where thinking is off. The first models are told so by /think and /no_think in a system or user
message, the last one of which decides; the words themselves are taken out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from naga.config.base import ConfigError
from naga.data.formats.base import Demand, Piece, markup
from naga.data.formats.calls import calls_schema, read_list, written
from naga.data.formats.markup import MarkupFormat
from naga.data.messages import Message, Tool, ToolCall, to_json
from naga.data.tokenizer import END_THINK, THINK, Tokenizer

START_SYSTEM = "<SPECIAL_10>"
START_TURN = "<SPECIAL_11>"
END_TURN = "<SPECIAL_12>"
CALLS = "<TOOLCALL>"
END_CALLS = "</TOOLCALL>"
ON = "/think"
OFF = "/no_think"
# The words that the models were trained with; another wording would be another prompt.
TOOLS_BEFORE = "You can use the following tools to assist the user if required:\n<AVAILABLE_TOOLS>["
TOOLS_AFTER = (
    "]</AVAILABLE_TOOLS>\n\nIf you decide to call any tool(s), use the following format:\n"
    '<TOOLCALL>[{{"name": "tool_name1", "arguments": "tool_args1"}}, '
    '{{"name": "tool_name2", "arguments": "tool_args2"}}]</TOOLCALL>\n\n'
    "The user will execute tool-calls and return responses from tool(s) in this format:\n"
    '<TOOL_RESPONSE>[{{"tool_response1"}}, {{"tool_response2"}}]</TOOL_RESPONSE>\n\n'
    "Based on the tool responses, you can call additional tools if needed, correct tool calls if "
    "any errors are found, or just respond to the user."
)


@final
@dataclass(frozen=True, kw_only=True)
class NanoFormat(MarkupFormat):
    name: str = "nemotron-nano-2"
    thinks: bool = True
    required: tuple[str, ...] = (START_SYSTEM, START_TURN, END_TURN)
    optional: tuple[str, ...] = (
        THINK, END_THINK, CALLS, END_CALLS, "<AVAILABLE_TOOLS>", "</AVAILABLE_TOOLS>",
        "<TOOL_RESPONSE>", "</TOOL_RESPONSE>",
    )  # fmt: skip
    end: str = END_TURN
    call_markers: tuple[str, str] = (CALLS, END_CALLS)
    strips: bool = True
    switched: bool = True
    """Whether /think and /no_think in messages switch thinking."""

    def opens_thought(self, messages: Sequence[Message], wanted: bool) -> bool:
        on = True
        for message in messages if self.switched else ():
            if message.role in ("system", "user") and (ON in message.content):
                on = True
            elif message.role in ("system", "user") and OFF in message.content:
                on = False
        return wanted and on

    def message_ends(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> tuple[int, ...]:
        """Where the next one begins: only an assistant's ends with a token."""
        start = tokenizer.control_id(START_TURN)
        return tuple(index for index, token in enumerate(prompt) if token == start)

    def _conversation(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Piece]:
        first = messages[0] if messages[0].role == "system" else None
        yield from _system(self._cleaned(first.content) if first else "", tools)
        rest = messages[1:] if first else messages
        for index, message in enumerate(rest):
            if message.role == "system":
                raise ConfigError("this model's format has one system message, the first message")
            if message.role == "tool":
                begins = index == 0 or rest[index - 1].role != "tool"
                ends = index + 1 == len(rest) or rest[index + 1].role != "tool"
                yield from _tool_turn(message.content, begins=begins, ends=ends)
            elif message.role == "assistant":
                yield from _assistant(message, last=index + 1 == len(rest))
            else:
                yield markup(f"{START_TURN}User\n")
                yield Piece(text=self._cleaned(message.content))
                yield markup("\n")

    def _opening(self, *, thinking: bool, calling: bool) -> Iterator[Piece]:
        yield markup(f"{START_TURN}Assistant\n{THINK}" + ("\n" if thinking else END_THINK))
        if calling:
            yield markup(CALLS)

    def _read_calls(self, text: str, tools: Sequence[Tool]) -> Sequence[ToolCall]:
        return read_list(text)

    def demanded_call(self, tools: Sequence[Tool]) -> Demand:
        one = {"type": "array", "items": calls_schema(tools), "minItems": 1, "maxItems": 1}
        return Demand(kind="json_schema", text=to_json(one))

    def _cleaned(self, text: str) -> str:
        return text.replace(ON, "").replace(OFF, "").strip() if self.switched else text.strip()


def _system(text: str, tools: Sequence[Tool]) -> Iterator[Piece]:
    yield markup(f"{START_SYSTEM}System\n")
    yield Piece(text=text)
    if tools:
        yield markup("\n\n" * bool(text) + TOOLS_BEFORE)
        yield Piece(text=", ".join(to_json(tool.function) for tool in tools))
        yield markup(TOOLS_AFTER)
    yield markup("\n")


def _assistant(message: Message, *, last: bool) -> Iterator[Piece]:
    yield markup(f"{START_TURN}Assistant\n")
    content, thought = message.content.strip(), message.reasoning.strip() if last else ""
    if last:
        yield markup(THINK + ("\n" if thought else END_THINK))
    if thought:
        yield Piece(text=thought, learned=True)
        yield markup(f"\n{END_THINK}\n", learned=True)
    yield Piece(text=content, learned=True)
    if message.calls:
        yield markup("\n\n" * bool(content) + CALLS, learned=True)
        yield Piece(text=f"[{', '.join(map(written, message.calls))}]", learned=True)
        yield markup(END_CALLS, learned=True)
    yield markup(f"\n{END_TURN}", learned=True)
    yield markup("\n")


def _tool_turn(text: str, *, begins: bool, ends: bool) -> Iterator[Piece]:
    """What tools answer one after the other is one turn."""
    yield markup(f"{START_TURN}User\n<TOOL_RESPONSE>[" if begins else ", ")
    yield Piece(text=text)
    if ends:
        yield markup("]</TOOL_RESPONSE>\n")
