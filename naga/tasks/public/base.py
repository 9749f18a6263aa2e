"""What every public set is: a task whose examples are read from a file that the user has.

`problem` of an example is the question itself with its whitespace evened out, without instructions
and without worked examples, so that an identical question is the same problem in every file, and a
search for it in training data finds it. Downloads nothing and ships no question.
"""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from naga.data.chat import Message
from naga.tasks.example import Example, Language, Level, Task, conversation


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


def packed(answer: Mapping[str, object]) -> str:
    return json.dumps(answer, ensure_ascii=False)


def unpacked(example: Example) -> dict[str, object]:
    """The answer of an example that `packed` made; ValueError if it is something else."""
    answer = json.loads(example.answer)
    if not isinstance(answer, dict):
        raise ValueError(f"the answer of a {example.family} example must be a JSON object")
    return answer


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
