"""What is judged, and the seam of who judges where rules cannot: a row, an opinion.

A row as a file has it: `task`, `prompt`, `answer`, `gold`, `response`. `answer` is what the grader
compares with (its format is the task's own); `gold` is a whole reply that would be right, and may
be missing. What else a row holds is kept and not read. Reads no files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from naga.config.base import ConfigError
from naga.data.messages import ROLES, Message
from naga.tasks import Example

LONGEST_PROMPT = 4_000_000
LONGEST_RESPONSE = 1_000_000
"""Characters; a longer response is not read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    task: str
    """A task family by name; empty, or a name that nobody knows: compared by rules alone."""
    prompt: tuple[Message, ...]
    answer: str
    gold: str
    response: str
    """Thinking and answer, with the <think> marks in place."""
    finished: bool = True
    """False where the response was cut at its length."""
    length: int | None = None
    """Tokens of the response where the caller knows them; else its characters are counted."""

    @property
    def question(self) -> str:
        return "\n\n".join(message.content for message in self.prompt)

    @property
    def reference(self) -> str:
        """What a reader, as against a grader, compares with: never a grader's JSON."""
        return self.gold or ("" if self.answer.lstrip().startswith("{") else self.answer)

    def example(self, answer: str | None = None) -> Example:
        """With `answer` in the place of the row's own."""
        return Example(
            family=self.task,
            level=None,
            language="en",
            problem=self.question,
            messages=(*self.prompt, Message(role="assistant", content=self.gold)),
            answer=self.answer if answer is None else answer,
        )


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """Of one answer; the three add up to 1."""

    match: float
    no_match: float
    invalid: float
    """No answer at all: cut off, empty, the question over again."""


class Consistency(Protocol):
    """Says whether a response means the reference, in whatever words."""

    def __call__(self, problem: str, reference: str, response: str) -> Opinion: ...


def read_row(row: Mapping[str, object]) -> Row:
    """ConfigError names the field that is missing or no text."""
    response = _text(row, "response")
    if len(response) > LONGEST_RESPONSE:
        raise ConfigError(f"'response' has {len(response)} characters; {LONGEST_RESPONSE} are read")
    return Row(
        task=_text(row, "task", ""),
        prompt=_prompt(row),
        answer=_written(row.get("answer")),
        gold=_written(row.get("gold")),
        response=response,
    )


def _text(row: Mapping[str, object], name: str, default: str | None = None) -> str:
    value = row.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        found = "missing" if value is None else f"a {type(value).__name__}"
        raise ConfigError(f"{name!r} is {found}; it must be a text")
    return value


def _written(answer: object) -> str:
    """A number or an object as JSON; graders read JSON where a text does not hold the answer."""
    if answer is None:
        return ""
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _prompt(row: Mapping[str, object]) -> tuple[Message, ...]:
    value = row.get("prompt", "")
    if isinstance(value, str):
        prompt: tuple[Message, ...] = (Message(role="user", content=value),)
    elif isinstance(value, list):
        prompt = tuple(_message(entry, number) for number, entry in enumerate(value))
    else:
        raise ConfigError(f"'prompt' is a {type(value).__name__}; use a text or a list of messages")
    if sum(len(message.content) for message in prompt) > LONGEST_PROMPT:
        raise ConfigError(f"'prompt' has more than {LONGEST_PROMPT} characters")
    return prompt


def _message(entry: object, number: int) -> Message:
    if not isinstance(entry, dict):
        raise ConfigError(f"'prompt' {number}: an object with role and content is needed")
    role, content = entry.get("role"), entry.get("content")
    if role not in ROLES or not isinstance(content, str):
        raise ConfigError(
            f"'prompt' {number}: role must be one of {', '.join(ROLES)}, content text"
        )
    return Message(role=role, content=content)
