"""Addition and subtraction of whole numbers, worked column by column from the right.

The trace first restates the problem with both numbers padded to one width, then has one line per
column: the digits, the carry if there is one, the sum, and after the colon the result so far, so
that every step is one digit fact and one copy. A column of a subtraction that must borrow says so
with `<0` and adds ten. Differences are never negative at the easy level; above it a negative one is
worked the other way round.
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

DIGITS: dict[Level, tuple[int, int]] = {"easy": (1, 3), "medium": (3, 5), "hard": (5, 9)}

SUM_EN = (
    "What is {a} + {b}?",
    "{a} + {b} = ?",
    "{a}+{b}",
    "{a} + {b}",
    "Compute {a} + {b}.",
    "Calculate {a}+{b}.",
    "What is {a} plus {b}?",
    "How much is {a} plus {b}?",
    "Add {a} and {b}.",
    "What is the sum of {a} and {b}?",
    "what is {a}+{b}",
)
SUM_ZH = (
    "{a} + {b} 等于多少？",
    "{a}+{b}=？",
    "计算 {a}+{b}。",
    "请计算：{a} + {b}",
    "{a}加{b}等于多少？",
    "{a}加上{b}是多少？",
    "求{a}与{b}的和。",
)
DIFFERENCE_EN = (
    "What is {a} - {b}?",
    "{a} - {b} = ?",
    "{a}-{b}",
    "{a} - {b}",
    "Compute {a} - {b}.",
    "Calculate {a}-{b}.",
    "What is {a} minus {b}?",
    "How much is {a} minus {b}?",
    "Subtract {b} from {a}.",
    "Take {b} away from {a}.",
    "what is {a}-{b}",
)
DIFFERENCE_ZH = (
    "{a} - {b} 等于多少？",
    "{a}-{b}=？",
    "计算 {a}-{b}。",
    "请计算：{a} - {b}",
    "{a}减{b}等于多少？",
    "{a}减去{b}是多少？",
    "求{a}与{b}的差。",
    "从{a}中减去{b}，还剩多少？",
)


@final
class Addition(Generator):
    name: ClassVar[str] = "addition"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        first, second = (_number(random, *DIGITS[level]) for _ in range(2))
        if random.random() < 0.5:
            symbol, answer = "+", first + second
            wording = pick(random, SUM_EN, SUM_ZH, language)
        else:
            if first < second and (level == "easy" or random.random() < 0.75):
                first, second = second, first
            symbol, answer = "-", first - second
            wording = pick(random, DIFFERENCE_EN, DIFFERENCE_ZH, language)
        reasoning = add_trace(first, second) if symbol == "+" else subtract_trace(first, second)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{first}{symbol}{second}",
            messages=conversation(wording.format(a=first, b=second), reasoning, str(answer)),
            answer=str(answer),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def _number(random: Random, fewest: int, most: int) -> int:
    digits = random.randint(fewest, most)
    return random.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)


def add_trace(first: int, second: int) -> str:
    """`347+586 / 7+6=13: 3 / 4+8+1=13: 33 / 3+5+1=9: 933`, one line each."""
    top, bottom = _aligned(first, second)
    lines, result, carry = [f"{top}+{bottom}"], "", 0
    for i in reversed(range(len(top))):
        total = int(top[i]) + int(bottom[i]) + carry
        result = (str(total) if i == 0 else str(total % 10)) + result
        lines.append(f"{top[i]}+{bottom[i]}{'+1' if carry else ''}={total}: {result}")
        carry = total // 10
    return "\n".join(lines)


def subtract_trace(first: int, second: int) -> str:
    """`532-178 / 2-8<0, 12-8=4: 4 / 3-7-1<0, 13-7-1=5: 54 / 5-1-1=3: 354`, one line each."""
    if first < second:
        return f"{first}<{second}\n{subtract_trace(second, first)}\n-{second - first}"
    top, bottom = _aligned(first, second)
    lines, result, borrow = [f"{top}-{bottom}"], "", 0
    for i in reversed(range(len(top))):
        taken = f"-{bottom[i]}{'-1' if borrow else ''}"
        digit = int(top[i]) - int(bottom[i]) - borrow
        borrow = int(digit < 0)
        shortfall = f"{top[i]}{taken}<0, 1" if borrow else ""
        digit += 10 * borrow
        result = str(digit) + result
        lines.append(f"{shortfall}{top[i]}{taken}={digit}: {result}")
    return "\n".join(lines)


def _aligned(first: int, second: int) -> tuple[str, str]:
    width = max(len(str(first)), len(str(second)))
    return f"{first:0{width}}", f"{second:0{width}}"
