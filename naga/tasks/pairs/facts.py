"""Facts from the procedural families: question, gold answer, and what the answer means.

Only families whose answers are short. A few families are kept out of training altogether
(HELDOUT_FAMILIES), so that something is measured on questions of a kind never seen.
"""

import json
import re
from datetime import date
from fractions import Fraction
from hashlib import sha256
from random import Random

from naga.tasks.arithmetic import (
    ChainSum,
    Dates,
    Digits,
    Divisors,
    Equation,
    Expressions,
    Modulo,
    Primes,
    System,
)
from naga.tasks.code import ProgramTracing
from naga.tasks.example import LANGUAGES, LEVELS, Example, Generator
from naga.tasks.logic import Knights, Propositional
from naga.tasks.pairs.pair import Amount, Day, Fact, Letters, Listed, Named, PairSet, Value
from naga.tasks.retrieval import KeyValues, Needles
from naga.tasks.science import (
    Balancing,
    Energy,
    Forces,
    Genetics,
    Kinematics,
    MolarMass,
    Stoichiometry,
    Units,
)
from naga.tasks.text import Caesar, Inserting, Replacing, Reversing
from naga.tasks.text import Letters as CountLetters

TRAINED: tuple[type[Generator], ...] = (
    *(ChainSum, Dates, Digits, Divisors, Equation, Expressions, System, Balancing, Energy),
    *(Forces, Genetics, MolarMass, Stoichiometry, Units, Inserting, CountLetters, Replacing),
    *(Reversing, Knights, Propositional, KeyValues, ProgramTracing),
)
HELDOUT: tuple[type[Generator], ...] = (Modulo, Primes, Kinematics, Caesar, Needles)
HELDOUT_FAMILIES = tuple(kind.name for kind in HELDOUT)

AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?(?:/\d+)?)(?: ([^\d\s]\S*))?")
ASSIGNED = re.compile(r"([a-z])=(-?[\d./]+)")
SLOW = ("knights", "propositional", "needles")
"""At the hard level they take milliseconds and long texts."""
LONGEST = 40
MOST_LINES = 4


def draw_fact(random: Random, chosen: PairSet) -> Fact:
    """One fact of this set; the sets share no problem."""
    kinds = HELDOUT if chosen == "families" else TRAINED
    while True:
        task = random.choice(kinds)()
        levels = LEVELS[:2] if task.name in SLOW else LEVELS
        example = task.generate(random, random.choice(levels), random.choice(LANGUAGES))
        value = read_value(example)
        if value is not None and _belongs(example, chosen):
            return _fact(example, value)


def _belongs(example: Example, chosen: PairSet) -> bool:
    if chosen == "families":
        return True
    if example.split == "train" or chosen == "train":
        return example.split == chosen
    second = sha256(f"pairs {example.family} {example.problem}".encode()).digest()[0] % 2
    return (chosen == "validation") == bool(second)


def read_value(example: Example) -> Value | None:
    """What the gold answer means; None for one that is too long or of no kind known here."""
    gold = example.messages[-1].content
    if example.family == "knights":
        return Named(items=json.loads(example.answer))
    if example.family == "propositional":
        answer = json.loads(example.answer)
        return Listed(items=tuple(answer["answer"])) if answer["kind"] == "values" else None
    if len(gold) > LONGEST:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", gold):
        return Day(day=date.fromisoformat(gold))
    if found := AMOUNT.fullmatch(gold):
        return Amount(number=Fraction(found[1]), unit=found[2] or "")
    if named := ASSIGNED.findall(gold):
        return Named(items=dict(named)) if len(named) == gold.count("=") else None
    if re.fullmatch(r"-?\d+(?:, -?\d+)+", gold):
        return Listed(items=tuple(gold.split(", ")))
    return Letters(text=gold) if re.fullmatch("[A-Za-z]+", gold) else None


def _fact(example: Example, value: Value) -> Fact:
    gold = example.messages[-1].content
    lines = [line for line in example.reasoning.splitlines() if line.strip() and gold not in line]
    start = max(0, len(lines) - MOST_LINES)
    return Fact(
        family=example.family,
        language=example.language,
        problem=example.prompt[-1].content,
        reference=gold,
        value=value,
        working=tuple(line[:60] for line in lines[start:]),
    )
