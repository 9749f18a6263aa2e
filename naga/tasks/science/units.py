"""Units: one quantity brought from one unit to another.

Easy: neighbours, as km to m. Medium: two steps, as days to minutes. Hard: three, and speeds, flows
and densities, where the answer needs both a product and a quotient, and degrees. The trace names
each factor and then multiplies or divides by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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
from naga.tasks.working import ends, worked, written

LARGEST: dict[Level, int] = {"easy": 100, "medium": 40, "hard": 400}

ENGLISH = (
    "Convert {value} {first} to {second}.",
    "How many {second} are {value} {first}?",
    "{value} {first} = ? {second}",
    "Express {value} {first} in {second}.",
    "What is {value} {first} in {second}?",
)
CHINESE = (
    "把 {value} {first} 换算成 {second}。",
    "{value} {first} 等于多少 {second}？",
    "{value} {first} = ？ {second}",
    "将 {value} {first} 用 {second} 表示。",
    "{value} {first} 是多少 {second}？",
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One operation on the number; a factor comes from the fact that the trace names."""

    operator: str
    number: Fraction
    fact: str = ""


def _ladder(*rungs: tuple[str, str | int]) -> dict[tuple[str, str], tuple[Change, ...]]:
    """Every way up and down a row of units, each with how many of the next smaller it has."""
    ways: dict[tuple[str, str], tuple[Change, ...]] = {}
    for i in range(len(rungs) - 1):
        down: tuple[Change, ...] = ()
        for j in range(i, len(rungs) - 1):
            fact = f"1 {rungs[j][0]}={rungs[j][1]} {rungs[j + 1][0]}"
            down += (Change(operator="*", number=Fraction(rungs[j][1]), fact=fact),)
            ways[rungs[i][0], rungs[j + 1][0]] = down
            ways[rungs[j + 1][0], rungs[i][0]] = tuple(
                Change(operator="/", number=change.number, fact=change.fact)
                for change in reversed(down)
            )
    return ways


WAYS = {
    **_ladder(("km", 1000), ("m", 100), ("cm", 10), ("mm", 1)),
    **_ladder(("t", 1000), ("kg", 1000), ("g", 1000), ("mg", 1)),
    **_ladder(("d", 24), ("h", 60), ("min", 60), ("s", 1)),
    **_ladder(("m^3", 1000), ("L", 1000), ("mL", 1)),
    **_ladder(("km^2", 100), ("ha", 10000), ("m^2", 10000), ("cm^2", 1)),
    **_ladder(("kWh", 3600), ("kJ", 1000), ("J", 1)),
    **_ladder(("kPa", 1000), ("Pa", 1)),
}


def _per(fact: str, factor: str, second: str, divisor: str) -> tuple[Change, ...]:
    return (
        Change(operator="*", number=Fraction(factor), fact=fact),
        Change(operator="/", number=Fraction(divisor), fact=second),
    )


HARD: dict[tuple[str, str], tuple[Change, ...]] = {
    ("km/h", "m/s"): _per("1 km=1000 m", "1000", "1 h=3600 s", "3600"),
    ("m/s", "km/h"): _per("1 h=3600 s", "3600", "1 km=1000 m", "1000"),
    ("m/min", "km/h"): _per("1 h=60 min", "60", "1 km=1000 m", "1000"),
    ("km/h", "m/min"): _per("1 km=1000 m", "1000", "1 h=60 min", "60"),
    ("g/cm^3", "kg/m^3"): _per("1 m^3=1000000 cm^3", "1000000", "1 kg=1000 g", "1000"),
    ("kg/m^3", "g/cm^3"): _per("1 kg=1000 g", "1000", "1 m^3=1000000 cm^3", "1000000"),
    ("L/min", "m^3/h"): _per("1 h=60 min", "60", "1 m^3=1000 L", "1000"),
    ("mL/s", "L/h"): _per("1 h=3600 s", "3600", "1 L=1000 mL", "1000"),
    ("°C", "°F"): (
        Change(operator="*", number=Fraction(9)),
        Change(operator="/", number=Fraction(5)),
        Change(operator="+", number=Fraction(32)),
    ),
    ("°F", "°C"): (
        Change(operator="-", number=Fraction(32)),
        Change(operator="*", number=Fraction(5)),
        Change(operator="/", number=Fraction(9)),
    ),
}


def _ways(level: Level) -> dict[tuple[str, str], tuple[Change, ...]]:
    steps = {"easy": 1, "medium": 2, "hard": 3}[level]
    ways = {pair: way for pair, way in WAYS.items() if len(way) == steps}
    return ways | HARD if level == "hard" else ways


@final
class Units(Generator):
    name: ClassVar[str] = "units"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        (first, second), way = random.choice(list(_ways(level).items()))
        value, result = _values(random, way, first, LARGEST[level])
        answer = f"{written(result)} {second}"
        question = pick(random, ENGLISH, CHINESE, language)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{written(value)} {first} {second}",
            messages=conversation(
                question.format(value=written(value), first=first, second=second),
                "\n".join([*unit_trace(value, way), answer]),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def unit_trace(value: Fraction, way: tuple[Change, ...]) -> Iterator[str]:
    """`1 d=24 h / 3*24=72 / 1 h=60 min / 72*60=4320`, one line each."""
    for change in way:
        if change.fact:
            yield change.fact
        yield worked(value, change.operator, change.number)
        value = _changed(value, change)


def _values(
    random: Random, way: tuple[Change, ...], first: str, largest: int
) -> tuple[Fraction, Fraction]:
    """A value to convert, and what becomes of it; both end within four places."""
    upwards = all(change.operator == "/" for change in way)
    while True:
        value = Fraction(random.randint(1, largest), random.choice((1, 1, 2, 10, 100)))
        if upwards and random.random() < 0.8:
            for change in way:
                value *= change.number
            value = Fraction(round(value))
        if first.startswith("°"):
            value = Fraction(random.randint(-40, 450))
        result, whole = value, value != 0
        for change in way:
            result = _changed(result, change)
            whole &= ends(result)
        if whole and abs(value) < 10**9 and abs(result) < 10**9:
            return value, result


def _changed(value: Fraction, change: Change) -> Fraction:
    if change.operator in "+-":
        return value + (change.number if change.operator == "+" else -change.number)
    return value * change.number if change.operator == "*" else value / change.number
