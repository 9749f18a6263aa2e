"""What a pair is made of: the fact asked for, its value, and the labelled response.

A value is what an answer means, whatever its spelling: a number with a unit, named values in any
order, a list in its order, a day, or letters as they are. Spells and judges nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from naga.tasks.example import Language

Label = Literal["match", "no match", "invalid"]
PairSet = Literal["train", "validation", "heldout", "forms", "families"]
"""validation and heldout: problems never trained on. forms: such problems, and a spelling, sentence
or trick never trained on. families: kinds of problem never trained on."""

LABELS: tuple[Label, ...] = ("match", "no match", "invalid")
PAIR_SETS: tuple[PairSet, ...] = ("train", "validation", "heldout", "forms", "families")


@dataclass(frozen=True, kw_only=True)
class Amount:
    number: Fraction
    unit: str = ""
    """A symbol of naga.tasks.unit_names; empty without one."""


@dataclass(frozen=True, kw_only=True)
class Named:
    items: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Listed:
    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Day:
    day: date


@dataclass(frozen=True, kw_only=True)
class Letters:
    text: str


Value = Amount | Named | Listed | Day | Letters


@dataclass(frozen=True, kw_only=True)
class Fact:
    family: str
    language: Language
    problem: str
    """The question as asked."""
    reference: str
    """The gold answer in plain text."""
    value: Value
    working: tuple[str, ...]
    """Lines of a worked solution that do not state the final answer."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    problem: str
    reference: str
    response: str
    label: Label
    kind: str
    """What was done to the response: `plain`, `near number`, `opener`, ..."""
    form: str
    """How the answer is spelled; empty where none is given."""
    family: str
    language: Language
