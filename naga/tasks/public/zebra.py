"""ZebraLogic grids: {id, size, puzzle, solution: {header, rows}}; {prompt} where it is given.

A reply holds one JSON object {"solution": {"House 1": {"Name": "...", ...}, ...}}. The score is 1
if every cell is right (the published puzzle-level accuracy); `parts` has the share of right cells.
The public copy has blanks instead of the solution: such a row is read and asked, but not judged.
The level is by the number of grids, (N!)^M for N houses and M features, as published: small is
easy, medium medium, large and extra large hard.

Lin et al. 2025, arXiv 2502.01100.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, TypeGuard, final

from naga.config.base import Config
from naga.tasks.example import Example, Level, Verdict
from naga.tasks.public.base import PublicSet, make_example, unpacked
from naga.tasks.public.judges import unjudged
from naga.tasks.public.parsing import json_values
from naga.tasks.public.rows import Row, read_some_rows

BLANK = "___"
LONGEST_REPLY = 100_000
INSTRUCTION = (
    "Solve the puzzle. End with one JSON object that has every house, in this form, each "
    f"{BLANK} replaced:"
)
Houses = dict[str, dict[str, str]]


class HousesAnswer(Config):
    houses: Houses
    """Feature by feature; empty where the solution is not known."""


@final
class ZebraLogic(PublicSet):
    name: ClassVar[str] = "zebralogic"

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            yield _example(self.name, row)

    def grade(self, example: Example, reply: str) -> Verdict:
        houses = unpacked(example, HousesAnswer).houses
        if not houses:
            return unjudged("this copy of the puzzle has no solution")
        found = _found_houses(reply)
        cells = [
            _is(found, house, feature, value)
            for house, features in houses.items()
            for feature, value in features.items()
        ]
        right = sum(cells)
        score = float(right == len(cells))
        return Verdict(
            score=score,
            parts={"puzzle": score, "cells": right / len(cells)},
            matched_by="exact" if score else "",
            reason="" if score else _why(found, right, len(cells)),
        )


def _why(found: object, right: int, num_cells: int) -> str:
    if not isinstance(found, dict):
        return 'has no JSON object with a "solution"'
    return f"{right} of {num_cells} cells are right"


def _found_houses(reply: str) -> object:
    """The houses of the last object that has any; None without one."""
    values = [v for v in json_values(reply[-LONGEST_REPLY:]) if isinstance(v, dict)]
    solutions = [v["solution"] for v in values if isinstance(v.get("solution"), dict)]
    return solutions[-1] if solutions else None


def _is(houses: object, house: str, feature: str, value: str) -> bool:
    features = houses.get(house) if isinstance(houses, dict) else None
    given = features.get(feature) if isinstance(features, dict) else None
    return isinstance(given, str) and given.strip().lower() == value.strip().lower()


def _example(family: str, row: Row) -> Example:
    puzzle = row.text("puzzle").strip()
    houses = _solution(row)
    prompt = row.optional_text("prompt").strip()
    if not prompt:
        prompt = f"{puzzle}\n\n{INSTRUCTION}\n\n{_form(houses or _blank(row))}"
    solved = bool(houses)
    return make_example(
        family,
        problem=puzzle,
        prompt=prompt,
        content=json.dumps({"solution": houses}, ensure_ascii=False) if solved else "",
        answer=HousesAnswer(houses=houses).model_dump_json(),
        level=_level(*_size(row)),
    )


def _size(row: Row) -> tuple[int, int]:
    """Houses and features."""
    size = re.fullmatch(r"([2-9])\*([1-9])", row.text("size").strip())
    if size is None:
        row.fail("'size' must be HOUSES*FEATURES, as 3*4")
    return int(size[1]), int(size[2])


def _level(num_houses: int, num_features: int) -> Level:
    num_grids = math.factorial(num_houses) ** num_features
    return "easy" if num_grids < 10**3 else "medium" if num_grids < 10**6 else "hard"


def _solution(row: Row) -> Houses:
    """Feature by feature of every house; empty where the file has blanks or nothing."""
    value = row.value("solution")
    if value is None:
        return {}
    header, rows = _table(row, value)
    if any(cell == BLANK for cells in rows for cell in cells[1:]):
        return {}
    if len(rows) != _size(row)[0]:
        row.fail(f"'solution' has {len(rows)} rows; 'size' says {_size(row)[0]} houses")
    return {
        f"House {number}": dict(zip(header[1:], cells[1:], strict=True))
        for number, cells in enumerate(rows, 1)
    }


def _table(row: Row, value: object) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Header and rows of a solution, the first column of which counts the houses."""
    if not isinstance(value, dict):
        row.fail("'solution' must be {header: [texts], rows: [[texts], ...]}")
    header, rows = value.get("header"), value.get("rows")
    if not _is_texts(header) or not isinstance(rows, list) or not rows:
        row.fail("'solution' must be {header: [texts], rows: [[texts], ...]}")
    for cells in rows:
        if not _is_texts(cells) or len(cells) != len(header):
            row.fail("every row of 'solution' must have a text for each of its header")
    return header, rows


def _blank(row: Row) -> Houses:
    """The form of a puzzle without solution or prompt: its header, or features without names."""
    num_houses, num_features = _size(row)
    value = row.value("solution")
    header: Sequence[str] = value["header"][1:] if isinstance(value, dict) else ()
    names = header or ("Name", *(f"Feature {i}" for i in range(2, num_features + 1)))
    return {f"House {i}": dict.fromkeys(names, BLANK) for i in range(1, num_houses + 1)}


def _form(houses: Houses) -> str:
    blank = {house: dict.fromkeys(features, BLANK) for house, features in houses.items()}
    return json.dumps({"solution": blank}, indent=2)


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(v, str) for v in value)
