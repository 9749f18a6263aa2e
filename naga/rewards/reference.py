"""Rows that have a right reply, `gold`, and no `answer`: what rules can say of them.

The reply is compared with gold's own final answer: by the task's grader, if by that grader gold
itself is right, else by naga.verify. Against prose rules can only say that words are the same; else
they abstain, and somebody has to read.
"""

import re

from naga.rewards.types import Row
from naga.tasks import Example, Task, Verdict
from naga.tasks.judging import ABSTAINED, as_verdict
from naga.verify import match
from naga.verify.extract import extract
from naga.verify.judge import kind_of

UNDECIDED = "gold is prose, and the reply has other words; a classifier or a judge has to read it"
WORDS = re.compile(r"[^\W\d_]{2,}")


def by_gold(task: Task | None, row: Row, reply: str) -> Verdict:
    found = extract(row.gold)
    final = found.answer or row.gold
    kind = kind_of(final)
    if kind == "expression" and (
        not found.answer or (found.found_by == "whole reply" and len(WORDS.findall(final)) > 1)
    ):
        kind = "text"  # a sentence of short words looks like letters of a formula
    if task is not None and _holds(task, row.example(final), row.gold):
        return task.grade(row.example(final), reply)
    verdict = as_verdict(match(reply, final, kind, problem=row.question))
    if kind == "text" and verdict.score != 1:
        if reply.split() == _after_thinking(row.gold).split():
            return Verdict(score=1.0, parts={"correct": 1.0}, matched_by="exact")
        return Verdict(score=None, parts={ABSTAINED: 1.0}, reason=UNDECIDED)
    return verdict


def _holds(task: Task, example: Example, gold: str) -> bool:
    """Whether the task's `answer` can be what was found: then its grader takes gold for right."""
    try:
        return task.grade(example, _after_thinking(gold)).score == 1
    except Exception:
        # Graders take `answer` apart as their own family writes it; any other raises anything.
        return False


def _after_thinking(text: str) -> str:
    return text.rpartition("</think>")[2].strip()
