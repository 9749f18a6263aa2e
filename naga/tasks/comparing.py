"""Which of two different numbers is larger or smaller, compared digit by digit from the left.

The trace says what is wanted, max or min, and how many digits each number (its whole part) has; if
those are equal it compares digits up to the first difference. Then it writes which is the larger
and which the smaller, whatever was asked, and last the one that was: weighing the sign and the wish
at once is more than a tiny model learns. Decimals (from the medium level on) are first padded to
the same number of places. Does not compare negative or equal numbers.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    grade_exact,
    pick,
)

WHOLE_DIGITS: dict[Level, tuple[int, int]] = {"easy": (1, 4), "medium": (1, 4), "hard": (4, 9)}

LARGER_EN = (
    "Which is larger, {a} or {b}?",
    "Which number is bigger: {a} or {b}?",
    "Which is greater, {a} or {b}?",
    "What is the larger of {a} and {b}?",
    "{a} or {b}: which is larger?",
    "Compare {a} and {b}. Which is larger?",
)
SMALLER_EN = (
    "Which is smaller, {a} or {b}?",
    "Which number is smaller: {a} or {b}?",
    "Which is less, {a} or {b}?",
    "What is the smaller of {a} and {b}?",
    "{a} or {b}: which is smaller?",
    "Compare {a} and {b}. Which is smaller?",
)
LARGER_ZH = (
    "{a}和{b}哪个大？",
    "{a}与{b}，哪个更大？",
    "{a} 和 {b} 哪个数比较大？",
    "比较{a}和{b}，写出较大的数。",
)
SMALLER_ZH = (
    "{a}和{b}哪个小？",
    "{a}与{b}，哪个更小？",
    "{a} 和 {b} 哪个数比较小？",
    "比较{a}和{b}，写出较小的数。",
)


@final
class Comparing(Generator):
    name: ClassVar[str] = "comparing"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        first, second = _pair(random, level)
        larger = random.random() < 0.5
        wordings = (LARGER_EN, LARGER_ZH) if larger else (SMALLER_EN, SMALLER_ZH)
        question = pick(random, *wordings, language).format(a=first, b=second)
        answer = (max if larger else min)(first, second, key=float)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=" ".join(sorted((first, second))),
            messages=conversation(question, compare_trace(first, second, larger), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def compare_trace(first: str, second: str, larger: bool) -> str:
    """`min / 4521 (4), 4573 (4): 4=4 / 4=4, 5=5, 2<7 / max 4573, min 4521 / min 4521`, by lines."""
    top, bottom = _padded(first, second)
    lengths = [len(number.partition(".")[0]) for number in (top, bottom)]
    wanted = "max" if larger else "min"
    lines = [
        wanted,
        f"{top} ({lengths[0]}), {bottom} ({lengths[1]}): {lengths[0]}{_sign(*lengths)}{lengths[1]}",
    ]
    if lengths[0] == lengths[1]:
        steps: list[str] = []
        for left, right in zip(top, bottom, strict=True):
            if left != ".":
                steps.append(f"{left}{_sign(int(left), int(right))}{right}")
            if left != right:
                break
        lines.append(", ".join(steps))
    low, high = sorted((first, second), key=float)
    lines.append(f"max {high}, min {low}")
    lines.append(f"{wanted} {high if larger else low}")
    return "\n".join(lines)


def _sign(left: float, right: float) -> str:
    return "=" if left == right else "<" if left < right else ">"


def _padded(first: str, second: str) -> tuple[str, str]:
    """Both numbers with the same number of decimal places."""
    places = max(len(number.partition(".")[2]) for number in (first, second))
    if not places:
        return first, second
    whole = [number if "." in number else f"{number}." for number in (first, second)]
    padded = [number + "0" * (places - len(number.partition(".")[2])) for number in whole]
    return padded[0], padded[1]


def _pair(random: Random, level: Level) -> tuple[str, str]:
    """Two different numbers; half of the pairs share a prefix, so that later digits decide."""
    while True:
        first = _number(random, level)
        second = _number(random, level)
        if random.random() < 0.5:
            second = _variant(random, first)
        if float(first) != float(second):
            return first, second


def _variant(random: Random, number: str) -> str:
    """The number with some of its last digits drawn again."""
    digits = list(number)
    for i in range(random.randrange(len(digits)), len(digits)):
        if digits[i] != ".":
            digits[i] = str(random.randint(0 if i else 1, 9))
    return _tidy("".join(digits))


def _number(random: Random, level: Level) -> str:
    digits = random.randint(*WHOLE_DIGITS[level])
    whole = str(random.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1))
    if level == "easy" or random.random() < 0.4:
        return whole
    places = random.randint(1, 3)
    return _tidy(f"{whole}.{random.randrange(10**places):0{places}}")


def _tidy(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number
