"""A linear equation in one unknown, solved by doing the same to both sides.

Easy: one operation (x+5=12, 3x=12, x/4=3); medium: two (3x-5=16); hard: the unknown on both sides,
on one of them in brackets at times, and a solution that may be a fraction. The canonical unknown is
x, a wording may call it something else.
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
from naga.tasks.working import worked, worked_sum

ENGLISH = (
    "Solve {equation} for {x}.",
    "Solve the equation {equation}.",
    "If {equation}, what is {x}?",
    "Find {x}: {equation}",
    "What value of {x} satisfies {equation}?",
    "{equation}. What is {x}?",
)
CHINESE = (
    "解方程 {equation}。",
    "解方程：{equation}",
    "已知 {equation}，求 {x}。",
    "{equation}，{x} 等于多少？",
    "求满足 {equation} 的 {x}。",
)


@final
class Equation(Generator):
    name: ClassVar[str] = "equation"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        problem, lines, solution = {"easy": _easy, "medium": _medium, "hard": _hard}[level](random)
        unknown = random.choice("xxxyatn")
        answer = str(solution)
        wording = pick(random, ENGLISH, CHINESE, language)
        shown = problem if random.random() < 0.5 else _spaced(problem)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=problem,
            messages=conversation(
                wording.format(equation=shown.replace("x", unknown), x=unknown),
                "\n".join([*lines, f"x={answer}"]).replace("x", unknown),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


Solved = tuple[str, list[str], Fraction]


def _easy(random: Random) -> Solved:
    solution, number = random.randint(1, 50), random.randint(2, 50)
    kind = random.randrange(5)
    if kind == 0:
        total = solution + number
        left = random.choice((f"x+{number}", f"{number}+x"))
        return f"{left}={total}", [f"x={total}-{number}", worked(total, "-", number)], _of(solution)
    if kind == 1:
        rest = solution - number
        return f"x-{number}={rest}", [f"x={rest}+{number}", worked_sum(rest, number)], _of(solution)
    if kind == 2:
        rest = number - solution
        return (
            f"{number}-x={rest}",
            [f"x={number}-{_of_sign(rest)}", worked_sum(number, -rest)],
            _of(solution),
        )
    factor = random.randint(2, 12)
    if kind == 3:
        product = solution * factor
        line = worked(product, "/", factor)
        return f"{factor}x={product}", [f"x={product}/{factor}", line], _of(solution)
    quotient = random.randint(1, 12)
    line = worked(quotient, "*", factor)
    return f"x/{factor}={quotient}", [f"x={quotient}*{factor}", line], _of(quotient * factor)


def _medium(random: Random) -> Solved:
    solution, factor = random.randint(-20, 30), random.randint(2, 12)
    number = random.choice((1, -1)) * random.randint(1, 60)
    total = factor * solution + number
    lines = [worked_sum(total, -number), f"{factor}x={total - number}"]
    lines.append(_quotient(total - number, factor))
    return f"{factor}x{number:+}={total}", lines, _of(solution)


def _hard(random: Random) -> Solved:
    """a(x+b)=cx+d or ax+b=cx+d."""
    while True:
        a, c = random.randint(2, 15), random.choice((1, -1)) * random.randint(2, 12)
        b, d = (random.choice((1, -1)) * random.randint(1, 40) for _ in range(2))
        if a == c:
            continue
        bracket = random.random() < 0.5
        known = a * b if bracket else b
        if random.random() < 0.75:
            d = random.randint(-12, 12) * (a - c) + known
        solution = Fraction(d - known, a - c)
        if d and solution.denominator < 30:
            break
    lines = [f"{a}x{known:+}={c}x{d:+}"] if bracket else []
    lines += [
        f"{worked_sum(a, -c)}, {worked_sum(d, -known)}",
        f"{_times(a - c)}={d - known}",
        _quotient(d - known, a - c),
    ]
    left = f"{a}(x{b:+})" if bracket else f"{a}x{b:+}"
    return f"{left}={c}x{d:+}", lines, solution


def _of(number: int) -> Fraction:
    return Fraction(number)


def _of_sign(number: int) -> str:
    return f"({number})" if number < 0 else str(number)


def _times(factor: int) -> str:
    return {1: "x", -1: "-x"}.get(factor, f"{factor}x")


def _quotient(first: int, second: int) -> str:
    """A division that may leave a fraction; signs first."""
    if second < 0:
        return f"{first}/({second})={-first}/{-second}, {_quotient(-first, -second)}"
    if second == 1 or first % second or first < 0:
        return f"{first}/{second}={Fraction(first, second)}"
    return worked(first, "/", second)


def _spaced(text: str) -> str:
    for sign in "+-=":
        text = text.replace(sign, f" {sign} ")
    return text.replace("=  - ", "= -").replace("(  - ", "(-").removeprefix(" ")
