"""Two linear equations in two unknowns, with a whole solution.

Easy: sum and difference. Medium: y is given by x, and put into the other equation. Hard: both
equations general, y eliminated by taking each as many times as the other has y.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_named
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)

ENGLISH = (
    "Solve for x and y: {first}, {second}.",
    "Solve the system of equations {first} and {second}.",
    "Find x and y if {first} and {second}.",
    "{first}\n{second}\nWhat are x and y?",
    "Which x and y satisfy both {first} and {second}?",
)
CHINESE = (
    "解方程组：{first}，{second}。",
    "已知 {first}，{second}，求 x 和 y。",
    "{first}\n{second}\n求 x、y 的值。",
    "求同时满足 {first} 和 {second} 的 x 与 y。",
)
Row = tuple[int, int, int]


@final
class System(Generator):
    name: ClassVar[str] = "system"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        made = {"easy": _easy, "medium": _medium, "hard": _hard}[level]
        first, second, lines, answer = made(random)
        wording = pick(random, ENGLISH, CHINESE, language)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{first}, {second}",
            messages=conversation(
                wording.format(first=first, second=second), "\n".join([*lines, answer]), answer
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_named(reply, example.answer)


Solved = tuple[str, str, list[str], str]


def _easy(random: Random) -> Solved:
    x, y = random.randint(1, 40), random.randint(1, 40)
    total, difference = x + y, x - y
    lines = [
        f"2x={total}{difference:+}={2 * x}",
        f"x={2 * x}/2={x}",
        f"y={total}-{x}={y}",
    ]
    return f"x+y={total}", f"x-y={difference}", lines, f"x={x}, y={y}"


def _medium(random: Random) -> Solved:
    """y=kx+m put into ax+by=c."""
    x, k, m = random.randint(-9, 12), random.randint(2, 6), random.choice((1, -1)) * _small(random)
    a, b = random.randint(1, 9), random.randint(1, 6)
    y = k * x + m
    c = a * x + b * y
    lines = [
        f"{_of('x', a)}+{b}({k}x{m:+})={c}" if b > 1 else f"{_of('x', a)}+{k}x{m:+}={c}",
        f"{b}*{k}={b * k}, {a}+{b * k}={a + b * k}",
        f"{b}*{_sign(m)}={b * m}, {c}{-b * m:+}={c - b * m}",
        f"{a + b * k}x={c - b * m}",
        f"x={c - b * m}/{a + b * k}={x}",
        f"y={k}*{_sign(x)}{m:+}={k * x}{m:+}={y}",
    ]
    return f"y={k}x{m:+}", _row((a, b, c)), lines, f"x={x}, y={y}"


def _hard(random: Random) -> Solved:
    while True:
        x, y = random.randint(-12, 12), random.randint(-12, 12)
        a, d = random.randint(1, 9), random.randint(1, 9)
        b, e = (random.choice((1, -1)) * random.randint(1, 9) for _ in range(2))
        if a * e != b * d:
            break
    first, second = (a, b, a * x + b * y), (d, e, d * x + e * y)
    top, bottom = _scaled(first, e), _scaled(second, b)
    width, height = top[0] - bottom[0], top[2] - bottom[2]
    lines = [
        f"*{_sign(e)}: {_row(top)}",
        f"*{_sign(b)}: {_row(bottom)}",
        f"{top[0]}-{_sign(bottom[0])}={width}, {top[2]}-{_sign(bottom[2])}={height}",
        f"{_of('x', width)}={height}",
        f"x={height}/{_sign(width)}={x}",
        f"{a}*{_sign(x)}={a * x}, {first[2]}-{_sign(a * x)}={b * y}",
        f"{_of('y', b)}={b * y}",
        f"y={b * y}/{_sign(b)}={y}",
    ]
    return _row(first), _row(second), lines, f"x={x}, y={y}"


def _small(random: Random) -> int:
    return random.randint(1, 20)


def _scaled(row: Row, factor: int) -> Row:
    return row[0] * factor, row[1] * factor, row[2] * factor


def _row(row: Row) -> str:
    a, b, c = row
    return f"{_of('x', a)}{'+' if b > 0 else ''}{_of('y', b)}={c}"


def _of(name: str, factor: int) -> str:
    return {1: name, -1: f"-{name}"}.get(factor, f"{factor}{name}")


def _sign(number: int) -> str:
    return f"({number})" if number < 0 else str(number)
