"""Balance a chemical equation: the smallest whole numbers before its formulas, in order.

The trace names the numbers a, b, c, ..., sets a to 1 and goes from element to element. Reactions
with common numbers are drawn less often, so that guessing `2, 1, 2` does not pay.
"""

from collections import Counter
from functools import cache
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_numbers
from naga.tasks.example import (
    LEVELS,
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.science.chemistry import Reaction, balance
from naga.tasks.science.reactions import REACTIONS

ENGLISH = (
    "Balance {reaction}. Give the coefficients in order, separated by commas (1 included).",
    "Which smallest whole-number coefficients balance {reaction}? List them in order.",
    "Balance the chemical equation {reaction} and list all coefficients in order, also ones.",
    "{reaction}\nWrite only the coefficients of the balanced equation, in order.",
)
CHINESE = (
    "配平 {reaction}，按顺序写出系数，用逗号隔开（1 也要写）。",
    "配平化学方程式 {reaction}，依次列出所有最简整数系数。",
    "使 {reaction} 平衡的最小整数系数依次是什么？",
    "{reaction}\n只写出配平后的各系数（包括 1），按顺序排列。",
)


@final
class Balancing(Generator):
    name: ClassVar[str] = "balancing"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        reaction = random.choices(REACTIONS[level], WEIGHTS[level])[0]
        lines, numbers = balanced(reaction)
        answer = ", ".join(map(str, numbers))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=reaction.text(),
            messages=conversation(
                pick(random, ENGLISH, CHINESE, language).format(reaction=reaction.text()),
                "\n".join([*lines, answer]),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_numbers(reply, example.answer)


@cache
def balanced(reaction: Reaction) -> tuple[list[str], tuple[int, ...]]:
    return balance(reaction)


def _weights(level: Level) -> list[float]:
    numbers = [balanced(reaction)[1] for reaction in REACTIONS[level]]
    shared = Counter(numbers)
    return [shared[of] ** -0.5 for of in numbers]


WEIGHTS = {level: _weights(level) for level in LEVELS}
