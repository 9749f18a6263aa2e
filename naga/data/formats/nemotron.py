"""Nemotron 3: ChatML with thoughts, and calls written as tags, one for each argument.

    <|im_start|>ROLE\\nCONTENT<|im_end|>\\n
    <|im_start|>assistant\\n<think>\\nREASONING\\n</think>\\nCONTENT<|im_end|>\\n
    <tool_call>\\n<function=NAME>\\n<parameter=P>\\nVALUE\\n</parameter>\\n</function>\\n</tool_call>\\n

An answer without thought begins with <think></think>; thoughts before the last user message are
dropped. The system turn is always there, and tools stand at its end. A VALUE is plain text where it
is a string and JSON where it is a list or an object, so what it is says the tool's schema.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from naga.data.formats.base import Demand, Piece, last_user, markup
from naga.data.formats.markup import MarkupFormat
from naga.data.formats.tags import call_grammar, spelled, types_of, value_of
from naga.data.messages import Message, Tool, ToolCall, read_object, to_json
from naga.data.tokenizer import CALL, END_CALL, END_THINK, THINK

START = "<|im_start|>"
END = "<|im_end|>"
# The words that the models were trained with; another wording would be another prompt.
TOOLS_BEFORE = "# Tools\n\nYou have access to the following functions:\n\n<tools>"
TOOLS_AFTER = (
    "\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO "
    "suffix:\n\n<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\n"
    "value_1\n</parameter>\n<parameter=example_parameter_2>\nThis is the value for the second "
    "parameter\nthat can span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n"
    "<IMPORTANT>\nReminder:\n- Function calls MUST follow the specified format: an inner "
    "<function=...></function> block must be nested within <tool_call></tool_call> XML tags\n"
    "- Required parameters MUST be specified\n- You may provide optional reasoning for your "
    "function call in natural language BEFORE the function call, but NOT after\n- If there is no "
    "function call available, answer the question like normal with your current knowledge and do "
    "not tell the user about function calls\n</IMPORTANT>"
)
FUNCTION = re.compile(r"\s*<function=([^>\n]+)>\n?(.*)</function>\s*", re.DOTALL)
PARAMETER = re.compile(
    r"\s*<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>\s*(?=<parameter=|\Z)", re.DOTALL
)


@final
@dataclass(frozen=True, kw_only=True)
class NemotronFormat(MarkupFormat):
    name: str = "nemotron-3"
    thinks: bool = True
    required: tuple[str, ...] = (START, END, THINK, END_THINK)
    optional: tuple[str, ...] = (
        CALL, END_CALL, "<tools>", "</tools>", "<tool_response>", "</tool_response>",
    )  # fmt: skip
    end: str = END

    def _conversation(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Piece]:
        first = messages[0] if messages[0].role == "system" else None
        yield from _system(first.content if first else "", tools)
        rest = messages[1:] if first else messages
        last = last_user(rest)
        for index, message in enumerate(rest):
            if message.role == "tool":
                begins = index == 0 or rest[index - 1].role != "tool"
                ends = index + 1 == len(rest) or rest[index + 1].role != "tool"
                yield from _tool_turn(message.content, begins=begins, ends=ends)
            elif message.role == "assistant":
                yield from _assistant(message, dropped=index < last)
            else:
                yield markup(f"{START}{message.role}\n")
                yield Piece(text=message.content)
                yield markup(f"{END}\n")

    def _opening(self, *, thinking: bool, calling: bool) -> Iterator[Piece]:
        yield markup(f"{START}assistant\n{THINK}" + ("\n" if thinking else END_THINK))
        if calling:
            yield markup(f"\n{CALL}\n")

    def demanded_call(self, tools: Sequence[Tool]) -> Demand:
        return Demand(kind="grammar", text=call_grammar(tools))

    def _read_calls(self, text: str, tools: Sequence[Tool]) -> Sequence[ToolCall]:
        function = FUNCTION.fullmatch(text)
        if function is None:
            return ()
        name, body = function[1], function[2]
        types = types_of(next((tool for tool in tools if tool.name == name), None))
        arguments, place = {}, 0
        while place < len(body.rstrip()):
            found = PARAMETER.match(body, place)
            if found is None:
                return ()
            arguments[found[1]] = value_of(found[2], types.get(found[1], ()))
            place = found.end()
        try:
            return (ToolCall(name=name, arguments=to_json(arguments)),)
        except ValueError:
            return ()


def _system(text: str, tools: Sequence[Tool]) -> Iterator[Piece]:
    yield markup(f"{START}system\n")
    yield Piece(text=text)
    if tools:
        yield markup("\n\n" * bool(text) + TOOLS_BEFORE)
        for tool in tools:
            yield Piece(text=_described(tool.function))
        yield markup(TOOLS_AFTER)
    yield markup(f"{END}\n")


def _assistant(message: Message, *, dropped: bool) -> Iterator[Piece]:
    thought = "" if dropped or not message.reasoning.strip() else message.reasoning
    content = message.content.strip() if dropped else message.content.rstrip()
    yield markup(f"{START}assistant\n{THINK}" + ("\n" if thought else END_THINK))
    yield Piece(text=thought, learned=True)
    if thought:
        # Without content the line end after the thought is a blank at the end, which is cut.
        yield markup(f"\n{END_THINK}" + ("\n" if content else ""), learned=True)
    yield Piece(text=content, learned=True)
    if message.calls:
        yield markup("\n", learned=True)
    for call in message.calls:
        yield from _call(call)
    yield markup(END, learned=True)
    yield markup("\n")


def _call(call: ToolCall) -> Iterator[Piece]:
    yield markup(f"{CALL}\n", learned=True)
    written = "".join(
        f"<parameter={name}>\n{spelled(value)}\n</parameter>\n"
        for name, value in read_object(call.arguments).items()
    )
    yield Piece(text=f"<function={call.name}>\n{written}</function>\n", learned=True)
    yield markup(f"{END_CALL}\n", learned=True)


def _tool_turn(text: str, *, begins: bool, ends: bool) -> Iterator[Piece]:
    """What tools answer one after the other is one turn."""
    if begins:
        yield markup(f"{START}user\n")
    yield markup("<tool_response>\n")
    yield Piece(text=text)
    yield markup("\n</tool_response>\n")
    if ends:
        yield markup(f"{END}\n")


def _described(function: Mapping[str, Any]) -> str:
    """A tool in tags; what else it has besides the usual goes under its own name."""
    schema = function.get("parameters")
    schema = schema if isinstance(schema, dict) else {}
    properties = schema.get("properties")
    lines = ["", "<function>", f"<name>{function['name']}</name>"]
    lines += _description(function)
    lines += ["<parameters>"]
    for name, described in properties.items() if isinstance(properties, dict) else ():
        lines += _parameter(name, described if isinstance(described, dict) else {})
    lines += _others(schema, ("type", "properties", "required"))
    if "required" in schema:
        lines += [f"<required>{to_json(schema['required'])}</required>"]
    lines += ["</parameters>"]
    lines += _others(function, ("type", "name", "description", "parameters"))
    return "\n".join([*lines, "</function>"])


def _parameter(name: str, described: Mapping[str, Any]) -> list[str]:
    lines = ["<parameter>", f"<name>{name}</name>"]
    if "type" in described:
        lines += [f"<type>{described['type']}</type>"]
    lines += _description(described)
    if "enum" in described:
        lines += [f"<enum>{to_json(described['enum'])}</enum>"]
    lines += _others(described, ("name", "type", "description", "enum"))
    return [*lines, "</parameter>"]


def _description(described: Mapping[str, Any]) -> list[str]:
    text = described.get("description")
    return [] if text is None else [f"<description>{str(text).strip()}</description>"]


def _others(described: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    return [
        f"<{key}>{spelled(value)}</{key}>" for key, value in described.items() if key not in known
    ]
