"""What is asked of whoever answers, and what comes back: records and one protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from naga.config.distill import AnswererConfig
from naga.data.instructions import with_instruction
from naga.data.messages import Message


@dataclass(frozen=True, kw_only=True)
class Ask:
    messages: tuple[Message, ...]
    thinking: bool
    seed: int
    choice: int = 0
    """Which of several answers to the same conversation."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    text: str
    reasoning: str
    tokens: int
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class Failed:
    reason: str
    silent: bool = False
    """Whoever was asked could not be talked to; False: it was this question that failed."""


class Answerer(Protocol):
    def answer(self, asks: Sequence[Ask]) -> list[Answered | Failed]:
        """In their order."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def asked(ask: Ask, config: AnswererConfig) -> tuple[Message, ...]:
    """The conversation as it is sent."""
    mode: Literal["always", "never"] = "always" if ask.thinking else "never"
    return with_instruction(ask.messages, mode, "user" if config.instructed else None)
