"""Physics problems from a table of laws: what is given, the steps, the unit, and the wordings.

A step is `symbol=formula` over what is given and what earlier steps found; `v^2=...` takes the
root. Values are drawn until every step has a value that can be written in full, so answers are
exact and a reply may round them to three digits. The trace lists what is given, then each formula,
worked one operation at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from random import Random
from typing import ClassVar

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
from naga.tasks.terms import read_term, value_of, work_out
from naga.tasks.working import ends, written

LARGEST = 10**6
TRIES = 5000


@dataclass(frozen=True, kw_only=True)
class Law:
    name: str
    level: Level
    given: Mapping[str, Sequence[Fraction | int]]
    """The values each symbol is drawn from."""
    steps: tuple[str, ...]
    """`s=v*t`, in order; the last one's symbol is asked for."""
    unit: str
    largest: int = LARGEST
    """No greater answer makes sense."""
    english: tuple[str, ...]
    chinese: tuple[str, ...]

    @property
    def asked(self) -> str:
        """The symbol of the answer."""
        return self.steps[-1].partition("=")[0].removesuffix("^2")

    def draw(self, random: Random) -> dict[str, Fraction]:
        """Values of all symbols, those of the steps too."""
        for _ in range(TRIES):
            values = {name: Fraction(random.choice(of)) for name, of in self.given.items()}
            if not all(self._found(step, values) for step in self.steps):
                continue
            if values[self.asked] <= self.largest:
                return values
        raise RuntimeError(f"law {self.name!r}: nothing given has a whole answer")

    def _found(self, step: str, values: dict[str, Fraction]) -> bool:
        """Do one step, in place; False: its value cannot be written, or is not above zero."""
        symbol, _, formula = step.partition("=")
        term = read_term(formula, values)
        if term is None:
            raise ValueError(f"law {self.name!r}: {formula!r} is not a formula of what is known")
        value = value_of(term)
        if value is None or not 0 < value <= LARGEST or not ends(value):
            return False
        root = square_root(value) if symbol.endswith("^2") else value
        if root is None:
            return False
        values[symbol.removesuffix("^2")] = root
        return True

    def trace(self, values: Mapping[str, Fraction]) -> list[str]:
        """`v=12, t=5 / s=v*t / 12*5=60: s=60`, one line each."""
        lines = [", ".join(f"{name}={written(values[name])}" for name in self.given)]
        for step in self.steps:
            symbol, _, formula = step.partition("=")
            term = read_term(formula, values)
            if term is None:
                raise ValueError(f"law {self.name!r}: {formula!r} is not a formula")
            lines += [step, *work_out(term, f"{symbol}=")]
            if symbol.endswith("^2"):
                symbol = symbol.removesuffix("^2")
                root = written(values[symbol])
                lines.append(f"{root}*{root}={written(values[symbol] ** 2)}: {symbol}={root}")
        return lines


class LawTask(Generator):
    """A family whose problems come from a table of laws."""

    laws: ClassVar[tuple[Law, ...]]

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        law = random.choice([law for law in self.laws if law.level == level])
        values = law.draw(random)
        answer = f"{written(values[law.asked])} {law.unit}"
        shown = {name: written(value) for name, value in values.items()}
        given = " ".join(f"{name}={shown[name]}" for name in law.given)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{law.name} {given}",
            messages=conversation(
                pick(random, law.english, law.chinese, language).format_map(shown),
                "\n".join([*law.trace(values), f"{law.asked}={answer}"]),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer, rounded=True)


def square_root(value: Fraction) -> Fraction | None:
    """None where it is not rational."""
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root if root * root == value else None


def tenths(first: int, last: int) -> tuple[Fraction, ...]:
    """first/10 to last/10."""
    return tuple(Fraction(i, 10) for i in range(first, last + 1))
