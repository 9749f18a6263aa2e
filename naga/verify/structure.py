"""The structural gate: is the reply built as it should be, whatever it says?

Thinking once, closed, and only where it was wanted; an answer after it, one answer; nothing after
the end. Form earns nothing: a score is multiplied by 1 or 0. Works on the reply as text with its
<think> marks in place. Does not look at whether the answer is right.
"""

import re
from dataclasses import dataclass
from typing import Literal

from naga.verify.extract import extract
from naga.verify.segment import WORD

Thinking = Literal["on", "off", "auto"]
"""Auto: the model may think or not."""
AnswerForm = Literal["text", "marked", "boxed"]
"""Any text; or exactly one final answer, announced or in a box (or nothing else); or in a box."""
Failure = Literal[
    "unfinished",
    "no thinking",
    "empty thinking",
    "thinking never ends",
    "thinking more than once",
    "text before the thinking",
    "thinking was off",
    "no answer",
    "no single marked answer",
    "text after the end",
]

OPEN, CLOSE = "<think>", "</think>"
END_MARKS = ("<|end|>", "<|endoftext|>", "<|im_end|>", "</s>")
ROLE_MARKS = ("<|user|>", "<|system|>", "<|assistant|>", "<|im_start|>")


@dataclass(frozen=True, kw_only=True)
class Structure:
    failures: tuple[Failure, ...]
    thinking: str
    answer: str
    """What follows the thinking, up to the end; empty where the thinking never ends."""

    @property
    def score(self) -> float:
        return float(not self.failures)


def check_structure(
    reply: str,
    thinking: Thinking,
    *,
    form: AnswerForm = "text",
    finished: bool = True,
    end_marks: tuple[str, ...] = END_MARKS,
) -> Structure:
    """`finished` is False where the reply was cut at its length: then nothing counts."""
    failures: list[Failure] = [] if finished else ["unfinished"]
    reply, after = _cut(reply, end_marks)
    if after.strip():
        failures.append("text after the end")
    opened, closed = reply.count(OPEN), reply.count(CLOSE)
    before, _, rest = reply.partition(OPEN) if opened else ("", "", reply)
    thought, found, answer = rest.partition(CLOSE) if opened or closed else ("", "", reply)
    if opened > closed or (opened and not found):
        failures.append("thinking never ends")
        thought, answer = rest, ""
    elif opened > 1 or closed > 1 or closed > opened:
        failures.append("thinking more than once")
        answer = reply.rpartition(CLOSE)[2]
    if before.strip():
        failures.append("text before the thinking")
    failures += _thinking_failures(thinking, bool(opened or closed), thought)
    failures += _answer_failures(answer, form)
    return Structure(failures=tuple(failures), thinking=thought.strip(), answer=answer.strip())


def _cut(reply: str, end_marks: tuple[str, ...]) -> tuple[str, str]:
    """The reply up to its first end mark, and what comes after it; end marks alone are nothing."""
    marks = "|".join(re.escape(mark) for mark in (*end_marks, *ROLE_MARKS))
    if not (found := re.search(marks, reply)):
        return reply, ""
    after = reply[found.end() :]
    for mark in end_marks:
        after = after.replace(mark, "")
    return reply[: found.start()], after + ("" if found[0] in end_marks else found[0])


def _thinking_failures(wanted: Thinking, present: bool, thought: str) -> list[Failure]:
    """An empty pair of marks is how a model says that it does not think."""
    empty = WORD.search(thought) is None
    if wanted == "on" and (not present or empty):
        return ["empty thinking" if present else "no thinking"]
    if wanted == "off" and present and not empty:
        return ["thinking was off"]
    return []


def _answer_failures(answer: str, form: AnswerForm) -> list[Failure]:
    if not answer.strip():
        return ["no answer"]
    if form == "text":
        return []
    found = extract(answer)
    right = found.answer and (form == "marked" or found.found_by == "boxed")
    return [] if right else ["no single marked answer"]
