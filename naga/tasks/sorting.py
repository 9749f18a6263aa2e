"""Put a list of different whole numbers in ascending or descending order.

The trace pads the numbers to one width (so that digits line up) and puts a letter before each, then
repeatedly names the smallest (or largest) of the rest with its letter before a colon and the
remaining rest after it, in the order given. The letters make every step a look-up: what stood at b,
which letter stood before 120.
"""

import re
import string
from random import Random
from typing import ClassVar, final

from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    bare,
    conversation,
    pick,
)

NUMBERS: dict[Level, tuple[int, int]] = {"easy": (3, 5), "medium": (5, 8), "hard": (8, 14)}
DIGITS: dict[Level, tuple[int, int]] = {"easy": (1, 3), "medium": (1, 4), "hard": (2, 5)}

ASCENDING_EN = (
    "Sort {list} in ascending order.",
    "Sort these numbers from smallest to largest: {list}",
    "Put these numbers in ascending order: {list}.",
    "Arrange from smallest to largest: {list}",
    "Order the numbers {list} from low to high.",
)
DESCENDING_EN = (
    "Sort {list} in descending order.",
    "Sort these numbers from largest to smallest: {list}",
    "Put these numbers in descending order: {list}.",
    "Arrange from largest to smallest: {list}",
    "Order the numbers {list} from high to low.",
)
ASCENDING_ZH = (
    "把{list}从小到大排序。",
    "将下列数字按升序排列：{list}",
    "请把这些数从小到大排列：{list}。",
    "从小到大排列：{list}",
)
DESCENDING_ZH = (
    "把{list}从大到小排序。",
    "将下列数字按降序排列：{list}",
    "请把这些数从大到小排列：{list}。",
    "从大到小排列：{list}",
)


@final
class Sorting(Generator):
    name: ClassVar[str] = "sorting"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        numbers = _numbers(random, level)
        descending = random.random() < 0.5
        wordings = (DESCENDING_EN, DESCENDING_ZH) if descending else (ASCENDING_EN, ASCENDING_ZH)
        separator = pick(random, (", ", ", ", " "), ("、", "，", ", "), language)
        listed = separator.join(map(str, numbers))
        question = pick(random, *wordings, language).format(list=listed)
        answer = ", ".join(map(str, sorted(numbers, reverse=descending)))
        direction = "descending" if descending else "ascending"
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{direction} {numbers}",
            messages=conversation(question, sort_trace(numbers, descending), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """The numbers in order; any of the usual separators between them will do."""
        given = bare(reply).removesuffix(".").removesuffix("。")
        right = float(re.split(r"\s*[,，、]\s*|\s+", given) == example.answer.split(", "))
        return Verdict(score=right, parts={"exact": right})


def sort_trace(numbers: list[int], descending: bool) -> str:
    """`a034 b007 c120 / 007b: a034 c120 / 034a: c120 / 120c:`, one line each."""
    width = max(len(str(number)) for number in numbers)
    rest = {
        f"{number:0{width}}": letter
        for number, letter in zip(numbers, string.ascii_lowercase, strict=False)
    }
    lines = [_listed(rest)]
    while rest:
        chosen = max(rest) if descending else min(rest)
        letter = rest.pop(chosen)
        lines.append(f"{chosen}{letter}: {_listed(rest)}".rstrip())
    return "\n".join(lines)


def _listed(letters: dict[str, str]) -> str:
    return " ".join(letter + number for number, letter in letters.items())


def _numbers(random: Random, level: Level) -> list[int]:
    wanted, chosen = random.randint(*NUMBERS[level]), list[int]()
    widest = random.randint(max(2, DIGITS[level][0]), DIGITS[level][1])
    while len(chosen) < wanted:
        digits = random.randint(DIGITS[level][0], widest)
        if random.random() < 0.5:
            digits = widest
        number = random.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)
        if chosen and random.random() < 0.3:
            number = _neighbour(random, random.choice(chosen))
        if number not in chosen:
            chosen.append(number)
    return chosen


def _neighbour(random: Random, number: int) -> int:
    """The number with one digit drawn again: what a careless reader would take for it."""
    place = 10 ** random.randrange(len(str(number)))
    return number - number // place % 10 * place + random.randint(0, 9) * place
