"""What every task family is made of: example with gold answer, verdict, and the base classes.

A task grades replies to its examples, so training data, held-out scores and rewards share one
definition; a generator also makes the examples from a random source, the same ones from the same
(random state, level, language). The split is made on the *problem*, not on its wording, so no
held-out problem is ever trained on in another phrasing or language. A grader reads of an example
no more than its prompt and its answer, so a row of a file can be graded as well. Does not mix
families (mixture.py) and never talks to a model.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import ClassVar, Literal, TypeVar

from naga.data.chat import Message

Level = Literal["easy", "medium", "hard"]
Language = Literal["en", "zh"]
Split = Literal["train", "heldout"]

LEVELS: tuple[Level, ...] = ("easy", "medium", "hard")
LANGUAGES: tuple[Language, ...] = ("en", "zh")
HELDOUT_PARTS = 16
QUOTE_MARKS = "\"'“”‘’「」『』`"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Example:
    family: str
    level: Level | None
    """None where nobody has said how hard it is."""
    language: Language
    problem: str
    """The problem in one canonical form, whatever its wording; its hash decides the split."""
    messages: tuple[Message, ...]
    """Ends with the gold assistant message: worked reasoning and answer."""
    answer: str
    """All that the grader needs beside the prompt; JSON where a text does not hold it."""
    opening: int = -1
    """Where the prompt ends: by default before the last message, earlier where gold has turns."""

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.messages[: self.opening]

    @property
    def reasoning(self) -> str:
        return self.messages[-1].reasoning

    @property
    def split(self) -> Split:
        """Held out: one problem in HELDOUT_PARTS, by the SHA-256 of family and problem."""
        digest = hashlib.sha256(f"{self.family}\n{self.problem}".encode()).digest()
        return "heldout" if digest[0] % HELDOUT_PARTS == 0 else "train"

    def without_reasoning(self) -> "Example":
        """The same example answered straight away, as with thinking switched off."""
        gold = replace(self.messages[-1], reasoning="")
        return replace(self, messages=(*self.messages[:-1], gold))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    score: float | None
    """From 0 to 1; None where the grader could not judge: missing is not wrong."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the score is made of, by name; kept so that a bad score explains itself."""
    matched_by: str = ""
    """Which rule saw the reply as right: exact, numeric, symbolic, tests, ..."""
    reason: str = ""
    """Why it is not right, or not judged; one line."""


class Task(ABC):
    """One kind of question, by the grader of its replies."""

    name: ClassVar[str]

    @abstractmethod
    def grade(self, example: Example, reply: str) -> Verdict:
        """Judge `reply`, the text after the thinking; it may be anything at all."""


class Generator(Task):
    """A family made procedurally: prompt, worked trace, gold answer and grader together."""

    scored: ClassVar[bool] = True
    """Has right and wrong answers, so a held-out split and a score mean something."""
    straight: ClassVar[bool] = False
    """A small model can answer it without a worked trace."""

    @abstractmethod
    def generate(self, random: Random, level: Level, language: Language) -> Example: ...


def conversation(question: str, reasoning: str, answer: str) -> tuple[Message, ...]:
    return (
        Message(role="user", content=question),
        Message(role="assistant", content=answer, reasoning=reasoning),
    )


def pick(random: Random, english: Sequence[T], chinese: Sequence[T], language: Language) -> T:
    return random.choice(english if language == "en" else chinese)


def bare(reply: str) -> str:
    """The reply without the whitespace and quote marks around it."""
    return reply.strip().strip(QUOTE_MARKS).strip()


def grade_exact(reply: str, answer: str) -> Verdict:
    """Equal but for surrounding whitespace, quote marks and one closing full stop."""
    given = bare(reply)
    if given != answer:
        given = given.removesuffix(".").removesuffix("。")
    right = float(given == answer)
    return Verdict(score=right, parts={"exact": right})
