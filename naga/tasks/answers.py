"""Graders of short answers: a number with or without its unit, several numbers, named numbers.

Numbers are compared as exact rationals; where a family allows it, a reply that is the gold number
correctly rounded to three or more significant digits counts too. The whole reply has to be the
answer: nothing is searched for in prose, so a list of candidates or an answer followed by another
is wrong. What a reply says is never executed, and a reply longer than LONGEST is not read. A gold
answer that cannot be read gives no score.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from naga.tasks.example import Verdict, bare
from naga.tasks.unit_names import same_unit

LONGEST = 300
FEWEST_SIGNIFICANT = 3
DIGITS = "[0-9]{1,40}"
GROUPED = "[0-9]{1,3}(?:,[0-9]{3}){1,12}"
DECIMAL = re.compile(
    rf"(?P<whole>[+-]?(?:{GROUPED}|{DIGITS}))(?:\.(?P<part>{DIGITS}))?"
    r"(?:(?:[eE]|\*10\^)(?P<power>[+-]?[0-9]{1,2}))?(?![0-9.,])"
)
FRACTION = re.compile(rf"(?P<top>[+-]?{DIGITS}) ?/ ?(?P<bottom>{DIGITS})(?![0-9.,/])")
NAMED = re.compile(r"(?P<name>[a-zA-Z]) ?= ?")
# Full-width ASCII, and signs that stand for an ASCII one.
PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(sign): plain
    for sign, plain in {
        **{"−": "-", "–": "-", "×": "*", "÷": "/", "·": "*", "⋅": "*", "⁄": "/"},
        **{"²": "^2", "³": "^3", "、": ",", "。": ".", "\u3000": " ", "\xa0": " "},
    }.items()
}


class Number(NamedTuple):
    value: Fraction
    places: int
    """Digits after the decimal point, less the power of ten; negative: it ends before the point."""
    significant: int
    rest: str
    """What follows it, without the space between."""
    division: bool = False
    """Written as a fraction, which may be a problem restated: 84/2."""


def plain(reply: str) -> str | None:
    """One short line in plain signs, without quote marks and one closing full stop; else None."""
    if len(reply) > LONGEST:
        return None
    text = bare(bare(reply).translate(PLAIN))
    text = text[:-1].rstrip() if text.endswith(".") else text
    return None if "\n" in text else re.sub(" +", " ", text)


def read_number(text: str) -> Number | None:
    """The integer, decimal or fraction that `text` begins with."""
    if found := FRACTION.match(text):
        bottom = int(found["bottom"])
        if not bottom:
            return None
        value = Fraction(int(found["top"]), bottom)
        return Number(value, 0, 0, text[found.end() :].lstrip(" "), division=True)
    if not (found := DECIMAL.match(text)):
        return None
    whole, part = found["whole"].replace(",", ""), found["part"] or ""
    power = int(found["power"] or 0)
    value = Fraction(int(whole + part)) * Fraction(10) ** (power - len(part))
    significant = len((whole + part).lstrip("+-0"))
    return Number(value, len(part) - power, significant, text[found.end() :].lstrip(" "))


def rounds_to(exact: Fraction, given: Number) -> bool:
    """`given` is `exact` rounded to as many digits as it has, and has enough of them."""
    slack = Fraction(10) ** -given.places / 2
    return given.significant >= FEWEST_SIGNIFICANT and abs(exact - given.value) <= slack


def grade_number(reply: str, answer: str, *, rounded: bool = False) -> Verdict:
    """`answer` is a number or `number unit`; the unit may be left out, but not be another one.

    A reply may name what it is, as `x = 5`; with `rounded` it may be rounded. It may be a fraction,
    in lowest terms or not, only if the gold answer is one.
    """
    gold = read_number(answer)
    if gold is None:
        return unjudged("the gold answer is not a number")
    text = plain(reply)
    if text is None:
        return verdict(False, reason="not one short line")
    given = read_number(NAMED.sub("", text, count=1) if NAMED.match(text) else text)
    if given is None:
        return verdict(False, reason="not a number")
    if given.rest and not (gold.rest and same_unit(given.rest, gold.rest)):
        return verdict(False, reason="another unit, or words behind the number")
    if given.division and not gold.division:
        return verdict(False, reason="a division that is not worked out")
    if given.value == gold.value:
        return verdict(True, "exact" if bare(reply) == answer else "numeric")
    if rounded and rounds_to(gold.value, given):
        return verdict(True, "rounded")
    return verdict(False, reason="another number")


def grade_numbers(reply: str, answer: str) -> Verdict:
    """Numbers in their order; commas, colons or spaces between them."""
    numbers, gold = _numbers(plain(reply) or ""), _numbers(answer)
    if gold is None:
        return unjudged("the gold answer is not a list of numbers")
    if numbers is None:
        return verdict(False, reason="not a list of numbers")
    right = numbers == gold
    return verdict(right, "numeric", reason="" if right else "other numbers")


def grade_named(reply: str, answer: str) -> Verdict:
    """Numbers by name, as `x=3, y=-2`, in any order."""
    text = re.sub(r" ?(?:,|;|和|且|与|\band\b) ?| (?=[a-zA-Z] ?=)", ",", plain(reply) or "")
    given, gold = _named(text.split(",")), _named(answer.split(", "))
    if gold is None:
        return unjudged("the gold answer is not a list of named numbers")
    if given is None:
        return verdict(False, reason="not a number for each name")
    right = given == gold
    return verdict(right, "numeric", reason="" if right else "other names or numbers")


def verdict(right: bool, matched_by: str = "exact", *, reason: str = "") -> Verdict:
    return Verdict(
        score=float(right),
        parts={"correct": float(right)},
        matched_by=matched_by if right else "",
        reason=reason,
    )


def unjudged(reason: str) -> Verdict:
    """The gold answer is at fault, not the reply."""
    return Verdict(score=None, reason=reason)


def _numbers(text: str) -> list[Fraction] | None:
    numbers = [_only_number(part) for part in re.split(r" ?[,:] ?| ", text)]
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(numbers) else None


def _named(parts: Sequence[str]) -> Mapping[str, Fraction] | None:
    named: dict[str, Fraction] = {}
    for part in parts:
        found = NAMED.match(part)
        number = _only_number(part[found.end() :]) if found else None
        if found is None or number is None or found["name"] in named:
            return None
        named[found["name"]] = number
    return named


def _only_number(text: str) -> Fraction | None:
    """The number that is all of `text`, worked out."""
    number = read_number(text)
    return number.value if number and not number.rest and not number.division else None
