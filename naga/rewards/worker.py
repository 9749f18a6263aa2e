"""Graders in a child process: asked by a line of JSON, answers with one, can be killed at any time.

Run as `python -m naga.rewards.worker`. What a grader prints is dropped. A grader that raises says
so as a verdict without a score; one that hangs is the parent's to end (workers.py).
"""

import json
import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

from naga.config.base import ConfigError
from naga.data.messages import Message
from naga.rewards.graders import reading_tasks
from naga.rewards.reference import by_gold
from naga.rewards.types import Row
from naga.tasks import Task, Verdict
from naga.tasks.judging import match_answer

MEMORY_BYTES = 8 << 30


def grade(tasks: Mapping[str, Task], row: Row, reply: str) -> Verdict:
    """By the row's task, or by rules where that is nobody's; a bad row has no score."""
    if not row.answer and not row.gold:
        reason = "'answer' is missing, and 'gold': there is nothing to compare with"
        return Verdict(score=None, reason=reason)
    try:
        if not row.answer:
            return by_gold(tasks.get(row.task), row, reply)
        if row.task in tasks:
            return tasks[row.task].grade(row.example(), reply)
        return match_answer(reply, row.answer, row.question)
    except ConfigError as error:
        return Verdict(score=None, reason=str(error))
    except Exception as error:
        # Graders take `answer` apart as their own family writes it; any other raises anything.
        kind = type(error).__name__
        return Verdict(score=None, reason=f"'answer' does not fit task {row.task!r} ({kind})")


def serve(tasks: Mapping[str, Task]) -> None:
    """Until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    _write(answers, {"id": "ready"})
    for line in sys.stdin:
        question = json.loads(line)
        verdict = grade(tasks, _row(question), question["reply"])
        _write(
            answers,
            {
                "id": question["id"],
                "score": verdict.score,
                "parts": dict(verdict.parts),
                "matched_by": verdict.matched_by,
                "reason": verdict.reason,
            },
        )


def _write(stream: Any, record: Mapping[str, object]) -> None:
    stream.write(json.dumps(record) + "\n")
    stream.flush()


def _row(question: Mapping[str, Any]) -> Row:
    prompt = tuple(Message(role=role, content=content) for role, content in question["prompt"])
    return Row(
        task=question["task"],
        prompt=prompt,
        answer=question["answer"],
        gold=question["gold"],
        response="",
    )


if __name__ == "__main__":
    serve(reading_tasks())
