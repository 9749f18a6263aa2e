"""Zebra puzzles: one solution by an independent search, sound traces, a strict grader."""

import json
import re
import time
from itertools import permutations, product
from random import Random

import pytest

from naga.config.base import ConfigError
from naga.tasks.example import LANGUAGES, LEVELS, Language, Level
from naga.tasks.logic import Zebra
from naga.tasks.logic.zebra import SIZES, WEIGHTS, canonical, draw_grid, zebra_trace
from naga.tasks.logic.zebra_clues import Clue, Puzzle, count_solutions, holds
from naga.tasks.logic.zebra_making import make_puzzle

CASES = [(level, language) for level in LEVELS for language in LANGUAGES]
Places = dict[tuple[int, int], int]


def brute_force(puzzle: Puzzle) -> list[Places]:
    """All solutions, category by category, without any propagation."""
    found: list[Places] = [{}]
    for category in range(puzzle.categories):
        wider = list[Places]()
        for places, order in product(found, permutations(range(puzzle.houses))):
            trial = {**places, **{(category, v): house for v, house in enumerate(order)}}
            if all(is_true(clue, trial) for clue in puzzle.clues):
                wider.append(trial)
        found = wider
    return found


def is_true(clue: Clue, places: Places) -> bool:
    """True, or not yet to be judged."""
    if any(item not in places for item in clue.items):
        return True
    a, b = places[clue.items[0]], places[clue.items[-1]]
    truths = {
        "at": a == clue.number,
        "not_at": a != clue.number,
        "same": a == b,
        "different": a != b,
        "left": a + 1 == b,
        "before": a < b,
        "next": a - b in (1, -1),
        "between": a - b in (clue.number + 1, -clue.number - 1),
    }
    return truths[clue.kind]


@pytest.mark.parametrize("level", LEVELS)
def test_one_solution_by_brute_force_and_no_clue_to_spare(level: Level) -> None:
    for seed in range(5):
        random = Random(f"unique {seed}")
        houses, categories = random.choice([s for s in SIZES[level] if max(s) < 5])
        puzzle = make_puzzle(random, houses, categories, WEIGHTS[level])
        assert len(brute_force(puzzle)) == 1
        assert count_solutions(puzzle) == 1
        for clue in puzzle.clues[:3]:
            rest = tuple(other for other in puzzle.clues if other is not clue)
            fewer = Puzzle(houses=houses, categories=categories, clues=rest)
            assert min(2, len(brute_force(fewer))) == count_solutions(fewer)


def test_solutions_are_counted_where_there_are_none_or_several() -> None:
    first, second = (0, 0), (1, 0)
    none = (
        Clue(kind="same", first=first, second=second),
        Clue(kind="left", first=first, second=second),
    )
    assert count_solutions(Puzzle(houses=3, categories=2, clues=none)) == 0
    assert count_solutions(Puzzle(houses=3, categories=2, clues=()), limit=100) == 36


class Checker:
    """Reads a trace and believes nothing that does not follow from what it has read."""

    def __init__(self, puzzle: Puzzle, words: dict[str, tuple[int, int]]) -> None:
        self.puzzle, self.words = puzzle, words
        self.open = {item: set(range(puzzle.houses)) for item in words.values()}

    def read(self, line: str) -> None:
        if line.startswith("#"):
            return self.read_house(line)
        number, _, said = line.partition(": ")
        by_clue, _, by_house = said.partition("; ")
        assert by_clue, "every use of a clue says something"
        before = {item: set(houses) for item, houses in self.open.items()}
        for text in by_clue.split():
            item, kept = self.parse(text, before)
            assert kept < self.open[item]
            assert kept >= self.supported(self.puzzle.clues[int(number) - 1], item, before)
            self.open[item] = kept
        self.close()
        for text in by_house.split():
            item, kept = self.parse(text, self.open)
            assert self.open[item] == kept and len(kept) == 1

    def parse(
        self, text: str, known: dict[tuple[int, int], set[int]]
    ) -> tuple[tuple[int, int], set[int]]:
        word, sign, houses = re.fullmatch(r"(\w+)([=≠])([\d,]+)", text).groups()  # type: ignore[union-attr]
        item, listed = self.words[word], {int(house) - 1 for house in houses.split(",")}
        return item, listed if sign == "=" else known[item] - listed

    def supported(
        self, clue: Clue, item: tuple[int, int], known: dict[tuple[int, int], set[int]]
    ) -> set[int]:
        """Where the item can live if the clue is true, by trying all pairs of houses."""
        assert item in clue.items
        pairs = product(known[clue.items[0]], known[clue.items[-1]])
        return {pair[clue.items.index(item)] for pair in pairs if holds(clue, *pair)}

    def close(self) -> None:
        """One house to each value of a category, one value to each house."""
        changed = True
        while changed:
            before = {item: set(houses) for item, houses in self.open.items()}
            for (c, v), houses in self.open.items():
                others = [self.open[item] for item in self.open if item[0] == c and item[1] != v]
                houses -= {next(iter(other)) for other in others if len(other) == 1}
                only = {house for house in houses if not any(house in other for other in others)}
                if len(only) == 1:
                    houses &= only
            changed = before != self.open

    def read_house(self, line: str) -> None:
        number, *words = line.removeprefix("#").split()
        for word in words:
            assert self.open[self.words[word]] == {int(number) - 1}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_of_the_trace_follows_from_its_clue(level: Level, language: Language) -> None:
    for seed in range(6):
        random = Random(f"trace {seed}")
        houses, categories = random.choice(SIZES[level])
        grid = draw_grid(random, houses, categories)
        puzzle = make_puzzle(random, houses, categories, WEIGHTS[level])
        items = [(c, v) for c in range(categories) for v in range(houses)]
        checker = Checker(puzzle, {grid.word(language, item): item for item in items})
        lines = zebra_trace(grid, puzzle, language).splitlines()
        for line in lines:
            checker.read(line)
        assert all(len(kept) == 1 for kept in checker.open.values())
        assert sum(line.startswith("#") for line in lines) == houses


def test_the_checker_itself_refuses_a_false_line() -> None:
    clue = Clue(kind="left", first=(0, 0), second=(0, 1))
    words = {"Ann": (0, 0), "Bob": (0, 1), "Cid": (0, 2)}
    puzzle = Puzzle(houses=3, categories=1, clues=(clue,))
    Checker(puzzle, words).read("1: Ann≠3 Bob≠1")
    for line in ("1: Ann=1", "1: Ann≠2", "1: Cid≠1", "1: Ann≠3; Bob=2"):
        with pytest.raises(AssertionError):
            Checker(puzzle, words).read(line)


@pytest.mark.parametrize(("level", "language"), CASES)
def test_gold_is_right_and_mutants_are_not(level: Level, language: Language) -> None:
    task = Zebra()
    examples = [task.generate(Random(f"gold {i}"), level, language) for i in range(10)]
    for i, example in enumerate(examples):
        gold = json.loads(example.answer)
        fenced = f"So:\n```json\n{example.answer}\n```"
        wrapped = json.dumps({"reasoning": "x", "solution": gold}, ensure_ascii=False)
        for reply in (example.answer, example.messages[-1].content, fenced, wrapped):
            assert task.grade(example, reply).score == 1.0
        for mutant in mutants(gold, example.messages[0].content, examples[i - 1].answer):
            assert task.grade(example, mutant).score == 0.0, mutant


def mutants(gold: dict[str, dict[str, str]], question: str, other: str) -> list[str]:
    first, *_, last = gold
    swapped = {**gold, first: gold[last], last: gold[first]}
    label = next(iter(gold[first]))
    doubled = json.dumps(gold)[:-1] + f', "{first}": {json.dumps(gold[last])}' + "}"
    listed = {
        house: {key: [value, "x"] for key, value in row.items()} for house, row in gold.items()
    }
    return [
        *(
            "",
            "{}",
            "[]",
            "null",
            "{" * 5000,
            '{"a":' * 3000,
            "0" * 10**6,
            question,
            other,
            doubled,
        ),
        *(json.dumps(x, ensure_ascii=False) for x in (swapped, listed, {**gold, "House 9": {}})),
        *(json.dumps({h: r for h, r in gold.items() if h != last}), str(gold)),
        json.dumps({**gold, first: {**gold[first], label: "nobody"}}),
        json.dumps({**gold, first: {**gold[first], "more": "nobody"}}),
        json.dumps(gold) + "\n" + json.dumps(swapped),
        json.dumps({"solution": [gold]}),
    ]


def test_cells_are_a_part_of_the_verdict() -> None:
    task = Zebra((3, 3))
    example = task.generate(Random(1), "easy", "en")
    gold = json.loads(example.answer)
    gold["House 1"]["Name"] = "nobody"
    verdict = task.grade(example, json.dumps(gold))
    assert verdict.score == 0.0
    assert verdict.parts == {"puzzle": 0.0, "cells": 8 / 9}
    assert verdict.reason == "8 of 9 cells are right"


@pytest.mark.parametrize("level", LEVELS)
def test_the_problem_is_the_same_in_both_languages_and_the_puzzle_in_the_same_seed(
    level: Level,
) -> None:
    for seed in range(10):
        first, again = (Zebra().generate(Random(seed), level, "en") for _ in range(2))
        assert first == again
        assert first.problem == Zebra().generate(Random(seed), level, "zh").problem


def test_the_problem_does_not_depend_on_the_order_of_clues() -> None:
    random = Random(0)
    grid, puzzle = draw_grid(random, 3, 3), make_puzzle(random, 3, 3, WEIGHTS["easy"])
    turned = Puzzle(houses=3, categories=3, clues=puzzle.clues[::-1])
    assert canonical(grid, puzzle) == canonical(grid, turned)


def test_harder_puzzles_are_larger_and_place_less_outright() -> None:
    counts = {}
    for level in LEVELS:
        random = Random(level)
        clues = [
            clue for _ in range(20) for clue in make_puzzle(random, 4, 4, WEIGHTS[level]).clues
        ]
        counts[level] = sum(clue.kind == "at" for clue in clues) / len(clues)
    assert counts["easy"] > counts["medium"] > counts["hard"]


def test_a_four_by_four_puzzle_is_made_in_fifty_milliseconds() -> None:
    task = Zebra((4, 4))
    begin = time.process_time()
    for seed in range(20):
        task.generate(Random(seed), "hard", "en")
    assert (time.process_time() - begin) / 20 < 0.05


def test_sizes_beyond_the_words_are_refused() -> None:
    for size in ((1, 3), (9, 3), (3, 1), (3, 7)):
        with pytest.raises(ConfigError, match="use 2 to 8 houses"):
            Zebra(size)
