"""What a format is: messages and tools -> tokens, and the parser of a reply.

A format writes pieces: markup, which is its own, and text, which is anybody's. Names of control
tokens count in markup alone; in text they are spelled out, so no message can forge the end of a
turn. What stands between two control tokens is encoded as one, as if the whole were one string;
only where the learned begins does a new token begin, as when the model goes on from a prompt.
No template of a checkpoint is run: formats are code of this package.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from naga.config.base import ConfigError
from naga.data.messages import Delta, Message, Rendered, Tool
from naga.data.tokenizer import Tokenizer


class Parser(Protocol):
    """Splits the tokens of one reply, as they come; the same however the stream is cut."""

    @property
    def reasoning(self) -> bool:
        """Whether the thought is still open."""
        ...

    def feed(self, token: int) -> Delta: ...

    def finish(self) -> Delta:
        """What was held back, at the end of the reply."""
        ...


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a text is held to."""

    kind: Literal["json_schema", "grammar"]
    text: str
    """The JSON schema, or the grammar in Lark."""


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    name: str
    thinks: bool
    """Whether a prompt can open a thought, which ends at </think>, a control token or spelled."""
    has_tools: bool
    decides: bool
    """Whether an opened thought can be left empty by the model, as one that it decides against."""

    def opens_thought(self, messages: Sequence[Message], wanted: bool) -> bool:
        """Whether the reply to these begins with a thought, if one is `wanted`."""
        return wanted and self.thinks

    @abstractmethod
    def render(
        self, tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Tool] = ()
    ) -> Rendered:
        """A whole conversation, for training; ConfigError for what the format cannot say."""

    @abstractmethod
    def render_prompt(
        self,
        tokenizer: Tokenizer,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        enable_thinking: bool = True,
        calling: bool = False,
    ) -> list[int]:
        """The conversation so far and the opening of the reply, `calling`: up to within a call.

        ConfigError for what the format cannot say.
        """

    @abstractmethod
    def message_ends(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> tuple[int, ...]:
        """Positions right after each message of a rendered conversation, ascending."""

    @abstractmethod
    def stop_ids(self, tokenizer: Tokenizer) -> frozenset[int]:
        """The tokens that end a reply."""

    @abstractmethod
    def parser(
        self, tokenizer: Tokenizer, *, thinking: bool, tools: Sequence[Tool], calling: bool
    ) -> Parser:
        """`thinking` and `calling`: what the prompt left open. Without tools, calls are text."""

    @abstractmethod
    def demanded_call(self, tools: Sequence[Tool]) -> Demand:
        """Of what follows an opening that was `calling`, for any of the tools.

        ConfigError where it cannot be held to that.
        """


@dataclass(frozen=True, kw_only=True)
class Piece:
    text: str
    markup: bool = False
    learned: bool = False


def markup(text: str, *, learned: bool = False) -> Piece:
    return Piece(text=text, markup=True, learned=learned)


def encode(tokenizer: Tokenizer, pieces: Iterable[Piece], names: Iterable[str]) -> Rendered:
    """`names`: those that are control tokens in markup, if the tokenizer has them."""
    known = {name: tokenizer.control_id(name) for name in names if tokenizer.has_control(name)}
    tokens: list[int] = []
    learned: list[bool] = []
    for run in _runs(pieces, known):
        ids = [known[run.text]] if run.markup else tokenizer.encode(run.text)
        tokens += ids
        learned += [run.learned] * len(ids)
    return Rendered(tokens=tuple(tokens), loss_mask=tuple(learned))


def _runs(pieces: Iterable[Piece], known: Iterable[str]) -> Iterator[Piece]:
    """The same text, cut only at control tokens and where learned begins and ends."""
    pattern = re.compile("(" + "|".join(map(re.escape, known)) + ")") if known else None
    held = Piece(text="")
    for piece in pieces:
        parts = pattern.split(piece.text) if pattern and piece.markup else [piece.text]
        for index, part in enumerate(parts):
            if index % 2 == 0 and held.learned == piece.learned:
                held = Piece(text=held.text + part, learned=piece.learned)
                continue
            if held.text:
                yield held
            held = Piece(text="" if index % 2 else part, learned=piece.learned)
            if index % 2:
                yield markup(part, learned=piece.learned)
    if held.text:
        yield held


def require_messages(messages: Sequence[Message]) -> None:
    if not messages:
        raise ConfigError("a conversation needs at least one message")


def last_user(messages: Sequence[Message]) -> int:
    """Index of the last user message; -1 without one."""
    return max((i for i, m in enumerate(messages) if m.role == "user"), default=-1)
