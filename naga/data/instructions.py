"""/think and /no_think: how a conversation says in words whether to think.

The word is the last one of the last user message or of the system message, which is put in front
where there is none. It is plain text: any format can carry it, and only a model that was taught it
heeds it. The switch of a prompt (enable_thinking) is another thing: it needs no teaching.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from naga.config.base import ConfigError
from naga.data.messages import Message

Place = Literal["user", "system"]
PLACES: tuple[Place, ...] = ("user", "system")
WORDS = {"always": "/think", "never": "/no_think"}


def with_instruction(
    messages: Sequence[Message], mode: Literal["always", "never", "auto"], place: Place | None
) -> tuple[Message, ...]:
    """As they are in mode auto or without a place."""
    if place is None or mode == "auto":
        return tuple(messages)
    word = WORDS[mode]
    if place == "system":
        if messages and messages[0].role == "system":
            return (_ended(messages[0], word), *messages[1:])
        return (Message(role="system", content=word), *messages)
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
    if last is None:
        raise ConfigError(f"{word} stands in a user message, and the conversation has none")
    return (*messages[:last], _ended(messages[last], word), *messages[last + 1 :])


def _ended(message: Message, word: str) -> Message:
    return replace(message, content=f"{message.content} {word}".lstrip())
