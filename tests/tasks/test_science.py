"""Science tables: reactions are real equations that balance, laws are plausible, formulas right."""

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from tasks.oracles import arithmetic
from tasks.science_oracles import LAWS, balancing, mass, spelled

from naga.tasks import LEVELS
from naga.tasks.science import Energy, Forces, Genetics, Kinematics, Units
from naga.tasks.science.balancing import balanced
from naga.tasks.science.chemistry import atoms, molar_mass, salt
from naga.tasks.science.laws import Law
from naga.tasks.science.molar_mass import COMPLEX, HYDRATES, SIMPLE
from naga.tasks.science.reactions import REACTIONS
from naga.tasks.terms import read_term
from naga.tasks.working import division_steps, worked, written

ALL_LAWS: tuple[Law, ...] = (*Kinematics.laws, *Forces.laws, *Energy.laws)


@pytest.mark.parametrize("level", LEVELS)
def test_every_reaction_balances_as_an_oracle_does(level: str) -> None:
    for reaction in REACTIONS[level]:
        _, numbers = balanced(reaction)
        assert ", ".join(map(str, numbers)) == balancing(reaction.text())
        assert set(numbers) != {1}


def test_a_balanced_equation_keeps_its_atoms() -> None:
    for level in LEVELS:
        for reaction in REACTIONS[level]:
            total = Counter[str]()
            signs = [1] * len(reaction.left) + [-1] * len(reaction.right)
            parts = zip(balanced(reaction)[1], signs, reaction.formulas, strict=True)
            for number, sign, formula in parts:
                for symbol, count in atoms(formula).items():
                    total[symbol] += sign * number * count
            assert not any(total.values()), reaction.text()


def test_formulas_are_read_as_an_oracle_does() -> None:
    reactions = (formula for level in LEVELS for r in REACTIONS[level] for formula in r.formulas)
    for formula in (*SIMPLE, *COMPLEX, *HYDRATES, *reactions):
        assert atoms(formula) == spelled(formula)
        assert molar_mass(formula) == mass(formula)


def test_salts_are_neutral() -> None:
    assert salt("Al", "SO4") == "Al2(SO4)3"
    assert salt("Ca", "OH") == "Ca(OH)2"
    assert salt("Mg", "O") == "MgO"
    assert salt("Na", "Cl") == "NaCl"
    assert salt("Fe", "Cl", 3) == "FeCl3"


def test_the_oracle_knows_every_law_and_its_unit() -> None:
    assert {law.name: law.unit for law in ALL_LAWS} == {n: unit for n, (_, unit) in LAWS.items()}


@pytest.mark.parametrize("law", ALL_LAWS, ids=lambda law: law.name)
def test_every_wording_of_a_law_says_all_that_is_given(law: Law) -> None:
    for wording in (*law.english, *law.chinese):
        for name in law.given:
            assert f"{{{name}}}" in wording, (law.name, name, wording)


@pytest.mark.parametrize("law", ALL_LAWS, ids=lambda law: law.name)
def test_a_law_has_many_problems_and_draws_them_quickly(law: Law) -> None:
    drawn = {tuple(sorted(law.draw(Random(i)).items())) for i in range(40)}
    assert len(drawn) > 15


def test_no_efficiency_is_above_one_hundred_percent() -> None:
    law = next(law for law in Energy.laws if law.name == "efficiency")
    assert all(law.draw(Random(i))["n"] <= 100 for i in range(50))


def test_a_unit_may_be_missing_or_spelled_but_not_be_another() -> None:
    task = Units()
    example = task.generate(Random(1), "easy", "en")
    number, unit = example.answer.split()
    assert task.grade(example, number).score == 1.0
    assert task.grade(example, f"{number}{unit}").score == 1.0
    assert task.grade(example, f"{number} kelvin").score == 0.0


def test_shares_of_offspring_may_be_decimals_and_unreduced() -> None:
    task = Genetics()
    shares = (task.generate(Random(i), "medium", "en") for i in range(200))
    example = next(e for e in shares if e.answer == "3/8")
    for reply in ("3/8", "6/16", "0.375"):
        assert task.grade(example, reply).score == 1.0
    for reply in ("3:8", "3", "8/3", "37.5%", "3/4*1/2", "3/8, 1/2"):
        assert task.grade(example, reply).score == 0.0


@pytest.mark.parametrize("operator", ["+", "-", "*", "/"])
def test_a_worked_operation_begins_with_it_and_ends_with_its_result(operator: str) -> None:
    random = Random(operator)
    for _ in range(3000):
        first, second = (random.randint(0, 10 ** random.randint(1, 5)) for _ in range(2))
        if operator == "/":
            second = second or 1
            first *= second
        line = worked(first, operator, second)
        result = arithmetic(f"{first}{operator}{second}")
        assert line.endswith((f"={result}", f" {result}")), line
        assert line[: len(str(first))].lstrip("0") in f"{first} {second}"


def test_long_division_takes_digit_after_digit() -> None:
    assert division_steps(322, 7) == ["32=4*7+4", "42=6*7+0"]
    assert division_steps(5, 7) == ["5=0*7+5"]
    assert division_steps(1407, 7) == ["14=2*7+0", "0=0*7+0", "7=1*7+0"]


def test_numbers_are_written_as_short_as_they_are() -> None:
    for text in ("3", "-3", "0.5", "-12.0625", "1/3", "-7/9", "0.0001", "1/100000"):
        assert written(Fraction(text)) == text


def test_names_in_formulas_are_only_those_given() -> None:
    assert read_term("v*t", {}) is None
