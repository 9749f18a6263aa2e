r"""The final answer of a reply: what stands in \boxed{}, what is announced, or the whole reply.

Looks only at what follows the last </think>. Two different boxes, or two different announced
answers in strict mode, are a list of guesses and no answer. Judges nothing: an answer that only
repeats the problem is refused in shape.py, where it is known what the gold looks like.
"""

import re
from dataclasses import dataclass
from itertools import islice

from naga.verify.normalise import MAX_INPUT, compact
from naga.verify.numeric import equal, read_quantity
from naga.verify.result import Mode

MAX_REPLY = 400_000
MAX_MARKS = 50
MAX_BARE = 200
"""Characters of a reply, or last line, that may be an answer without being marked as one."""

ANNOUNCED = re.compile(
    r"(?:(?:final|correct|right)\s+)?answer\s*(?:is|was|:|：|=)\s*:?"
    r"|####"
    r"|(?:最终|最后|正确|所以|因此|故)*(?:的)?(?:答案|结果)\s*(?:是|为|:|：|等于|应为|应该是)\s*[:：]?",
    re.IGNORECASE,
)
BOX = re.compile(r"\\f?boxed?\s*\{")
SENTENCE_END = re.compile(r"(?<!\\)[.。!?！？;；](?=\s|$)|[。！？；]|\n")
BECAUSE = re.compile(r"[,，;；]?\s*(?:\b(?:because|since)\b|因为|由于)", re.IGNORECASE)
OPENING = re.compile(r"(?i)^(?:so|thus|therefore|hence|finally|所以|因此|故|综上|于是)[,，:：\s]*")


@dataclass(frozen=True, kw_only=True)
class Extraction:
    answer: str
    """Empty if there is none."""
    found_by: str
    """boxed, announced, whole reply, last line; empty if there is none."""
    reason: str
    """Why there is none."""


def extract(reply: str, mode: Mode = "strict") -> Extraction:
    text = reply[-MAX_REPLY:].rpartition("</think>")[2].strip()
    if "<think>" in text:
        return _none("the thinking never ends")
    if not text:
        return _none("no answer after the thinking" if reply.strip() else "the reply is empty")
    if max(len(BOX.findall(text)), len(ANNOUNCED.findall(text))) > MAX_MARKS:
        return _none("a list of answers")
    if boxes := boxed(text):
        return _single(boxes, "boxed", f"{len(boxes)} different boxed answers")
    if BOX.search(text):
        return _none("a box without an end")
    if answers := announced(text):
        chosen = answers if mode == "strict" else answers[-1:]
        return _single(chosen, "announced", f"{len(answers)} different announced answers")
    if ANNOUNCED.search(text) and mode == "strict":
        return _none("an announcement without an answer")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(text) <= MAX_BARE:
        return _found(text, "whole reply")
    if mode == "lenient" and len(lines[-1]) <= MAX_BARE:
        return _found(lines[-1], "last line")
    return _none("no marked answer")


def _found(answer: str, found_by: str) -> Extraction:
    answer = OPENING.sub("", answer.strip(), count=1).strip()
    if not answer:
        return _none("the answer is empty")
    if len(answer) > MAX_INPUT:
        return _none(f"an answer of {len(answer)} characters")
    return Extraction(answer=answer, found_by=found_by, reason="")


def _none(reason: str) -> Extraction:
    return Extraction(answer="", found_by="", reason=reason)


def _single(answers: list[str], found_by: str, otherwise: str) -> Extraction:
    """The last of `answers` if they all say the same; 5 and 5 dollars do."""
    if len({compact(answer) for answer in answers}) > 1 and not _one_number(answers):
        return _none(otherwise)
    return _found(answers[-1], found_by)


def _one_number(answers: list[str]) -> bool:
    quantities = [read_quantity(answer) for answer in answers]
    first = quantities[0]
    return all(first and other and equal(first, other) for other in quantities)


def boxed(text: str) -> list[str]:
    r"""Contents of every \boxed{} and \fbox{}, braces matched; an unclosed one is dropped."""
    found = []
    for start in islice(BOX.finditer(text), MAX_MARKS):
        depth, position = 1, start.end()
        while depth and position < min(len(text), start.end() + MAX_INPUT):
            character = text[position]
            escaped = text[position - 1] == "\\"
            depth += ((character == "{") - (character == "}")) * (not escaped)
            position += 1
        if depth == 0:
            found.append(text[start.end() : position - 1].strip())
    return found


def announced(text: str) -> list[str]:
    """What follows each `Answer:`, `the answer is`, `答案是`, up to the end of the sentence."""
    found = []
    for mark in ANNOUNCED.finditer(text):
        rest = text[mark.end() : mark.end() + MAX_INPUT + 10].lstrip(" \t*_")
        rest = rest if rest[:1] != "\n" else rest.lstrip("\n \t")
        end = SENTENCE_END.search(rest)
        sentence = BECAUSE.split(rest[: end.start()] if end else rest, maxsplit=1)[0]
        if answer := re.sub(r"^\*\*|\*\*$|^__|__$", "", sentence.strip()).strip():
            found.append(answer)
    return found
