"""What is in a number's digits: their sum, their digital root, the number in another base.

Sums are running totals; a number is brought into another base by repeated division, the remainders
read from the last, and brought back by multiplying and adding from the left.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.working import worked_product, worked_sum

DIGITS: dict[Level, tuple[int, int]] = {"easy": (3, 4), "medium": (5, 7), "hard": (8, 12)}
LARGEST: dict[Level, int] = {"easy": 30, "medium": 150, "hard": 900}

WORDINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sum": (
        (
            "What is the sum of the digits of {number}?",
            "Add up the digits of {number}.",
            "Find the digit sum of {number}.",
            "What do the digits of {number} add up to?",
        ),
        (
            "{number} 的各位数字之和是多少？",
            "求 {number} 的数字和。",
            "把 {number} 的每一位数字加起来，结果是多少？",
            "{number} 的各个数位上的数字相加等于几？",
        ),
    ),
    "root": (
        (
            "What is the digital root of {number}?",
            "Add the digits of {number} again and again until one digit is left. Which?",
            "Find the repeated digit sum of {number}, down to a single digit.",
            "Sum the digits of {number}, then those of the sum, and so on. What one digit remains?",
        ),
        (
            "{number} 的数根是多少？",
            "反复求 {number} 的各位数字之和，直到只剩一位，结果是几？",
            "求 {number} 的数字根（一位数）。",
            "把 {number} 的各位数字相加，再把和的各位相加，直到一位数，是几？",
        ),
    ),
    "to": (
        (
            "Write {number} in base {base}.",
            "Convert {number} from decimal to base {base}.",
            "What is {number} in base {base}?",
            "Express the decimal number {number} in base {base}.",
        ),
        (
            "把十进制数 {number} 转换成 {base} 进制。",
            "{number} 用 {base} 进制怎么写？",
            "将 {number} 写成 {base} 进制数。",
            "十进制的 {number} 等于 {base} 进制的多少？",
        ),
    ),
    "from": (
        (
            "What is the base {base} number {number} in decimal?",
            "Convert {number} from base {base} to decimal.",
            "Read {number} in base {base}. Which decimal number is it?",
            "The number {number} is in base {base}. Write it in base 10.",
        ),
        (
            "把 {base} 进制数 {number} 转换成十进制。",
            "{base} 进制的 {number} 等于十进制的多少？",
            "将 {base} 进制数 {number} 写成十进制数。",
            "{number} 是 {base} 进制数，它的十进制是多少？",
        ),
    ),
}


@final
class Digits(Generator):
    name: ClassVar[str] = "digits"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        kind = random.choice(tuple(WORDINGS))
        base = random.choice((2, 2, 3, 4, 5, 6, 8)) if kind in ("to", "from") else 10
        if base == 10:
            count = random.randint(*DIGITS[level])
            number = str(random.randint(10 ** (count - 1), 10**count - 1))
        else:
            value = random.randint(LARGEST[level] // 4, LARGEST[level])
            number = str(value) if kind == "to" else _in_base(value, base)[1]
        lines, answer = digit_trace(kind, number, base)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{kind} {number} {base}",
            messages=conversation(
                pick(random, *WORDINGS[kind], language).format(number=number, base=base),
                "\n".join(lines),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def digit_trace(kind: str, number: str, base: int) -> tuple[list[str], str]:
    if kind == "sum":
        return _sum(number)
    if kind == "to":
        lines, written = _in_base(int(number), base)
        return [*lines, written], written
    if kind == "from":
        return _from_base(number, base)
    lines, root = list[str](), number
    while len(root) > 1:
        more, root = _sum(root)
        lines += more
    return lines, root


def _sum(number: str) -> tuple[list[str], str]:
    """`3+4=7 / 7+9=16`."""
    lines, total = [], int(number[0])
    for digit in number[1:]:
        lines.append(worked_sum(total, int(digit)))
        total += int(digit)
    return lines, str(total)


def _in_base(value: int, base: int) -> tuple[list[str], str]:
    """`11=2*5+1 / 5=2*2+1 / 2=2*1+0 / 1=2*0+1`: 1011."""
    lines, digits = [], ""
    while value or not digits:
        lines.append(f"{value}={base}*{value // base}+{value % base}")
        digits = str(value % base) + digits
        value //= base
    return lines, digits


def _from_base(number: str, base: int) -> tuple[list[str], str]:
    """`1*2=2, 2+0=2 / 2*2=4, 4+1=5`."""
    lines, value = [], int(number[0])
    for digit in number[1:]:
        product = value * base
        lines.append(f"{worked_product(value, base)}, {worked_sum(product, int(digit))}")
        value = product + int(digit)
    return lines, str(value)
