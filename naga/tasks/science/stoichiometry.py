"""Amounts in a reaction whose balanced equation is given.

Easy: moles to moles. Medium: moles to grams, with the molar mass given. Hard: grams to grams, with
atomic masses given. The other substances are there in excess.
"""

from fractions import Fraction
from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.example import (
    LEVELS,
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.science.balancing import balanced
from naga.tasks.science.chemistry import molar_mass
from naga.tasks.science.molar_mass import listed_masses, mass_trace
from naga.tasks.science.reactions import REACTIONS
from naga.tasks.working import worked, written

EXTENTS = tuple(Fraction(n, 10) for n in (1, 2, 5, 15)) + tuple(map(Fraction, range(1, 9)))
ALL = tuple(reaction for level in LEVELS for reaction in REACTIONS[level])

WORDINGS: dict[Level, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (
        (
            "{equation}\nHow many moles of {second} go with {given} mol of {first}?",
            "In {equation}, how many mol of {second} correspond to {given} mol of {first}?",
            "Given {equation}: {given} mol of {first} react or form. How many mol of {second} do?",
            "By {equation}, {given} mol of {first} match how many mol of {second}?",
        ),
        (
            "{equation}\n{given} mol {first} 对应多少 mol {second}？",
            "在反应 {equation} 中，{given} mol {first} 对应的 {second} 是多少 mol？",
            "已知 {equation}，有 {given} mol {first} 参加或生成，{second} 是多少 mol？",
            "根据 {equation}，与 {given} mol {first} 相当的 {second} 有多少 mol？",
        ),
    ),
    "medium": (
        (
            "{equation}\nHow many grams of {second} go with {given} mol of {first}? "
            "M({second}) = {molar} g/mol",
            "In {equation}, what mass of {second} corresponds to {given} mol of {first}? "
            "The molar mass of {second} is {molar} g/mol.",
            "Given {equation} and M({second}) = {molar} g/mol: {given} mol of {first} react or "
            "form. How many grams of {second} do?",
            "By {equation}, {given} mol of {first} match how many grams of {second} "
            "({molar} g/mol)?",
        ),
        (
            "{equation}\n{given} mol {first} 对应多少克 {second}？M({second}) = {molar} g/mol",
            "在反应 {equation} 中，{given} mol {first} 对应的 {second} 质量是多少？"
            "{second} 的摩尔质量为 {molar} g/mol。",
            "已知 {equation}，M({second}) = {molar} g/mol，有 {given} mol {first} 参加或生成，"
            "{second} 是多少克？",
            "根据 {equation}，与 {given} mol {first} 相当的 {second} 有多少克（{molar} g/mol）？",
        ),
    ),
    "hard": (
        (
            "{equation}\nHow many grams of {second} go with {given} g of {first}? ({masses})",
            "In {equation}, what mass of {second} corresponds to {given} g of {first}? "
            "Use {masses}.",
            "Given {equation}: {given} g of {first} react or form. How many grams of {second} do? "
            "Atomic masses: {masses}.",
            "By {equation}, {given} g of {first} match how many grams of {second}? ({masses})",
        ),
        (
            "{equation}\n{given} g {first} 对应多少克 {second}？（{masses}）",
            "在反应 {equation} 中，{given} g {first} 对应的 {second} 质量是多少？"
            "相对原子质量：{masses}。",
            "已知 {equation}，有 {given} g {first} 参加或生成，{second} 是多少克？（{masses}）",
            "根据 {equation}，与 {given} g {first} 相当的 {second} 有多少克？{masses}。",
        ),
    ),
}


@final
class Stoichiometry(Generator):
    name: ClassVar[str] = "stoichiometry"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        reaction = random.choice(ALL)
        numbers = balanced(reaction)[1]
        i, j = random.sample(range(len(numbers)), 2)
        first, second = reaction.formulas[i], reaction.formulas[j]
        moles = random.choice(EXTENTS) * numbers[i]
        other = moles / numbers[i] * numbers[j]
        lines, given, unit, result = list[str](), moles, "mol", other
        if level == "hard":
            given = moles * molar_mass(first)
            lines = [f"M({first})", *mass_trace(first), worked(given, "/", molar_mass(first))]
        lines += [f"{first}:{second}={numbers[i]}:{numbers[j]}"]
        lines.append(worked(moles, "/", Fraction(numbers[i])))
        lines.append(worked(moles / numbers[i], "*", Fraction(numbers[j])))
        if level != "easy":
            lines += [f"M({second})", *mass_trace(second)] if level == "hard" else []
            lines.append(worked(other, "*", molar_mass(second)))
            unit, result = "g", other * molar_mass(second)
        answer = f"{written(result)} {unit}"
        equation = reaction.text(numbers)
        question = pick(random, *WORDINGS[level], language).format(
            equation=equation,
            first=first,
            second=second,
            given=written(given),
            molar=written(molar_mass(second)),
            masses=listed_masses(first, second),
        )
        kind = "mol" if level != "hard" else "g"
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{equation}: {written(given)} {kind} {first} = ? {unit} {second}",
            messages=conversation(question, "\n".join([*lines, answer]), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer, rounded=True)
