"""What every public set is: a task whose examples are read from a file that the user has.

`problem` of an example is the question itself with its whitespace evened out, without instructions
and without worked examples, so that an identical question is the same problem in every file, and a
search for it in training data finds it. Downloads nothing and ships no question.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from naga.config.base import Config, ConfigError
from naga.data.chat import Message
from naga.tasks.example import Example, Language, Level, Task, conversation

Answer = TypeVar("Answer", bound=Config)
"""What a grader needs to know, where a text does not hold it."""


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Worked examples before the question: the first `count` of a file (of each subject)."""

    path: Path
    count: int


class PublicSet(Task):
    """A published evaluation set: loader, prompt and grader."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[Example]:
        """Its examples, in the file's order; ConfigError with file and line at a bad row."""


def even(text: str) -> str:
    """One space for every run of whitespace, none around."""
    return " ".join(text.split())


def question_of(example: Example) -> str:
    """All that was asked, as a judge wants to see it."""
    return "\n\n".join(message.content for message in example.prompt)


def unpacked(example: Example, kind: type[Answer]) -> Answer:
    """The answer of an example as the record that its set wrote; ConfigError if it is none."""
    try:
        return kind.model_validate_json(example.answer)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f" {part!r}" for part in first["loc"])
        raise ConfigError(f"answer of {example.family!r}:{place} {first['msg']}") from None


def make_example(
    family: str,
    *,
    problem: str,
    prompt: str,
    content: str,
    answer: str,
    reasoning: str = "",
    level: Level | None = None,
    language: Language = "en",
    system: str = "",
) -> Example:
    """`content`: the gold reply; empty where the set has none."""
    first = (Message(role="system", content=system),) if system else ()
    return Example(
        family=family,
        level=level,
        language=language,
        problem=even(problem),
        messages=(*first, *conversation(prompt, reasoning, content)),
        answer=answer,
    )


def letter(index: int) -> str:
    return chr(ord("A") + index)


def listed_choices(choices: Sequence[str]) -> str:
    return "\n".join(f"{letter(i)}. {choice}" for i, choice in enumerate(choices))
