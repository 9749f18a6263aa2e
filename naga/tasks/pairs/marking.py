"""Where a response says the reference: found by rule, and shown to the classifier as a mark.

A small network learns what is said around an answer far sooner than whether two numbers are the
same; so equality is decided here and language there. In the marked response

    WHOLE   stands for all of the reference, in whatever spelling is read here
    PART    for a number or word of it, as a right number with another unit
    OTHER   for any other number or date
    COPIED  for the question, repeated

and everything else is as it was. The marks cannot be forged: they are taken out of the response
first. Decides nothing: "the answer is not WHOLE" has the mark as well.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from fractions import Fraction
from itertools import pairwise

from naga.tasks.pairs.reading import (
    DATE,
    NUMBER,
    UNIT,
    idle,
    read_date,
    read_number,
    read_unit,
    reference_words,
    spellings_of,
)

WHOLE, PART, OTHER, COPIED = "★", "☆", "◇", "◆"
FORGED = str.maketrans(dict.fromkeys(WHOLE + PART + OTHER + COPIED, "?"))
SEPARATOR = re.compile(r"[,，;；、\n]| and ")
LONGEST_GAP = 14
FEWEST_COPIED = 16
MOST_ATOMS = 40


@dataclass(frozen=True, kw_only=True)
class Atom:
    """A number with its unit, a date, or a word of the reference, and where it stands."""

    value: Fraction | date | str | None
    """None for what only looks like a number or date; it says nothing."""
    unit: str
    start: int
    end: int

    def says(self, other: "Atom") -> bool:
        same_unit = not self.unit or not other.unit or self.unit == other.unit
        return self.value is not None and self.value == other.value and same_unit


def marked(problem: str, reference: str, response: str) -> str:
    response = response.translate(FORGED)
    wanted = _reference_atoms(reference)
    text = _without_copy(problem, response)
    atoms = list(_atoms(text, [atom.value for atom in wanted if isinstance(atom.value, str)]))
    pieces, end, index = [], 0, 0
    while index < len(atoms):
        length = _whole_at(atoms, index, wanted, text, _free_order(reference, wanted))
        last = atoms[index + max(length, 1) - 1]
        pieces += [text[end : atoms[index].start], _mark(atoms[index], wanted, bool(length))]
        end, index = last.end, index + max(length, 1)
    return "".join((*pieces, text[end:]))


def _mark(atom: Atom, wanted: Sequence[Atom], whole: bool) -> str:
    if whole:
        return WHOLE
    known = atom.value is not None and any(atom.value == other.value for other in wanted)
    return PART if known else OTHER


def _reference_atoms(reference: str) -> list[Atom]:
    rest = list(reference)
    for atom in _atoms(reference, ()):
        rest[atom.start : atom.end] = " " * (atom.end - atom.start)
    return list(_atoms(reference, reference_words("".join(rest))))[:MOST_ATOMS]


def _free_order(reference: str, wanted: Sequence[Atom]) -> int:
    """Atoms of each of several named values, whose order is free; 0 where it is not."""
    parts = [part for part in SEPARATOR.split(reference) if part.strip()]
    named = len(parts) > 1 and len(wanted) == 2 * len(parts)
    return 2 if named and all(isinstance(atom.value, str) for atom in wanted[::2]) else 0


def _whole_at(
    atoms: Sequence[Atom], index: int, wanted: Sequence[Atom], text: str, size: int
) -> int:
    """How many atoms from here on say all of the reference, close together; 0 if they do not."""
    given = atoms[index : index + len(wanted)]
    if not wanted or len(given) < len(wanted) or not _close(given, text):
        return 0
    if size:
        if any(atom.value is None for atom in given):
            return 0
        groups = [_keys(given[at : at + size]) for at in range(0, len(given), size)]
        asked = [_keys(wanted[at : at + size]) for at in range(0, len(wanted), size)]
        return len(wanted) if Counter(groups) == Counter(asked) else 0
    return len(wanted) if all(map(Atom.says, given, wanted)) else 0


def _keys(atoms: Sequence[Atom]) -> tuple[tuple[str, str], ...]:
    return tuple((str(atom.value), atom.unit) for atom in atoms)


def _close(atoms: Sequence[Atom], text: str) -> bool:
    gaps = [text[one.end : two.start] for one, two in pairwise(atoms)]
    return all(len(gap) <= LONGEST_GAP for gap in gaps)


def _atoms(text: str, words: Sequence[str]) -> Iterator[Atom]:
    """In order: dates, numbers with units, and these words in all their spellings."""
    known = {spelling: word for word in words for spelling in spellings_of(word)}
    longest = sorted(known, key=len, reverse=True)
    named = "|".join(_bounded(spelling) for spelling in longest) or "(?!)"
    pattern = re.compile(f"(?P<word>{named})|(?P<date>{DATE})|(?P<number>{NUMBER})")
    place = 0
    while found := pattern.search(text, place):
        start, place = found.span()
        if found["word"] is not None:
            yield Atom(value=known[found["word"]], unit="", start=start, end=place)
        elif found["date"] is not None:
            day = read_date(found["date"])
            yield Atom(value=day, unit="", start=start, end=place)
        elif (atom := _number(text, start, place)) is not None:
            place = atom.end
            yield atom


def _number(text: str, start: int, end: int) -> Atom | None:
    """With its unit; one that only looks like a number has no value; None for other words."""
    unit = UNIT.match(text, end)
    if unit is None and idle(text[start:end], text[end : end + 1]):
        return None
    name = read_unit(unit["name"]) if unit else ""
    value = read_number(text[start:end])
    if name == "%" and value is not None:
        value, name = value / 100, ""
    return Atom(value=value, unit=name, start=start, end=unit.end() if unit else end)


def _bounded(spelling: str) -> str:
    """Latin words stand alone; Chinese ones stand in a run of others."""
    if not spelling.isascii():
        return re.escape(spelling)
    return rf"(?<![A-Za-z\\]){re.escape(spelling)}(?![A-Za-z])"


def _without_copy(problem: str, response: str) -> str:
    """The longest passage that is the question's own, if it is most of the question, marked."""
    question, text = problem.strip()[-400:], response[:800]
    if min(len(question), len(text)) < FEWEST_COPIED // 2:
        return response
    found = SequenceMatcher(None, question, text, autojunk=False).find_longest_match()
    if found.size < max(min(len(question), FEWEST_COPIED), len(question) // 2):
        return response
    return response[: found.b] + COPIED + response[found.b + found.size :]
