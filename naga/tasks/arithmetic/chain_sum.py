"""A chain of additions and subtractions, worked from the left with a running total.

The totals of the easy level are never negative, above it they may be.
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
from naga.tasks.working import worked_sum

TERMS: dict[Level, tuple[int, int]] = {"easy": (3, 4), "medium": (4, 7), "hard": (6, 10)}
LARGEST: dict[Level, int] = {"easy": 30, "medium": 99, "hard": 999}

ENGLISH = (
    "What is {chain}?",
    "{chain} = ?",
    "{chain}",
    "Compute {chain}.",
    "Calculate {chain}.",
    "Work out {chain}.",
)
CHINESE = (
    "{chain} 等于多少？",
    "{chain}=？",
    "计算 {chain}。",
    "请计算：{chain}",
    "求 {chain} 的结果。",
)


@final
class ChainSum(Generator):
    name: ClassVar[str] = "chain_sum"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        terms = _terms(random, level)
        problem = f"{terms[0]}" + "".join(f"{term:+}" for term in terms[1:])
        shown = problem
        if random.random() < 0.5:
            shown = problem.replace("+", " + ").replace("-", " - ")
        answer = str(sum(terms))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=problem,
            messages=conversation(
                pick(random, ENGLISH, CHINESE, language).format(chain=shown),
                chain_trace(terms),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def chain_trace(terms: list[int]) -> str:
    """`12+7=19 / 19-30=-11`, one line each."""
    lines, total = [], terms[0]
    for term in terms[1:]:
        lines.append(worked_sum(total, term))
        total += term
    return "\n".join(lines)


def _terms(random: Random, level: Level) -> list[int]:
    num_terms, largest = random.randint(*TERMS[level]), LARGEST[level]
    terms = [random.randint(1, largest)]
    while len(terms) < num_terms:
        term = random.choice((1, -1)) * random.randint(1, largest)
        if level != "easy" or sum(terms) + term >= 0:
            terms.append(term)
    return terms
