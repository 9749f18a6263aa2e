"""Makes zebra puzzles: draws a solution, then clues until propagation finds it, spares the rest.

No clue of a puzzle can be left out. Kinds of clues come as often as their weights say, as far as
the puzzle lets them. Structure only; the words are zebra.py's.
"""

from collections.abc import Mapping, Sequence
from random import Random

from naga.tasks.logic.zebra_clues import (
    Clue,
    Item,
    Kind,
    Puzzle,
    holds,
    is_solved,
    propagate,
    start,
    use_clue,
)


def make_puzzle(
    random: Random, houses: int, categories: int, weights: Mapping[Kind, float]
) -> Puzzle:
    """Clues of which none can be spared and which propagation solves, drawn to the weights."""
    while True:
        places = [random.sample(range(houses), houses) for _ in range(categories)]
        used = _sufficient(_shuffled(random, _all_clues(places, weights), weights), places)
        if used is None:
            continue
        for clue in list(used):
            rest = [other for other in used if other is not clue]
            domains = start(houses, categories)
            if propagate(domains, rest, houses) and is_solved(domains):
                used = rest
        random.shuffle(used)
        return Puzzle(houses=houses, categories=categories, clues=tuple(used))


def _sufficient(clues: Sequence[Clue], places: Sequence[Sequence[int]]) -> list[Clue] | None:
    """Of the clues in this order those that say something new, until all is known."""
    houses, used = len(places[0]), list[Clue]()
    domains = start(houses, len(places))
    for clue in clues:
        if use_clue(domains, clue, houses):
            used.append(clue)
            propagate(domains, used, houses)
            if is_solved(domains):
                return used
    return None


def _all_clues(places: Sequence[Sequence[int]], weights: Mapping[Kind, float]) -> list[Clue]:
    """Every clue of these kinds that is true of the solution, each relation of two items once."""
    houses = range(len(places[0]))
    items = [(c, v) for c in range(len(places)) for v in houses]
    clues = [
        Clue(kind=kind, first=item, number=house)
        for kind in ("at", "not_at")
        for item in items
        for house in houses
        if kind in weights
    ]
    for kind in weights.keys() - {"at", "not_at"}:
        both_ways = kind in ("left", "before")
        clues += [
            Clue(kind=kind, first=first, second=second, number=gap)
            for i, first in enumerate(items)
            for j, second in enumerate(items)
            if (i < j or (both_ways and i != j)) and _may_relate(kind, first, second)
            for gap in (range(1, len(houses) - 1) if kind == "between" else (0,))
        ]
    return sorted(filter(lambda clue: _is_true(clue, places), clues), key=_key)


def _may_relate(kind: Kind, first: Item, second: Item) -> bool:
    return first[0] != second[0] or kind not in ("same", "different")


def _is_true(clue: Clue, places: Sequence[Sequence[int]]) -> bool:
    houses = [places[c][v] for c, v in clue.items]
    return holds(clue, houses[0], houses[-1])


def _key(clue: Clue) -> str:
    return f"{clue.kind} {clue.number} {clue.items}"


def _shuffled(random: Random, clues: Sequence[Clue], weights: Mapping[Kind, float]) -> list[Clue]:
    """In random order: of each kind about as many early on as its weight says."""
    counts = {kind: sum(clue.kind == kind for clue in clues) for kind in weights}
    return sorted(clues, key=lambda c: random.random() ** (counts[c.kind] / weights[c.kind]))[::-1]
