"""Answers -> attempts, by the graders of the questions' tasks; what is missing stays missing."""

import hashlib
from collections.abc import Mapping, Sequence

from naga.config.base import ConfigError
from naga.distill.answers import Answered, Failed
from naga.distill.types import Attempt, Question
from naga.tasks import Task

FEWEST_SILENT = 4


def judged(tasks: Mapping[str, Task], question: Question, answer: Answered | Failed) -> Attempt:
    if isinstance(answer, Failed):
        return Attempt(
            text="", reasoning="", tokens=0, truncated=False, score=None, reason=answer.reason
        )
    verdict = tasks[question.example.family].grade(question.example, answer.text)
    return Attempt(
        text=answer.text,
        reasoning=answer.reasoning,
        tokens=answer.tokens,
        truncated=answer.truncated,
        score=verdict.score,
        reason=verdict.reason,
    )


def refuse_silence(answers: Sequence[Answered | Failed], who: str) -> None:
    """Where nobody answers at all, going on would only call everything missing."""
    failed = [answer for answer in answers if isinstance(answer, Failed) and answer.silent]
    if len(failed) == len(answers) >= FEWEST_SILENT:
        raise ConfigError(
            f"{who}: none of {len(answers)} answers came ({failed[0].reason}); what was answered "
            "before is kept: run the same command again once it answers"
        )


def seed_of(run_seed: int, stage: str, key: str) -> int:
    """A 63-bit seed that no other stage or question has."""
    digest = hashlib.sha256(f"{run_seed} {stage} {key}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
