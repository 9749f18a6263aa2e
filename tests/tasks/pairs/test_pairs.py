"""Pairs: reproducible, held apart by set, and of the label that they are made for."""

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from naga.tasks.pairs import LABELS, PAIR_SETS, PairSet, make_pairs, write_pairs
from naga.tasks.pairs.facts import HELDOUT_FAMILIES
from naga.tasks.pairs.mistakes import MISTAKES
from naga.tasks.pairs.numerals import chinese, decimal, english
from naga.tasks.pairs.pair import Amount
from naga.tasks.pairs.reading import read_number
from naga.tasks.pairs.spelling import HELDOUT_FORMS, NUMBERS, forms_of, spell
from naga.verify.chinese import chinese_number

COUNT = 50


@pytest.mark.parametrize("chosen", PAIR_SETS)
def test_a_pair_depends_on_its_number_alone(chosen: PairSet) -> None:
    stream = list(make_pairs(chosen, seed=3, count=12))
    assert list(make_pairs(chosen, seed=3, count=5, start=7)) == stream[7:]


def test_sets_share_no_problem() -> None:
    problems = {
        chosen: {pair.problem for pair in make_pairs(chosen, seed=0, count=COUNT)}
        for chosen in PAIR_SETS
    }
    assert not problems["train"] & (problems["validation"] | problems["heldout"])
    assert not problems["validation"] & (problems["heldout"] | problems["forms"])


def test_held_out_families_and_forms_are_never_trained_on() -> None:
    for chosen in ("train", "validation", "heldout"):
        for pair in make_pairs(chosen, seed=1, count=COUNT):
            assert pair.family not in HELDOUT_FAMILIES
            assert pair.form not in HELDOUT_FORMS
    assert all(
        pair.family in HELDOUT_FAMILIES for pair in make_pairs("families", seed=1, count=COUNT)
    )
    forms = {pair.form for pair in make_pairs("forms", seed=1, count=COUNT)}
    assert forms & HELDOUT_FORMS


def test_every_label_has_its_share() -> None:
    labels = [pair.label for pair in make_pairs("train", seed=2, count=400)]
    assert all(labels.count(label) > 0.12 * len(labels) for label in LABELS)


@pytest.mark.parametrize(
    "number", [0, 5, 10, 14, 20, 101, 110, 1010, 1001, 10500, 101_000, 200_034]
)
def test_numbers_in_words_are_read_back(number: int) -> None:
    value = Fraction(number)
    assert chinese_number(chinese(value) or "") == value
    assert read_number(english(value) or "") == value


@pytest.mark.parametrize("value", [Fraction(5, 2), Fraction(-1404), Fraction(3, 4)])
def test_every_spelling_of_a_number_is_read_back(value: Fraction) -> None:
    for form in forms_of(Amount(number=value)):
        text = NUMBERS[form](value)
        assert text is not None
        if form == "percent":
            text, value = text.removesuffix("%"), value * 100
        plain = "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in text)
        assert read_number(plain) == value, form
        value = value / 100 if form == "percent" else value


def test_a_mistake_means_something_else() -> None:
    random = Random(5)
    value = Amount(number=Fraction(1404), unit="m")
    for name, mistake in MISTAKES.items():
        for _ in range(30):
            found = mistake(value, random)
            assert found is None or found == value or found != value
            if found is not None and found != value:
                assert isinstance(found, Amount)
                assert (found.number, found.unit) != (value.number, value.unit), name


def test_a_unit_is_never_left_out_where_it_is_asked_for() -> None:
    value = Amount(number=Fraction(7), unit="mL")
    texts = {spell(value, Random(i), heldout=False, whole=True)[0] for i in range(60)}
    assert all(text.rstrip("}").endswith(("mL", "ml", "liter", "liters", "毫升")) for text in texts)


def test_pairs_are_written_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    assert write_pairs(islice(make_pairs("train", seed=0, count=9), 4), path) == 4
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] for row in rows] == [p.label for p in make_pairs("train", seed=0, count=4)]
    assert decimal(Fraction(1, 3)) is None
