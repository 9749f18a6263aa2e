"""Retrieval: the answer stands where it should, once; length and depth hold; no code at random."""

import re
from itertools import pairwise
from random import Random

import pytest

from naga.config.base import ConfigError
from naga.tasks.example import LANGUAGES, LEVELS, Example, Generator, Language, Level
from naga.tasks.retrieval import Hops, KeyValues, Needles
from naga.tasks.retrieval.words import NOT_FOUND

FAMILIES = (Needles(), KeyValues(), Hops())
CASES = [
    (family, level, language) for family in FAMILIES for level in LEVELS for language in LANGUAGES
]
IDS = [f"{family.name}-{level}-{language}" for family, level, language in CASES]


def examples(family: Generator, level: Level, language: Language, count: int) -> list[Example]:
    return [family.generate(Random(f"find {i}"), level, language) for i in range(count)]


def codes_in(example: Example) -> list[str]:
    return re.findall(r"(?<!\d)\d{5}(?!\d)", example.messages[0].content)


@pytest.mark.parametrize(("family", "level", "language"), CASES, ids=IDS)
def test_gold_is_right_and_mutants_are_not(
    family: Generator, level: Level, language: Language
) -> None:
    listed = examples(family, level, language, 15)
    for i, example in enumerate(listed):
        gold = example.answer
        assert example.messages[-1].content == gold
        for reply in (gold, gold + "。", f"“{gold}”", gold.replace(", ", "，").upper()):
            assert family.grade(example, reply).score == 1.0, reply
        listing = ", ".join(codes_in(example))
        wrong = ["", "-", "12345", gold + "1", f"{gold}, {gold}", listing, f"{gold} or 12345"]
        wrong += [example.messages[0].content, example.problem, "," * 10**6, "x" * 10**6]
        wrong += [listed[i - 1].answer] * (listed[i - 1].answer != gold)
        for reply in wrong:
            assert family.grade(example, reply).score == 0.0, reply


@pytest.mark.parametrize(("family", "level", "language"), CASES, ids=IDS)
def test_what_is_asked_for_stands_in_the_text_once_or_is_not_found(
    family: Generator, level: Level, language: Language
) -> None:
    for example in examples(family, level, language, 15):
        codes = codes_in(example)
        assert len(codes) == len(set(codes)) >= 4
        if example.answer == NOT_FOUND[language]:
            assert example.reasoning == "-"
            continue
        for code in example.answer.split(", "):
            assert codes.count(code) == 1 and code in example.reasoning


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_trace_of_needles_copies_sentences_of_the_text(language: Language) -> None:
    for example in examples(Needles(), "medium", language, 30):
        if example.reasoning != "-":
            for line in example.reasoning.splitlines():
                assert example.messages[0].content.count(line) == 1


def test_each_hop_stands_in_the_text() -> None:
    for example in examples(Hops(), "hard", "en", 30):
        text = example.messages[0].content
        *stations, code = example.reasoning.split(" > ")
        for here, there in pairwise(stations):
            assert text.count(f"The note in the {here} says: go to the {there}.") == 1
        assert f"The note in the {stations[-1]} says: the code is {code}." in text
        assert code == example.answer


def test_pairs_of_keys_and_values_are_as_the_problem_has_them() -> None:
    for example in examples(KeyValues(), "medium", "en", 30):
        key, _, listed = example.problem.partition(" in ")
        pairs = dict(pair.split("=") for pair in listed.split())
        assert pairs.get(key, "not found") == example.answer
        shown = re.findall(r'(\w{6})"?: "?(\d{5})', example.messages[0].content)
        assert shown == list(pairs.items())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("level", LEVELS)
def test_no_place_in_the_text_and_no_word_is_often_right(family: Generator, level: Level) -> None:
    listed = examples(family, level, "en", 100)
    for place in (0, 1, -1, -2):
        found = sum(family.grade(e, codes_in(e)[place]).score == 1.0 for e in listed)
        assert found <= 40, place
    assert sum(family.grade(e, "not found").score == 1.0 for e in listed) <= 20


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("length", [500, 5_000, 50_000])
def test_length_is_that_of_the_text(length: int, language: Language) -> None:
    for family in (Needles(length), Hops(length)):
        text = family.generate(Random(1), "easy", language).messages[0].content
        assert length <= len(text) <= length * 1.1 + 1200
    text = KeyValues(length).generate(Random(1), "easy", language).messages[0].content
    assert 0.8 * length <= len(text) <= length * 1.3 + 300


@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 1.0])
def test_depth_is_where_the_needle_stands(depth: float) -> None:
    for family in (Needles(20_000, depth), Hops(20_000, depth), KeyValues(20_000, depth)):
        for example in examples(family, "medium", "en", 8):
            if example.answer == "not found":
                continue
            text = example.messages[0].content
            codes = example.answer.split(", ")
            for code in codes:
                assert text.index(code) / len(text) == pytest.approx(depth, abs=0.06)


def test_given_texts_are_the_filler_of_their_language() -> None:
    lines = [
        f"The keeper of the lighthouse counted {i} ships on that gray morning." for i in range(9)
    ]
    for family in (Needles(2000, documents=[" ".join(lines)]), Hops(documents=[" ".join(lines)])):
        text = family.generate(Random(0), "medium", "en").messages[0].content
        assert text.count("lighthouse") > 5
        assert "lighthouse" not in family.generate(Random(0), "medium", "zh").messages[0].content


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("level", LEVELS)
def test_the_problem_is_the_same_in_both_languages(family: Generator, level: Level) -> None:
    english, chinese = (examples(family, level, language, 10) for language in LANGUAGES)
    assert [e.problem for e in english] == [e.problem for e in chinese]
    assert english == examples(family, level, "en", 10)


def test_impossible_lengths_and_depths_are_refused() -> None:
    for make in (Needles, Hops, KeyValues):
        with pytest.raises(ConfigError, match="depth 2: use a number from 0"):
            make(1000, 2)
        with pytest.raises(ConfigError, match="length -1"):
            make(-1)
