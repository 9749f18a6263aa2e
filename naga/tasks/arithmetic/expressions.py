"""The value of an expression with precedence and parentheses, one operation after another.

Each line of the trace does the first operation whose two sides are numbers and, behind the colon,
writes the expression that is left. Every value on the way is a whole number and none but the last
is negative. There is always a product or a quotient: sums alone are addition.py and chain_sum.py.
"""

from fractions import Fraction
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
from naga.tasks.terms import Operation, Term, applied, term_text, value_of, work_out
from naga.tasks.working import written

OPERANDS: dict[Level, tuple[int, int]] = {"easy": (2, 3), "medium": (3, 5), "hard": (5, 7)}
LARGEST: dict[Level, int] = {"easy": 12, "medium": 20, "hard": 40}
LARGEST_VALUE: dict[Level, int] = {"easy": 150, "medium": 1000, "hard": 5000}

ENGLISH = (
    "What is {term}?",
    "{term} = ?",
    "{term}",
    "Compute {term}.",
    "Calculate {term}.",
    "Evaluate the expression {term}.",
    "What is the value of {term}?",
)
CHINESE = (
    "{term} 等于多少？",
    "{term}=？",
    "计算 {term}。",
    "请计算：{term}",
    "求 {term} 的值。",
    "算式 {term} 的结果是多少？",
)


@final
class Expressions(Generator):
    name: ClassVar[str] = "expressions"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        term = _term(random, level)
        problem = term_text(term)
        shown = problem
        if random.random() < 0.5:
            shown = shown.replace("*", " × ").replace("/", " ÷ ")
            shown = shown.replace("+", " + ").replace("-", " - ")
        answer = written(value_of(term) or Fraction(0))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=problem,
            messages=conversation(
                pick(random, ENGLISH, CHINESE, language).format(term=shown),
                "\n".join(work_out(term)),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def _term(random: Random, level: Level) -> Term:
    while True:
        term = _built(random, level, random.randint(*OPERANDS[level]))
        value = value_of(term) if term else None
        if term is None or value is None or (value < 0 and level == "easy"):
            continue
        if any(sign in term_text(term) for sign in "*/"):
            return term


def _built(random: Random, level: Level, num_leaves: int) -> Term | None:
    """A tree of so many numbers whose inner values are whole, small and not negative; or none."""
    if num_leaves == 1:
        return Fraction(random.randint(1, LARGEST[level]))
    num_left = random.randint(1, num_leaves - 1)
    left, right = (_built(random, level, n) for n in (num_left, num_leaves - num_left))
    if left is None or right is None:
        return None
    operator, second = random.choice("++--**/"), value_of(right)
    if operator == "/" and isinstance(left, Fraction) and second:
        left *= second
    first = value_of(left)
    if first is None or second is None or min(first, second) < 0:
        return None
    result = applied(first, operator, second)
    if result is None or result.denominator > 1 or abs(result) > LARGEST_VALUE[level]:
        return None
    return Operation(operator=operator, left=left, right=right)
