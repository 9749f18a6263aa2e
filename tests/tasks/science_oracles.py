"""Answers of science problems, found from `problem` alone by other ways than the generators'.

Laws are written here once more, and where it matters otherwise: energy instead of kinematics, a
sum of pairs of gametes instead of a product of shares, elimination instead of a walk through the
elements.
"""

import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import gcd, lcm, sqrt

from naga.tasks.science.chemistry import MASSES

LAWS: dict[str, tuple[Callable[..., float], str]] = {
    "distance": (lambda v, t: v * t, "m"),
    "speed": (lambda s, t: s / t, "m/s"),
    "time": (lambda s, v: s / v, "s"),
    "final-speed": (lambda u, a, t: u + sum(a for _ in range(int(t))), "m/s"),
    "acceleration": (lambda u, v, t: v / t - u / t, "m/s^2"),
    "average-speed": (lambda v, t, w, z: (v * t + w * z) / (t + z), "m/s"),
    "displacement": (lambda u, a, t: (u + (u + a * t)) / 2 * t, "m"),
    "speed-after-distance": (lambda u, a, s: sqrt(2 * (u * u / 2 + a * s)), "m/s"),
    "stopping-distance": (lambda v, r, a: v * r + (v / 2) * (v / a), "m"),
    "meeting": (lambda d, v, w: d * v / (v + w), "m"),
    "sideways-throw": (lambda h, v, g: v * sqrt(h / (g / 2)), "m"),
    "newton": (lambda m, a: m * a, "N"),
    "mass-acceleration": (lambda F, m: F / m, "m/s^2"),
    "weight": (lambda m, g: m * g, "N"),
    "spring": (lambda k, x: k * x, "N"),
    "friction": (lambda q, m, g: m * g * q, "N"),
    "net-force": (lambda F, f, m: F / m - f / m, "m/s^2"),
    "lever": (lambda F, d, e: F * d / e, "N"),
    "lift": (lambda m, g, a: m * g + m * a, "N"),
    "pulled-box": (lambda F, q, m, g, t: (F - q * m * g) * t / m, "m/s"),
    "pulley": (lambda m, n, g: 2 * m * n * g / (m + n), "N"),
    "collision": (lambda m, u, n, w: (m * u + n * w) / (m + n), "m/s"),
    "work": (lambda F, s: F * s, "J"),
    "power": (lambda W, t: W / t, "W"),
    "electric-work": (lambda P, t: P * t, "J"),
    "height": (lambda m, g, h: m * g * h, "J"),
    "motion": (lambda m, v: m * v**2 / 2, "J"),
    "heat": (lambda c, m, d: c * m * d, "J"),
    "lifting-power": (lambda m, g, h, t: m * g * (h / t), "W"),
    "speeding-up": (lambda m, u, v: m * (v - u) * (v + u) / 2, "J"),
    "slide": (lambda u, g, h: sqrt(u**2 + 2 * g * h), "m/s"),
    "spring-shot": (lambda k, x, m: x * sqrt(k / m), "m/s"),
    "efficiency": (lambda m, g, h, P, t: 100 * m * g * h / (P * t), "%"),
}
SIZES = {
    **{"km": 1000, "m": 1, "cm": Fraction(1, 100), "mm": Fraction(1, 1000)},
    **{"t": 10**6, "kg": 1000, "g": 1, "mg": Fraction(1, 1000)},
    **{"d": 86400, "h": 3600, "min": 60, "s": 1},
    **{"m^3": 10**6, "L": 1000, "mL": 1, "cm^3": 1},
    **{"km^2": 10**6, "ha": 10**4, "m^2": 1, "cm^2": Fraction(1, 10**4)},
    **{"kWh": 3600000, "kJ": 1000, "J": 1, "kPa": 1000, "Pa": 1},
}


def shown(value: Fraction | float) -> str:
    """Without an exponent, and no more than four places."""
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def law(problem: str) -> str:
    name, *given = problem.split()
    formula, unit = LAWS[name]
    return f"{shown(formula(**{g[0]: float(g[2:]) for g in given}))} {unit}"


def units(problem: str) -> str:
    value, first, second = problem.split()
    if first == "°C":
        return f"{shown(Fraction(value) * Fraction(18, 10) + 32)} °F"
    if first == "°F":
        return f"{shown((Fraction(value) - 32) / Fraction(18, 10))} °C"
    return f"{shown(Fraction(value) * size(first) / size(second))} {second}"


def size(unit: str) -> Fraction:
    top, _, bottom = unit.partition("/")
    return Fraction(SIZES[top]) / (SIZES[bottom] if bottom else 1)


def spelled(formula: str) -> Counter[str]:
    """Atoms by writing the formula out: Ca(OH)2 -> CaOHOH -> Ca O H O H."""
    formula, _, water = formula.partition("*")
    if water:
        formula += "H2O" * int(water.removesuffix("H2O"))
    formula = re.sub(r"\((\w+)\)(\d+)", lambda g: g[1] * int(g[2]), formula)
    formula = re.sub(r"([A-Z][a-z]?)(\d+)", lambda g: g[1] * int(g[2]), formula)
    return Counter(re.findall("[A-Z][a-z]?", formula))


def mass(formula: str) -> Fraction:
    return sum((MASSES[symbol] * n for symbol, n in spelled(formula).items()), Fraction(0))


def balancing(problem: str) -> str:
    """The one direction in which no element is gained or lost, by elimination."""
    sides = [side.split(" + ") for side in problem.split(" -> ")]
    columns = [(1, spelled(f)) for f in sides[0]] + [(-1, spelled(f)) for f in sides[1]]
    elements = sorted({symbol for _, content in columns for symbol in content})
    rows = [[Fraction(sign * content[e]) for sign, content in columns] for e in elements]
    pivots = 0
    for column in range(len(columns) - 1):
        found = next(i for i in range(pivots, len(rows)) if rows[i][column])
        rows[pivots], rows[found] = rows[found], rows[pivots]
        top = [value / rows[pivots][column] for value in rows[pivots]]
        rows = [
            top if i == pivots else [v - row[column] * t for v, t in zip(row, top, strict=True)]
            for i, row in enumerate(rows)
        ]
        pivots += 1
    assert not any(any(row) for row in rows[pivots:]), problem
    numbers = [-rows[i][-1] for i in range(pivots)] + [Fraction(1)]
    scale = lcm(*(number.denominator for number in numbers))
    whole = [int(number * scale) for number in numbers]
    return ", ".join(str(number // gcd(*whole)) for number in whole)


def molar_mass(problem: str) -> str:
    if " in " in problem:
        element, sample = problem.split(" in ")
        grams, formula = sample.split(" g ")
        part = spelled(formula)[element] * MASSES[element] / mass(formula)
        return f"{shown(Fraction(grams) * part)} g"
    if " mol " in problem:
        moles, formula = problem.split(" mol ")
        return f"{shown(Fraction(moles) * mass(formula))} g"
    return f"{shown(mass(problem))} g/mol"


def stoichiometry(problem: str) -> str:
    equation, asked = problem.split(": ")
    numbers = {}
    for term in re.split(r" \+ | -> ", equation):
        number, _, formula = term.rpartition(" ")
        numbers[formula] = int(number or 1)
    amount, kind, first, _, _, unit, second = asked.split()
    moles = Fraction(amount) / (mass(first) if kind == "g" else 1)
    other = moles * numbers[second] / numbers[first]
    return f"{shown(other * (mass(second) if unit == 'g' else 1))} {unit}"


def genetics(problem: str) -> str:
    """Every pair of gametes of both parents, all genes together."""
    crosses, _, total = problem.partition(" of ")
    genes = [gene.split("/") for gene in crosses.split()]
    eggs, seeds = (list(product(*(gene[parent] for gene in genes))) for parent in (0, 1))
    hits = 0
    for egg, seed in product(eggs, seeds):
        pairs = [{a, b} for a, b in zip(egg, seed, strict=True)]
        goals = [set(gene[2]) for gene in genes]
        hits += all("A" in p if "_" in g else p == g for p, g in zip(pairs, goals, strict=True))
    return str(Fraction(hits, len(eggs) * len(seeds)) * (int(total) if total else 1))


SCIENCE_ORACLES: dict[str, Callable[[str], str]] = {
    "kinematics": law,
    "forces": law,
    "energy": law,
    "units": units,
    "balancing": balancing,
    "molar_mass": molar_mass,
    "stoichiometry": stoichiometry,
    "genetics": genetics,
}
