r"""Is this reply right? Extraction, then the rules in order, each of which may decide.

exact (the same after normalisation) -> choice letters or words -> numeric -> symbolic. The kind of
the gold says which rules apply:
- number: the answer must *be* a number (numeric.py): 6·7 or \sqrt{16} leave work undone.
- expression: letter by letter, else math-verify in a child, both ways, after shape.py's refusals.
- text: the same words, or a score of 0 that a classifier may look at again.
- choice: the same letter.
Knows no task and no reward; a wrong reply is 0 and what could not be judged is None.
"""

import atexit
import os
import re
import time
from functools import cache
from typing import NamedTuple

from naga.verify import shape
from naga.verify.choice import LETTERS, chosen_letter
from naga.verify.extract import extract
from naga.verify.normalise import compact, normalise, words
from naga.verify.numeric import equal, read_quantity
from naga.verify.result import Kind, Match, MatchedBy, Mode
from naga.verify.symbolic import Pool, require_math_verify
from naga.verify.units import without_unit

FUNCTIONS = re.compile(
    "(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|log|ln|exp|sqrt|max|min|gcd|lcm|mod|det|and|or"
)

TEXT_ONLY = re.compile(r"[\s$]*\\(?:text|textbf|mathrm|mbox)\s*\{[^{}]*[^\W\d_]{2}[^{}]*\}[\s$.]*")


class Ruling(NamedTuple):
    score: float | None
    matched_by: MatchedBy = ""
    reason: str = ""


@cache
def _pool_of(process: int) -> Pool:
    """This process's children; those of the process it was forked from are not its own."""
    require_math_verify()
    pool = Pool()
    atexit.register(lambda: pool.close() if os.getpid() == process else None)
    return pool


def match(
    reply: str,
    gold: str,
    kind: Kind | None = None,
    problem: str | None = None,
    *,
    mode: Mode = "strict",
    tolerance: float | None = None,
    pool: Pool | None = None,
) -> Match:
    """Judge a reply, or a bare answer, against `gold`.

    `problem` lets an answer be refused that only repeats it. `tolerance` is relative and replaces
    numeric.py's rules. `pool` replaces the one that this process shares. ConfigError if formulas
    have to be compared and math-verify is not installed.
    """
    started = time.monotonic()
    kind = kind or kind_of(gold)
    if kind == "choice":
        extracted, ruling = _choice(reply, gold, mode)
    else:
        found = extract(reply, mode)
        extracted, ruling = found.answer, Ruling(0.0, reason=found.reason)
        if not normalise(gold):
            ruling = Ruling(None, reason="the gold answer is empty")
        elif extracted:
            ruling = _rule(extracted, gold, kind, problem, mode, tolerance, pool)
    return Match(
        score=ruling.score,
        matched_by=ruling.matched_by,
        kind=kind,
        extracted=extracted,
        reason=ruling.reason,
        elapsed_s=time.monotonic() - started,
    )


def kind_of(gold: str) -> Kind:
    """What a gold answer is by its looks: a letter A-J alone, a number, words, or a formula."""
    text = normalise(gold)
    if re.fullmatch(rf"[{LETTERS}]|\([{LETTERS}]\)", text):
        return "choice"
    if read_quantity(text) is not None:
        return "number"
    if TEXT_ONLY.fullmatch(gold):
        return "text"
    plain = re.sub(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+", " ", text)
    named = (word for word in re.findall(r"[^\W\d_]{3,}", plain) if not FUNCTIONS.fullmatch(word))
    chinese = re.search("[\u3400-\u9fff]", plain)
    return "text" if chinese or any(named) else "expression"


def _choice(reply: str, gold: str, mode: Mode) -> tuple[str, Ruling]:
    letter = chosen_letter(reply, mode)
    if letter is None:
        return "", Ruling(0.0, reason="no single letter is chosen")
    if letter == normalise(gold).strip("() ").upper():
        return letter, Ruling(1.0, "choice")
    return letter, Ruling(0.0, reason="another letter")


def _rule(
    answer: str,
    gold: str,
    kind: Kind,
    problem: str | None,
    mode: Mode,
    tolerance: float | None,
    pool: Pool | None,
) -> Ruling:
    if compact(answer) == compact(gold):
        return Ruling(1.0, "exact")
    if kind == "text":
        same = bool(words(gold)) and words(answer) == words(gold)
        return Ruling(1.0, "exact") if same else Ruling(0.0, reason="other words")
    given, wanted = (shape.unnamed(normalise(text)) for text in (answer, gold))
    if "=" in gold and "=" in answer:
        given, wanted = normalise(answer), normalise(gold)
    if compact(given) == compact(wanted):
        return Ruling(1.0, "exact")
    if kind == "number" or ("=" not in given and read_quantity(wanted)):
        return _number(given, wanted, mode, tolerance)
    return _expression(given, wanted, problem, pool)


def _number(given: str, wanted: str, mode: Mode, tolerance: float | None) -> Ruling:
    gold = read_quantity(wanted)
    if gold is None:
        return Ruling(None, reason="the gold answer is not a number")
    answer = read_quantity(given)
    if answer is None and mode == "lenient":
        answer = read_quantity(_only_number(given))
    if answer is None:
        return Ruling(0.0, reason="not a number")
    if equal(gold, answer, tolerance):
        return Ruling(1.0, "numeric")
    return Ruling(0.0, reason="another number")


def _only_number(text: str) -> str:
    """In a sentence of plain words the one number there is; empty if there are more, or a not."""
    if re.search(r"(?i)\b(?:not|never|no|isn't|neither|cannot)\b|不|非|没", text):
        return ""
    found = re.findall(r"(?<![\w.,\\^{}()/*+=-])-?\d+(?:\.\d+)?(?:/\d+)?(?![\w^{}()*/+=-])%?", text)
    return found[0] if len(found) == 1 and len(re.findall(r"\d+", text)) <= 2 else ""


def _expression(given: str, wanted: str, problem: str | None, pool: Pool | None) -> Ruling:
    for text, score, whose in ((wanted, None, "gold answer"), (given, 0.0, "answer")):
        if too_much := shape.cost(text):
            return Ruling(score, reason=f"{whose}: {too_much}")
    given, wanted = (shape.as_list(without_unit(text)) for text in (given, wanted))
    if refused := shape.refusal(wanted, given, problem and normalise(problem)):
        return Ruling(0.0, reason=refused)
    found = (pool or _pool_of(os.getpid())).compare(wanted, given)
    if found.status == "equal":
        return Ruling(1.0, "symbolic")
    return Ruling(None if found.status == "missing" else 0.0, reason=found.reason)


def rules_abstain(found: Match) -> bool:
    """Whether a reader may look again: the rules saw neither the answer nor another one.

    Another number, or another letter, is an answer; other words, or nothing marked, are not.
    """
    if found.score is None:
        return True
    if found.score or found.kind == "choice":
        return False
    return found.kind == "text" or read_quantity(found.extracted) is None
