"""What every task family is made of: example with gold answer, verdict, and the base class.

A family makes examples from a random source and grades replies to them, so training data, held-out
scores and (later) rewards share one definition. The same (random state, level, language) always
makes the same example. The split is made on the *problem*, not on its wording, so no held-out
problem is ever trained on in another phrasing or language. Does not mix families (mixture.py) and
never talks to a model.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    level: Level
    language: Language
    problem: str
    """The problem in one canonical form, whatever its wording; its hash decides the split."""
    messages: tuple[Message, ...]
    """Ends with the gold assistant message: worked reasoning and answer."""
    answer: str

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.messages[:-1]

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
        return replace(self, messages=(*self.prompt, gold))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    score: float
    parts: Mapping[str, float]
    """What the score is made of, by name; kept so that a bad score explains itself."""


class Task(ABC):
    """One family: generator, prompt, worked trace, gold answer and grader together."""

    name: ClassVar[str]
    scored: ClassVar[bool] = True
    """Has right and wrong answers, so a held-out split and a score mean something."""
    straight: ClassVar[bool] = False
    """A small model can answer it without a worked trace."""

    @abstractmethod
    def generate(self, random: Random, level: Level, language: Language) -> Example: ...

    @abstractmethod
    def grade(self, example: Example, reply: str) -> Verdict: ...


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
