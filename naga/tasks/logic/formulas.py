"""Formulas of propositional logic: a tree, its truth value, its spelling, and its evaluation step
by step.

Atoms are numbered; who spells a formula names them. `exactly` is true when just `count` of its
parts are. Knows nothing of puzzles and draws nothing but shapes (`draw`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Literal

Operator = Literal["atom", "not", "and", "or", "implies", "iff", "exactly"]

SYMBOLS: Mapping[str, str] = {"and": "∧", "or": "∨", "implies": "→", "iff": "↔"}
LETTERS = {True: "T", False: "F"}


@dataclass(frozen=True, kw_only=True)
class Formula:
    operator: Operator
    parts: tuple["Formula", ...] = ()
    atom: int = 0
    count: int = 0

    def value(self, values: Sequence[bool]) -> bool:
        """Its truth value where atom i has values[i]."""
        if self.operator == "atom":
            return values[self.atom]
        return apply(self.operator, [part.value(values) for part in self.parts], self.count)

    def atoms(self) -> frozenset[int]:
        if self.operator == "atom":
            return frozenset({self.atom})
        return frozenset(atom for part in self.parts for atom in part.atoms())


def apply(operator: Operator, truths: Sequence[bool], count: int = 0) -> bool:
    """The connective over the values of its parts."""
    match operator:
        case "not":
            return not truths[0]
        case "and":
            return all(truths)
        case "or":
            return any(truths)
        case "implies":
            return not truths[0] or truths[1]
        case "iff":
            return truths[0] == truths[1]
        case "exactly":
            return sum(truths) == count
        case "atom":
            raise ValueError("an atom has no parts")


def atom(index: int) -> Formula:
    return Formula(operator="atom", atom=index)


def negation(part: Formula) -> Formula:
    return Formula(operator="not", parts=(part,))


def join(operator: Operator, *parts: Formula) -> Formula:
    return Formula(operator=operator, parts=parts)


def literal(index: int, positive: bool) -> Formula:
    return atom(index) if positive else negation(atom(index))


def spell(formula: Formula, names: Sequence[str], *, outer: bool = True) -> str:
    """In symbols, with brackets around every connective of two parts but the outermost."""
    if formula.operator == "atom":
        return names[formula.atom]
    if formula.operator == "not":
        return "¬" + spell(formula.parts[0], names, outer=False)
    inner = (spell(part, names, outer=False) for part in formula.parts)
    text = SYMBOLS[formula.operator].join(inner)
    return text if outer else f"({text})"


def reduction(formula: Formula, values: Sequence[bool]) -> list[str]:
    """`T∧¬F`, `T∧T`, `T`: the values put in, then all innermost connectives at once."""
    names = ["F", "T"]
    current = _with_values(formula, values)
    lines = [spell(current, names)]
    while current.operator != "atom":
        current = _reduced(current)
        lines.append(spell(current, names))
    return lines


def _with_values(formula: Formula, values: Sequence[bool]) -> Formula:
    """Atom 1 for what is true, atom 0 for what is false."""
    if formula.operator == "atom":
        return atom(int(values[formula.atom]))
    parts = tuple(_with_values(part, values) for part in formula.parts)
    return Formula(operator=formula.operator, parts=parts, count=formula.count)


def _reduced(formula: Formula) -> Formula:
    if formula.operator == "atom":
        return formula
    if all(part.operator == "atom" for part in formula.parts):
        truths = [bool(part.atom) for part in formula.parts]
        return atom(int(apply(formula.operator, truths, formula.count)))
    parts = tuple(_reduced(part) for part in formula.parts)
    return Formula(operator=formula.operator, parts=parts, count=formula.count)


def assignments(num_atoms: int) -> Iterator[tuple[bool, ...]]:
    """All of them, from all true to all false."""
    return product((True, False), repeat=num_atoms)


def models(formulas: Iterable[Formula], num_atoms: int) -> list[tuple[bool, ...]]:
    """The assignments that make every formula true."""
    listed = list(formulas)
    return [v for v in assignments(num_atoms) if all(formula.value(v) for formula in listed)]


def draw(random: Random, num_atoms: int, depth: int) -> Formula:
    """A formula of at most `depth` connectives of two parts above one another."""
    if depth == 0:
        return literal(random.randrange(num_atoms), random.random() < 0.7)
    operator: Operator = random.choice(("and", "or", "implies", "iff"))
    depths = [depth - 1, random.randrange(depth)]
    random.shuffle(depths)
    parts = [draw(random, num_atoms, below) for below in depths]
    if parts[0] == parts[1]:
        return draw(random, num_atoms, depth)
    formula = join(operator, *parts)
    return negation(formula) if depth > 1 and random.random() < 0.2 else formula
