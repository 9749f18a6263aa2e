"""What the chemistry families share: atomic masses, formulas, salts, and balancing by elements.

Masses are the rounded ones of school books (Cl 35.5); every prompt that needs them gives them. A
formula has brackets and counts, and at most one `*` before its water. Says nothing about charges or
states of matter.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

MASSES: dict[str, Fraction] = {
    symbol: Fraction(str(mass))
    for symbol, mass in {
        **{
            "H": 1,
            "Li": 7,
            "Be": 9,
            "B": 11,
            "C": 12,
            "N": 14,
            "O": 16,
            "F": 19,
            "Na": 23,
            "Mg": 24,
            "Al": 27,
        },
        **{"Si": 28, "P": 31, "S": 32, "Cl": "35.5", "K": 39, "Ca": 40, "Mn": 55, "Fe": 56},
        **{"Cu": 64, "Zn": 65, "Br": 80, "Rb": "85.5", "Sr": 88, "Ag": 108, "I": 127, "Cs": 133},
        **{"Ba": 137, "Ni": 59, "Cr": 52, "Sn": 119, "Pb": 207},
    }.items()
}
METALS: dict[str, int] = {
    **{"Li": 1, "Na": 1, "K": 1, "Ag": 1, "Mg": 2, "Ca": 2, "Ba": 2, "Zn": 2, "Fe": 2, "Cu": 2},
    **{"Al": 3},
}
ANIONS: dict[str, int] = {
    **{"F": 1, "Cl": 1, "Br": 1, "I": 1, "OH": 1, "NO3": 1, "HCO3": 1},
    **{"O": 2, "S": 2, "SO4": 2, "SO3": 2, "CO3": 2, "PO4": 3},
}
# Known only on paper: they fall apart, or another compound forms.
UNKNOWN = frozenset(
    ("AgOH", "AgHCO3", "Al2(CO3)3", "Al2(SO3)3", "Al(HCO3)3", "CuI2", "Cu(HCO3)2", "Zn(HCO3)2")
)
PIECE = re.compile(r"([A-Z][a-z]?)([0-9]*)|(\()|\)([0-9]*)")
LETTERS = "abcdefg"


@dataclass(frozen=True, kw_only=True)
class Reaction:
    left: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def formulas(self) -> tuple[str, ...]:
        return self.left + self.right

    def text(self, counts: Sequence[int] = ()) -> str:
        """`2 H2 + O2 -> 2 H2O`, or without numbers."""
        numbers = counts or (1,) * len(self.formulas)
        terms = [
            formula if number == 1 else f"{number} {formula}"
            for number, formula in zip(numbers, self.formulas, strict=True)
        ]
        split = len(self.left)
        return f"{' + '.join(terms[:split])} -> {' + '.join(terms[split:])}"


def salt(cation: str, anion: str, charge: int | None = None) -> str:
    """`Al`, `SO4` -> Al2(SO4)3."""
    plus, minus = charge or METALS.get(cation, 1), ANIONS[anion]
    common = lcm(plus, minus)
    return _times(cation, common // plus) + _times(anion, common // minus)


def salts(cations: Sequence[str], anions: Sequence[str]) -> tuple[str, ...]:
    made = (salt(cation, anion) for cation in cations for anion in anions)
    return tuple(formula for formula in made if formula not in UNKNOWN)


def _times(ion: str, count: int) -> str:
    if count == 1:
        return ion
    several = len(re.findall("[A-Z]", ion)) > 1
    return f"({ion}){count}" if several else f"{ion}{count}"


def atoms(formula: str) -> Counter[str]:
    """`Ca(OH)2` -> Ca 1, O 2, H 2, in the order in which they first stand."""
    formula, _, water = formula.partition("*")
    if water:
        count = int(water.removesuffix("H2O") or 1)
        total = atoms(formula)
        total.update({"H": 2 * count, "O": count})
        return total
    outer: list[Counter[str]] = [Counter()]
    for found in PIECE.finditer(formula):
        symbol, count_text, opens, group_count = found.groups()
        if symbol:
            outer[-1][symbol] += int(count_text or 1)
        elif opens:
            outer.append(Counter())
        else:
            group = outer.pop()
            for element, number in group.items():
                outer[-1][element] += number * int(group_count or 1)
    return outer[0]


def molar_mass(formula: str) -> Fraction:
    return sum((MASSES[symbol] * n for symbol, n in atoms(formula).items()), Fraction(0))


def balance(reaction: Reaction) -> tuple[list[str], tuple[int, ...]]:
    """The trace and the smallest whole numbers.

    The first number is set to 1; then an element with one unknown left gives it, that in the fewest
    formulas first; at last all are multiplied until whole: `O: 2b=2*3+4=10, b=10/2=5`.
    """
    names = LETTERS[: len(reaction.formulas)]
    signs = [1] * len(reaction.left) + [-1] * len(reaction.right)
    contents = [atoms(formula) for formula in reaction.formulas]
    known: dict[str, Fraction] = {"a": Fraction(1)}
    lines = [" ".join(f"{n} {f}" for n, f in zip(names, reaction.formulas, strict=True)), "a=1"]
    elements = list(dict.fromkeys(symbol for content in contents for symbol in content))
    rows = {
        element: {
            name: sign * content[element]
            for name, sign, content in zip(names, signs, contents, strict=True)
            if content[element]
        }
        for element in elements
    }
    while len(known) < len(names):
        open_rows = [e for e in elements if len(rows[e].keys() - known.keys()) == 1]
        if not open_rows:
            raise ValueError(f"{reaction.text()}: no element has one unknown left")
        element = min(open_rows, key=lambda e: len(rows[e]))
        (unknown,) = rows[element].keys() - known.keys()
        lines.append(f"{element}: {_solved(unknown, rows[element], known)}")
    scale = lcm(*(value.denominator for value in known.values()))
    numbers = [int(known[name] * scale) for name in names]
    if scale > 1:
        lines.append(f"*{scale}")
    shared = gcd(*numbers)
    return lines, tuple(number // shared for number in numbers)


def _solved(name: str, row: Mapping[str, int], known: dict[str, Fraction]) -> str:
    """`2b=2*3+4=10, b=10/2=5`; the number becomes known."""
    count = abs(row[name])
    side = 1 if row[name] > 0 else -1
    terms, total = "", Fraction(0)
    amounts = {other: -side * signed for other, signed in row.items() if other != name}
    for other, amount in sorted(amounts.items(), key=lambda item: item[1] < 0):
        sign = "-" if amount < 0 else "+" if terms else ""
        factor = "" if abs(amount) == 1 else f"{abs(amount)}*"
        terms += f"{sign}{factor}{known[other]}"
        total += amount * known[other]
    known[name] = total / count
    terms = terms if terms == str(total) else f"{terms}={total}"
    if count == 1:
        return f"{name}={terms}"
    return f"{count}{name}={terms}, {name}={_over(total, count)}"


def _over(total: Fraction, count: int) -> str:
    text = f"{total}/{count}" if total.denominator == 1 else f"({total})/{count}"
    return text if text == str(total / count) else f"{text}={total / count}"
