"""Molar masses: of a compound, of some moles of it, of one element in a sample of it.

Every prompt gives the relative atomic masses it needs. The trace adds up element by element; a
sample's mass is then moles times molar mass, and an element's part of it moles times its atoms.
"""

from fractions import Fraction
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.science.chemistry import ANIONS, MASSES, METALS, atoms, molar_mass, salts
from naga.tasks.working import worked, written

SIMPLE = (
    *("H2O", "CO2", "NH3", "CH4", "SO2", "SO3", "HNO3", "H2SO4", "H3PO4", "H2O2", "SiO2", "NO2"),
    *("N2O", "P2O5", "PCl3", "CCl4", "C2H6", "C3H8", "C2H5OH", "C6H6", "C6H12O6", "CH3COOH"),
    *salts(tuple(METALS), ("F", "Cl", "Br", "I", "O", "S")),
)
OXYGEN = tuple(anion for anion in ANIONS if len(anion) > 1)
COMPLEX = (
    *salts(tuple(METALS), OXYGEN),
    *("(NH4)2SO4", "(NH4)2CO3", "NH4NO3", "NH4Cl", "(NH4)3PO4", "CO(NH2)2", "KMnO4", "Fe2(SO4)3"),
)
HYDRATES = (
    *("CuSO4*5H2O", "MgSO4*7H2O", "FeSO4*7H2O", "ZnSO4*7H2O", "CaSO4*2H2O", "Na2CO3*10H2O"),
    *("CaCl2*2H2O", "BaCl2*2H2O", "MgCl2*6H2O", "Na2SO4*10H2O"),
)
MOLES = tuple(Fraction(n, 10) for n in (1, 2, 5, 15, 25)) + tuple(map(Fraction, range(2, 11)))

WORDINGS: dict[Level, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (
        (
            "What is the molar mass of {formula}? ({masses})",
            "Find the molar mass of {formula} in g/mol. Use {masses}.",
            "How many grams does one mole of {formula} weigh, in g/mol? Atomic masses: {masses}.",
            "With {masses}, compute the molar mass of {formula}.",
        ),
        (
            "{formula} 的摩尔质量是多少？（{masses}）",
            "求 {formula} 的摩尔质量，单位 g/mol。相对原子质量：{masses}。",
            "已知 {masses}，计算 {formula} 的摩尔质量。",
            "一摩尔 {formula} 的质量是多少（以 g/mol 表示）？{masses}。",
        ),
    ),
    "medium": (
        (
            "What is the mass of {moles} mol of {formula}? ({masses})",
            "How many grams are {moles} mol of {formula}? Use {masses}.",
            "Find the mass of {moles} mol {formula} in grams. Atomic masses: {masses}.",
            "With {masses}, how much do {moles} mol of {formula} weigh?",
        ),
        (
            "{moles} mol {formula} 的质量是多少？（{masses}）",
            "求 {moles} mol {formula} 的质量（g）。相对原子质量：{masses}。",
            "已知 {masses}，{moles} mol 的 {formula} 是多少克？",
            "{moles} mol 的 {formula} 有多重？{masses}。",
        ),
    ),
    "hard": (
        (
            "How many grams of {element} are in {mass} g of {formula}? ({masses})",
            "What mass of the element {element} does a sample of {mass} g {formula} contain? "
            "Use {masses}.",
            "Find the mass of {element} in {mass} g of {formula}. Atomic masses: {masses}.",
            "With {masses}, what is the mass of {element} within {mass} g of {formula}?",
        ),
        (
            "{mass} g {formula} 中含 {element} 元素多少克？（{masses}）",
            "求 {mass} g {formula} 中 {element} 的质量。相对原子质量：{masses}。",
            "已知 {masses}，{mass} g 的 {formula} 里 {element} 元素的质量是多少？",
            "{mass} g {formula} 样品中有多少克 {element}？{masses}。",
        ),
    ),
}


@final
class MolarMass(Generator):
    name: ClassVar[str] = "molar_mass"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        formula = random.choice(SIMPLE if level == "easy" else COMPLEX)
        if level == "hard" and random.random() < 0.4:
            formula = random.choice(HYDRATES)
        moles = random.choice(MOLES)
        element = random.choice(list(atoms(formula)))
        mass = molar_mass(formula)
        lines = mass_trace(formula)
        if level == "easy":
            key, answer = formula, f"{written(mass)} g/mol"
        elif level == "medium":
            key, answer = f"{written(moles)} mol {formula}", f"{written(moles * mass)} g"
            lines.append(worked(moles, "*", mass))
        else:
            key = f"{element} in {written(moles * mass)} g {formula}"
            count = atoms(formula)[element]
            lines += [
                worked(moles * mass, "/", mass),
                worked(moles, "*", Fraction(count)),
                worked(moles * count, "*", MASSES[element]),
            ]
            answer = f"{written(moles * count * MASSES[element])} g"
        question = pick(random, *WORDINGS[level], language).format(
            formula=formula,
            masses=listed_masses(formula),
            moles=written(moles),
            mass=written(moles * mass),
            element=element,
        )
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=key,
            messages=conversation(question, "\n".join([*lines, answer]), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer, rounded=True)


def mass_trace(formula: str) -> list[str]:
    """`Ca: 1*40=40 / O: 2*16=32, 40+32=72 / H: 2*1=2, 72+2=74`, one line each."""
    lines, total = [], Fraction(0)
    for symbol, count in atoms(formula).items():
        part = count * MASSES[symbol]
        line = f"{symbol}: {worked(count, '*', MASSES[symbol])}"
        lines.append(f"{line}, {worked(total, '+', part)}" if total else line)
        total += part
    return lines


def listed_masses(*formulas: str) -> str:
    """`Ca 40, O 16, H 1`."""
    symbols = dict.fromkeys(symbol for formula in formulas for symbol in atoms(formula))
    return ", ".join(f"{symbol} {written(MASSES[symbol])}" for symbol in symbols)
