"""What passes between the stages of a distillation: frozen records, each a row of a jsonl file.

Knows no files and asks nobody.
"""

from dataclasses import dataclass
from typing import Literal

from naga.data.messages import Message
from naga.tasks import Example

Kind = Literal["short", "long"]


@dataclass(frozen=True, kw_only=True)
class Question:
    key: str
    """The same question has the same one in every stage and every run."""
    example: Example


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One answer and what its grader said."""

    text: str
    reasoning: str
    tokens: int
    """Generated; 0 where the answer was not generated at all (a gold trace)."""
    truncated: bool
    score: float | None
    """None: missing, for `reason`: no answer came, or the grader could not judge it."""
    reason: str = ""

    def is_right(self, right_at: float) -> bool:
        """A truncated answer is none to learn from, whatever its score."""
        return self.score is not None and self.score >= right_at and not self.truncated


@dataclass(frozen=True, kw_only=True)
class Quick:
    """A question's answers without a thought."""

    key: str
    attempts: tuple[Attempt, ...]

    @property
    def judged(self) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.score is not None)

    def difficulty(self, right_at: float) -> float | None:
        """The failure rate among the answers that were judged; None where none was."""
        judged = self.judged
        wrong = sum(not attempt.is_right(right_at) for attempt in judged)
        return wrong / len(judged) if judged else None


@dataclass(frozen=True, kw_only=True)
class Slow:
    """A question's way to a right answer by thinking."""

    key: str
    decided: bool
    """Answering at once was not good enough; False: it was, and this is for the instruction."""
    attempts: tuple[Attempt, ...]
    """The last one is right, or none is."""
    answer: str
    """The right answer as it is to be given, rewritten or not; empty where none is right."""
    rewritten: bool


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is learned: a prompt and one answer to it."""

    key: str
    kind: Kind
    decided: bool
    """It is what the model should do of itself, not only when it is told."""
    prompt: tuple[Message, ...]
    reasoning: str
    answer: str
