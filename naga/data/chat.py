"""naga's own format: messages -> tokens and loss mask, and the splitter of a reply's token stream.

    <|system|>CONTENT<|end|>
    <|user|>CONTENT<|end|>
    <|assistant|><think>REASONING</think>CONTENT<|end|>

and, where the tokenizer has the tokens for it (TOOL_CONTROL), with tools: their JSON at the end of
the system turn, a line each, calls after CONTENT, and what a tool answers:

    <tool_call>{"name": NAME, "arguments": {...}}</tool_call>
    <|tool|>CONTENT<|end|>

with nothing between the lines. Control tokens stand directly on both sides of every content, so
encoding piece by piece equals encoding the whole; a control string inside a content stays plain
text. Reasoning of assistant turns before the last user message is dropped: their think block is
empty. The templates of template.py are the same format for other programs. Does not match stop
strings, and knows no other model's format (data/formats) and no calls in replies.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.data.messages import Delta, Message, Rendered, Tool, ToolCall, read_object, to_json
from naga.data.template import CHAT_TEMPLATE, TOOLS_HEADING
from naga.data.tokenizer import (
    ASSISTANT,
    CALL,
    END,
    END_CALL,
    END_THINK,
    SYSTEM,
    THINK,
    TOOL,
    USER,
    Tokenizer,
)

__all__ = [
    "CHAT_TEMPLATE",
    "Delta",
    "Message",
    "Rendered",
    "ReplyParser",
    "message_ends",
    "render",
    "render_prompt",
]


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A control token or a run of plain text."""

    text: str
    control: bool
    learned: bool


TURNS = {"system": SYSTEM, "user": USER, "tool": TOOL}


def render(
    tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Tool] = ()
) -> Rendered:
    """A whole conversation for training: learned are REASONING </think> CONTENT, calls and <|end|>.

    ConfigError for tools where the tokenizer has no tokens for them. An empty think block is given,
    not learned: `<think></think>` is part of the prompt that switches thinking off. Of an answer
    that decided itself (thinking "auto") it is learned, too: after `<think>` the first token is the
    decision.
    """
    tokens: list[int] = []
    loss_mask: list[bool] = []
    for piece in _pieces(tokenizer, messages, tools):
        ids = _encode(tokenizer, piece)
        tokens += ids
        loss_mask += [piece.learned] * len(ids)
    return Rendered(tokens=tuple(tokens), loss_mask=tuple(loss_mask))


def render_prompt(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    tools: Sequence[Tool] = (),
    *,
    enable_thinking: bool = True,
    calling: bool = False,
) -> list[int]:
    """The conversation so far and the opening of the reply: `<|assistant|><think>`, closed at once
    with `</think>` if thinking is off, and then `<tool_call>` if it is `calling`. A model that
    decides itself goes on from the open one."""
    opening = (ASSISTANT, THINK, END_THINK, CALL)[: 4 if calling else 2 if enable_thinking else 3]
    pieces = _pieces(tokenizer, messages, tools)
    tokens = [token for piece in pieces for token in _encode(tokenizer, piece)]
    return tokens + [tokenizer.control_id(name) for name in opening]


def message_ends(tokenizer: Tokenizer, prompt: Sequence[int]) -> tuple[int, ...]:
    """Positions right after each message of a rendered conversation, ascending."""
    end = tokenizer.control_id(END)
    return tuple(index for index, token in enumerate(prompt, 1) if token == end)


def _encode(tokenizer: Tokenizer, piece: _Piece) -> list[int]:
    return [tokenizer.control_id(piece.text)] if piece.control else tokenizer.encode(piece.text)


def _pieces(
    tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Tool]
) -> Iterator[_Piece]:
    if not messages:
        raise ConfigError("a conversation needs at least one message")
    if not tokenizer.has_tools() and (tools or any(_of_tools(message) for message in messages)):
        raise ConfigError("this model's format has no tools; send none, and no calls of them")
    if tools and messages[0].role != "system":
        yield from _turn("system", _offer("", tools))
    last_user = max((i for i, m in enumerate(messages) if m.role == "user"), default=-1)
    for index, message in enumerate(messages):
        if message.role == "assistant":
            yield from _assistant(message, dropped=index < last_user)
        elif message.role == "system" and index == 0:
            yield from _turn("system", _offer(message.content, tools))
        else:
            yield from _turn(message.role, message.content)


def _of_tools(message: Message) -> bool:
    return message.role == "tool" or bool(message.calls)


def _offer(content: str, tools: Sequence[Tool]) -> str:
    """What the first system turn says."""
    lines = [TOOLS_HEADING, *(to_json(tool.function) for tool in tools)] if tools else []
    return content + "\n\n" * bool(content and lines) + "\n".join(lines)


def _turn(role: str, content: str) -> Iterator[_Piece]:
    yield _Piece(text=TURNS[role], control=True, learned=False)
    yield _Piece(text=content, control=False, learned=False)
    yield _Piece(text=END, control=True, learned=False)


def _assistant(message: Message, *, dropped: bool) -> Iterator[_Piece]:
    """What was dropped was not decided against: there an empty think block is never learned."""
    reasoning = "" if dropped else message.reasoning
    decided = message.thinking == "auto" and not dropped
    yield _Piece(text=ASSISTANT, control=True, learned=False)
    yield _Piece(text=THINK, control=True, learned=False)
    yield _Piece(text=reasoning, control=False, learned=True)
    yield _Piece(text=END_THINK, control=True, learned=bool(reasoning) or decided)
    yield _Piece(text=message.content, control=False, learned=True)
    for call in message.calls:
        yield _Piece(text=CALL, control=True, learned=True)
        yield _Piece(text=_written(call), control=False, learned=True)
        yield _Piece(text=END_CALL, control=True, learned=True)
    yield _Piece(text=END, control=True, learned=True)


def _written(call: ToolCall) -> str:
    return to_json({"name": call.name, "arguments": read_object(call.arguments)})


class ReplyParser:
    """Splits generated token ids into reasoning and content text, as they come.

    The first `</think>` of an open think block ends the reasoning; every other control token
    yields no text. A character is given out once all its bytes are there; bytes that cannot
    become a character give U+FFFD. The texts joined are the same however the stream is cut.
    """

    def __init__(self, tokenizer: Tokenizer, *, thinking: bool, raw: bool = False) -> None:
        """`thinking`: the prompt left a think block open. `raw`: all is content, whatever comes."""
        self._tokenizer = tokenizer
        self._reasoning = thinking and not raw
        self._end_think = tokenizer.control_id(END_THINK) if self._reasoning else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def reasoning(self) -> bool:
        """Whether the think block is still open."""
        return self._reasoning

    def feed(self, token: int) -> Delta:
        """The text that this token completes."""
        if self._reasoning and token == self._end_think:
            delta = self.finish()
            self._reasoning = False
            return delta
        return self._delta(self._decoder.decode(self._tokenizer.token_bytes(token)))

    def finish(self) -> Delta:
        """What was held back, at the end of the reply."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return self._delta(text)

    def _delta(self, text: str) -> Delta:
        return Delta(reasoning=text) if self._reasoning else Delta(content=text)
