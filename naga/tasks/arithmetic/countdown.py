"""Reach a target from given numbers with + - * /, each used at most once.

The trace is a search from the target backwards: take one number away by one operation and see
whether the rest reaches what is then needed; two numbers are tried in all ways. A problem is kept
only if this search ends within STEPS, so the trace never knows more than the search. Any expression
that is right counts, not only the gold one; a reply is read by terms.py, never executed.
"""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import plain, unjudged, verdict
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.terms import leaves, read_term, value_of

NUMBERS: dict[Level, int] = {"easy": 3, "medium": 4, "hard": 5}
LARGEST: dict[Level, int] = {"easy": 12, "medium": 20, "hard": 30}
STEPS: dict[Level, tuple[int, int]] = {"easy": (2, 12), "medium": (4, 24), "hard": (8, 40)}
LARGEST_TARGET = 200

ENGLISH = (
    "Use the numbers {list}, each at most once, with + - * / to make {target}.",
    "Make {target} from {list}. Use each number at most once and only + - * /.",
    "Reach {target} using {list}. You may use each number once, and +, -, *, / and brackets.",
    "Countdown: numbers {list}, target {target}. Write one expression.",
)
CHINESE = (
    "用 {list}（每个数最多用一次）和加减乘除得到 {target}。写出算式。",
    "用数字 {list} 通过 + - * / 和括号算出 {target}，每个数最多用一次。",
    "给定 {list}，每个数至多用一次，用四则运算凑出 {target}，写出一个算式。",
    "数字游戏：数字 {list}，目标 {target}。请写出算式。",
)


@final
class Countdown(Generator):
    name: ClassVar[str] = "countdown"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        numbers, target, lines, solution = _problem(random, level)
        listed = ", ".join(map(str, numbers)) if language == "en" else "、".join(map(str, numbers))
        question = pick(random, ENGLISH, CHINESE, language)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{target} from {' '.join(map(str, sorted(numbers)))}",
            messages=conversation(
                question.format(list=listed, target=target),
                "\n".join([*lines, f"{target}={solution}"]),
                solution,
            ),
            answer=json.dumps({"numbers": numbers, "target": target}),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """An expression of the numbers with the target's value; `= target` may stand behind it."""
        asked = _asked(example.answer)
        if asked is None:
            return unjudged("the gold answer is not JSON with numbers and a target")
        numbers, target = asked
        text = plain(reply)
        if text is None:
            return verdict(False, reason="not one short line")
        expression = text.removesuffix(str(target)).rstrip()
        expression = expression[:-1] if expression.endswith("=") else text
        term = read_term(expression.strip())
        if term is None:
            return verdict(False, reason="not an expression of numbers and + - * /")
        left = [Fraction(number) for number in numbers]
        for number in leaves(term):
            if number not in left:
                return verdict(False, reason=f"{number} is not there, or not so often")
            left.remove(number)
        right = value_of(term) == target
        return verdict(right, "expression", reason="" if right else "another value")


def _asked(answer: str) -> tuple[list[int], int] | None:
    """The numbers and the target, as JSON; None: it is something else."""
    try:
        asked = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict):
        return None
    numbers, target = asked.get("numbers"), asked.get("target")
    if not isinstance(numbers, list) or not isinstance(target, int):
        return None
    if not all(isinstance(number, int) for number in numbers):
        return None
    return numbers, target


def _problem(random: Random, level: Level) -> tuple[list[int], int, list[str], str]:
    """Numbers, target, the lines of the search, and the expression that it found."""
    fewest, most = STEPS[level]
    while True:
        numbers = [random.randint(1, LARGEST[level]) for _ in range(NUMBERS[level])]
        target = _reachable(random, numbers)
        if target is None or target in numbers:
            continue
        search = Search(most)
        solution = search.solve(target, tuple(sorted(numbers, reverse=True)))
        if solution and fewest <= len(search.lines) <= most:
            return numbers, target, search.lines, solution


def _reachable(random: Random, numbers: Sequence[int]) -> int | None:
    """A value that all the numbers make, one after another in some order."""
    value, *rest = random.sample(numbers, len(numbers))
    for number in rest:
        operator = random.choice("+-*/" if value % number == 0 else "+-*")
        value = {
            "+": value + number,
            "-": abs(value - number),
            "*": value * number,
            "/": value // number,
        }[operator]
        if not 0 < value <= LARGEST_TARGET:
            return None
    return value


class Search:
    """Depth first, largest number first, and the lines it leaves behind."""

    def __init__(self, most: int) -> None:
        self.lines: list[str] = []
        self.most = most

    def solve(self, target: int, numbers: tuple[int, ...]) -> str | None:
        """An expression for `target`; None: there is none, or the search became too long."""
        if target in numbers:
            return str(target)
        if len(self.lines) >= self.most:
            return None
        if len(numbers) == 2:
            return self._pair(target, *numbers)
        for i, number in enumerate(numbers):
            rest = (*numbers[:i], *numbers[i + 1 :])
            for step, needed, pattern in _backwards(target, number):
                self.lines.append(f"{step}: {' '.join(map(str, rest))}")
                found = self.solve(needed, rest)
                if found is not None:
                    return _bracketed(pattern, found)
                if len(self.lines) >= self.most:
                    return None
        return None

    def _pair(self, target: int, first: int, second: int) -> str | None:
        """`16 of 4 3: 4+3=7, 4-3=1, 4*3=12`; it stops where it hits."""
        facts = []
        for operator, value in _pair_values(first, second):
            facts.append(f"{first}{operator}{second}={value}")
            if value == target:
                break
        self.lines.append(f"{target}? {', '.join(facts)}")
        return facts[-1].partition("=")[0] if value == target else None


def _pair_values(first: int, second: int) -> Iterator[tuple[str, int]]:
    """Of the larger and the smaller."""
    yield "+", first + second
    yield "-", first - second
    yield "*", first * second
    if first % second == 0:
        yield "/", first // second


def _backwards(target: int, number: int) -> Iterator[tuple[str, int, str]]:
    """The last operation undone: its fact, what is needed of the rest, and what then stands."""
    if target > number:
        yield f"{target}-{number}={target - number}", target - number, f"{{}}+{number}"
    if target % number == 0 and number > 1:
        yield f"{target}/{number}={target // number}", target // number, f"{{}}*{number}"
    if target < number:
        yield f"{number}-{target}={number - target}", number - target, f"{number}-{{}}"
    yield f"{target}+{number}={target + number}", target + number, f"{{}}-{number}"


def _bracketed(pattern: str, found: str) -> str:
    """What was found, in brackets where the operation beside it demands them."""
    loose = "+" in found or "-" in found
    product = "*" in pattern
    behind = pattern.endswith("-{}")
    return pattern.format(f"({found})" if loose and (product or behind) else found)
