"""Zebra puzzles as structure: items, clues, the solver that propagates, and the count of solutions.

N houses in a row, C categories of N values each; every value lives in one house. An item is a value
of a category, its domain a bit mask of the houses where it may still live (bit 0: house 1). A clue
relates one item with a house, or two items; propagation makes every clue and every category
consistent until nothing changes. What it solves has just one solution. Words are elsewhere
(zebra_words.py); so is making puzzles (zebra.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["at", "not_at", "same", "different", "left", "before", "next", "between"]
Item = tuple[int, int]
"""(category, value), both counted from 0."""
Domains = list[list[int]]
"""Bit masks of houses, [category][value]."""


@dataclass(frozen=True, kw_only=True)
class Clue:
    kind: Kind
    first: Item
    second: Item | None = None
    number: int = 0
    """The house of `at` and `not_at`, from 0; the houses in between of `between`."""

    @property
    def items(self) -> tuple[Item, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    houses: int
    categories: int
    clues: tuple[Clue, ...]


def holds(clue: Clue, first: int, second: int) -> bool:
    """Whether the clue is true of items in these houses; the second counts only if there is one."""
    match clue.kind:
        case "at":
            return first == clue.number
        case "not_at":
            return first != clue.number
        case "same":
            return first == second
        case "different":
            return first != second
        case "left":
            return second - first == 1
        case "before":
            return first < second
        case "next":
            return abs(first - second) == 1
        case "between":
            return abs(first - second) == clue.number + 1


@cache
def _partners(kind: Kind, number: int, houses: int, back: bool) -> tuple[int, ...]:
    """For each house of the first item (back: of the second) the mask of the other's."""
    clue = Clue(kind=kind, first=(0, 0), number=number)
    pairs = range(houses)
    return tuple(
        sum(1 << q for q in pairs if (holds(clue, q, p) if back else holds(clue, p, q)))
        for p in pairs
    )


@cache
def _supported(kind: Kind, number: int, houses: int, back: bool, mask: int) -> int:
    """The houses that an item may live in when the other one lives in `mask`."""
    partners = _partners(kind, number, houses, back)
    return sum(1 << p for p in range(houses) if partners[p] & mask)


def start(houses: int, categories: int) -> Domains:
    """Everything may still live everywhere."""
    return [[(1 << houses) - 1] * houses for _ in range(categories)]


def use_clue(domains: Domains, clue: Clue, houses: int) -> bool:
    """Take from the domains of the clue's items what it rules out; whether anything was."""
    (c, v), number = clue.first, clue.number
    before = domains[c][v]
    if clue.second is None:
        domains[c][v] &= 1 << number if clue.kind == "at" else ~(1 << number)
        return domains[c][v] != before
    d, w = clue.second
    other = domains[d][w]
    domains[c][v] &= _supported(clue.kind, number, houses, False, other)
    domains[d][w] &= _supported(clue.kind, number, houses, True, before)
    return domains[c][v] != before or domains[d][w] != other


def use_categories(domains: Domains, houses: int) -> bool:
    """One value to a house, one house to a value, until nothing changes; whether anything did."""
    changed = again = False
    for row in domains:
        again = True
        while again:
            again = False
            for value, mask in enumerate(row):
                rest = 0
                for other, taken in enumerate(row):
                    rest |= taken if other != value else 0
                    if other != value and taken & (taken - 1) == 0 and mask & taken:
                        mask &= ~taken
                only = mask & ~rest
                mask = only if only and only & (only - 1) == 0 else mask
                if mask != row[value]:
                    row[value], again, changed = mask, True, True
    return changed


def propagate(domains: Domains, clues: Iterable[Clue], houses: int) -> bool:
    """All clues and categories until nothing changes; False when something may live nowhere."""
    listed, changed = list(clues), True
    while changed:
        changed = use_categories(domains, houses)
        for clue in listed:
            changed = use_clue(domains, clue, houses) or changed
        if any(mask == 0 for row in domains for mask in row):
            return False
    return True


def is_solved(domains: Domains) -> bool:
    return all(mask and mask & (mask - 1) == 0 for row in domains for mask in row)


def solution(domains: Domains) -> tuple[tuple[int, ...], ...]:
    """The house of each value, [category][value], of domains that are solved."""
    return tuple(tuple(mask.bit_length() - 1 for mask in row) for row in domains)


def count_solutions(puzzle: Puzzle, limit: int = 2) -> int:
    """How many solutions there are, counted no further than `limit`."""
    return _count(start(puzzle.houses, puzzle.categories), puzzle, limit)


def _count(domains: Domains, puzzle: Puzzle, limit: int) -> int:
    if not propagate(domains, puzzle.clues, puzzle.houses):
        return 0
    if is_solved(domains):
        return 1
    _width, c, v = min(
        (mask.bit_count(), c, v)
        for c, row in enumerate(domains)
        for v, mask in enumerate(row)
        if mask.bit_count() > 1
    )
    found = 0
    for house in range(puzzle.houses):
        if domains[c][v] >> house & 1 and found < limit:
            branch = [list(row) for row in domains]
            branch[c][v] = 1 << house
            found += _count(branch, puzzle, limit - found)
    return found


def solving_order(puzzle: Puzzle) -> list[int]:
    """The clues by index in the order in which a solver uses them, without uses it can do without.

    It prefers a clue that fixes the most items, then one that rules out the most; a clue may come
    again. Categories are made consistent after each. The puzzle is one that propagation solves.
    """
    order: list[int] = []
    domains = start(puzzle.houses, puzzle.categories)
    while not is_solved(domains):
        best = max(range(len(puzzle.clues)), key=lambda i: (*_gain(domains, puzzle, i), -i))
        order.append(best)
        use_clue(domains, puzzle.clues[best], puzzle.houses)
        use_categories(domains, puzzle.houses)
    for place in reversed(range(len(order))):
        shorter = order[:place] + order[place + 1 :]
        if _solves(puzzle, shorter):
            order = shorter
    return order


def _gain(domains: Domains, puzzle: Puzzle, index: int) -> tuple[int, int]:
    clue = puzzle.clues[index]
    before = [domains[c][v] for c, v in clue.items]
    use_clue(domains, clue, puzzle.houses)
    after = [domains[c][v] for c, v in clue.items]
    for (c, v), mask in zip(clue.items, before, strict=True):
        domains[c][v] = mask
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    fixed = sum(new.bit_count() == 1 for _, new in changed)
    return fixed, sum(old.bit_count() - new.bit_count() for old, new in changed)


def _solves(puzzle: Puzzle, order: Sequence[int]) -> bool:
    domains = start(puzzle.houses, puzzle.categories)
    for index in order:
        use_clue(domains, puzzle.clues[index], puzzle.houses)
        use_categories(domains, puzzle.houses)
    return is_solved(domains)
