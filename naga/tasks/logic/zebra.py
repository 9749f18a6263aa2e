"""Zebra puzzles: who lives where, from clues, with one solution that propagation finds.

Harder puzzles are larger and have clues that say less. The trace is the way of the solver: each
line is one use of a clue, by its number, with what it leaves (`Bob=2`, `red≠1,3`, houses from 1),
and after a semicolon what then follows because a house and a value belong to each other; at last
the houses. The answer is JSON, house by house. Right is only the whole solution; the share of right
cells is a part of the verdict.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, final

from naga.config.base import ConfigError
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
)
from naga.tasks.logic.replies import read_object
from naga.tasks.logic.zebra_clues import (
    Clue,
    Domains,
    Item,
    Kind,
    Puzzle,
    propagate,
    solution,
    solving_order,
    start,
    use_categories,
    use_clue,
)
from naga.tasks.logic.zebra_making import make_puzzle
from naga.tasks.logic.zebra_words import (
    ASKS,
    CATEGORIES,
    CLUES,
    COMMA,
    HOUSE,
    LAYOUTS,
    ONE_BETWEEN,
    Category,
)

SIZES: dict[Level, tuple[tuple[int, int], ...]] = {
    "easy": ((2, 3), (3, 2), (3, 3)),
    "medium": ((3, 3), (3, 4), (4, 3), (4, 4)),
    "hard": ((4, 4), (4, 5), (5, 4), (5, 5)),
}
# How often a kind of clue comes first among those that a puzzle is made of.
WEIGHTS: dict[Level, Mapping[Kind, float]] = {
    "easy": {"at": 3, "not_at": 2, "same": 4, "left": 3},
    "medium": {"at": 1, "not_at": 2, "same": 4, "left": 3, "next": 3, "before": 2, "different": 1},
    "hard": {
        **{"at": 0.3, "not_at": 2, "same": 4, "left": 2, "next": 4, "before": 4},
        **{"between": 3, "different": 2},
    },
}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The categories of a puzzle and which of their values it uses, in the order of its items."""

    categories: tuple[int, ...]
    values: tuple[tuple[int, ...], ...]

    def word(self, language: Language, item: Item) -> str:
        return self.category(language, item[0]).values[self.values[item[0]][item[1]]]

    def category(self, language: Language, index: int) -> Category:
        return CATEGORIES[language][self.categories[index]]


@final
class Zebra(Generator):
    name: ClassVar[str] = "zebra"

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        """`size`: houses (2 to 8) and categories (2 to 6) of every puzzle; None: by its level."""
        if size is not None and not (2 <= size[0] <= 8 and 2 <= size[1] <= 6):
            raise ConfigError(f"zebra size {size}: use 2 to 8 houses and 2 to 6 categories")
        self.size = size

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        houses, categories = self.size or random.choice(SIZES[level])
        grid = draw_grid(random, houses, categories)
        puzzle = make_puzzle(random, houses, categories, WEIGHTS[level])
        domains = start(houses, categories)
        propagate(domains, puzzle.clues, houses)
        answer = _answer(grid, domains, language)
        question = _question(random, grid, puzzle, language)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=canonical(grid, puzzle),
            messages=conversation(question, zebra_trace(grid, puzzle, language), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_houses(reply, json.loads(example.answer))


def grade_houses(reply: str, gold: dict[str, dict[str, str]]) -> Verdict:
    """All cells right and none beside them; `{"solution": ...}` around the houses is allowed."""
    given = read_object(reply)
    if given is None:
        return Verdict(score=0.0, parts={"puzzle": 0.0, "cells": 0.0}, reason="no JSON object")
    houses = given.get("solution", given)
    if not isinstance(houses, dict):
        return Verdict(score=0.0, parts={"puzzle": 0.0, "cells": 0.0}, reason="no houses")
    expected = {(house, key): value for house, row in gold.items() for key, value in row.items()}
    cells = {
        (house, key): value
        for house, row in houses.items()
        if isinstance(row, dict)
        for key, value in row.items()
    }
    right = sum(_is_same(cells.get(place), value) for place, value in expected.items())
    whole = right == len(expected) and len(cells) == len(expected) and len(houses) == len(gold)
    return Verdict(
        score=float(whole),
        parts={"puzzle": float(whole), "cells": right / len(expected)},
        matched_by="exact" if whole else "",
        reason="" if whole else f"{right} of {len(expected)} cells are right",
    )


def _is_same(given: object, expected: str) -> bool:
    return isinstance(given, str) and given.strip().casefold() == expected.casefold()


def draw_grid(random: Random, houses: int, categories: int) -> Grid:
    """Names are always among the categories, which come in random order behind them."""
    known = CATEGORIES["en"]
    chosen = (0, *random.sample(range(1, len(known)), categories - 1))
    values = tuple(tuple(random.sample(range(len(known[c].values)), houses)) for c in chosen)
    return Grid(categories=chosen, values=values)


def canonical(grid: Grid, puzzle: Puzzle) -> str:
    """The puzzle in English values, clues in alphabetical order."""
    said = sorted(
        f"{clue.kind}{clue.number} {' '.join(grid.word('en', item) for item in clue.items)}"
        for clue in puzzle.clues
    )
    used = (
        f"{grid.category('en', c).label}: "
        + " ".join(sorted(grid.word("en", (c, v)) for v in range(puzzle.houses)))
        for c in range(puzzle.categories)
    )
    return f"{puzzle.houses}; {'; '.join(sorted(used))}; {'; '.join(said)}"


def zebra_trace(grid: Grid, puzzle: Puzzle, language: Language) -> str:
    """`3: Bob=2 red≠1; Ann=1`, one line for each use of a clue, then `#1 Ann blue`."""
    domains = start(puzzle.houses, puzzle.categories)
    lines = list[str]()
    for index in solving_order(puzzle):
        before = [list(row) for row in domains]
        use_clue(domains, puzzle.clues[index], puzzle.houses)
        between = [list(row) for row in domains]
        use_categories(domains, puzzle.houses)
        said = _changes(grid, before, between, language)
        then = [text for text in _changes(grid, between, domains, language) if "=" in text]
        lines.append(f"{index + 1}: {' '.join(said)}" + (f"; {' '.join(then)}" if then else ""))
    rows = _rows(grid, domains, language)
    return "\n".join([*lines, *(f"#{i} {' '.join(row)}" for i, row in enumerate(rows, 1))])


def _changes(grid: Grid, before: Domains, after: Domains, language: Language) -> list[str]:
    said = list[str]()
    for c, row in enumerate(after):
        for v, mask in enumerate(row):
            gone = before[c][v] & ~mask
            fixed = mask & (mask - 1) == 0
            shown = mask if fixed else gone
            houses = ",".join(str(h + 1) for h in range(len(row)) if shown >> h & 1)
            if gone:
                said.append(f"{grid.word(language, (c, v))}{'=' if fixed else '≠'}{houses}")
    return said


def _rows(grid: Grid, domains: Domains, language: Language) -> list[list[str]]:
    """The values of each house."""
    places = solution(domains)
    return [
        [grid.word(language, (c, row.index(house))) for c, row in enumerate(places)]
        for house in range(len(places[0]))
    ]


def _answer(grid: Grid, domains: Domains, language: Language) -> str:
    labels = [grid.category(language, c).label for c in range(len(domains))]
    houses = {
        HOUSE[language].format(number): dict(zip(labels, row, strict=True))
        for number, row in enumerate(_rows(grid, domains, language), 1)
    }
    return json.dumps(houses, ensure_ascii=False)


def _question(random: Random, grid: Grid, puzzle: Puzzle, language: Language) -> str:
    categories = [grid.category(language, c) for c in range(puzzle.categories)]
    lists = (
        "- " + category.listed.format(COMMA[language].join(_listed(random, grid, language, c)))
        for c, category in enumerate(categories)
    )
    clues = (
        f"{i}. {_said(random, grid, clue, language)}" for i, clue in enumerate(puzzle.clues, 1)
    )
    row = {category.label: "..." for category in categories}
    example = json.dumps({HOUSE[language].format(1): row}, ensure_ascii=False)
    ask = random.choice(ASKS[language]).format(example=example[:-1] + ", ...}")
    return random.choice(LAYOUTS[language]).format(
        n=puzzle.houses, lists="\n".join(lists), clues="\n".join(clues), ask=ask
    )


def _listed(random: Random, grid: Grid, language: Language, category: int) -> list[str]:
    """The values in random order: theirs must not tell where they live."""
    words = [grid.word(language, (category, v)) for v in range(len(grid.values[category]))]
    return random.sample(words, len(words))


def _said(random: Random, grid: Grid, clue: Clue, language: Language) -> str:
    phrases = [
        grid.category(language, item[0]).phrase.format(grid.word(language, item))
        for item in clue.items
    ]
    one = clue.kind == "between" and clue.number == 1
    wordings = ONE_BETWEEN[language] if one else CLUES[language][clue.kind]
    number = clue.number if clue.kind == "between" else clue.number + 1
    text = random.choice(wordings).format(a=phrases[0], b=phrases[-1], n=number)
    return text[0].upper() + text[1:]
