"""Propositional logic: answers by an independent truth table, true traces, no guessing."""

import json
import re
from itertools import product
from random import Random

import pytest

from naga.tasks.example import LANGUAGES, LEVELS, Example, Language, Level
from naga.tasks.logic import Propositional
from naga.tasks.logic.propositional import KINDS, Kind

CASES = [(kind, level) for kind in KINDS for level in LEVELS]


def truth(formula: str, values: dict[str, bool]) -> bool:
    """Of a formula in symbols, by Python: the formulas are our own."""
    python = formula.replace("¬", "~").replace("∧", "&").replace("∨", "|")
    python = python.replace("→", "<=").replace("↔", "==")
    return bool(eval(_masked(python), {"B": B}, {name: B(v) for name, v in values.items()}).value)


def _masked(python: str) -> str:
    """`T` and `F` as values; comparisons do not chain, for every formula has brackets."""
    return re.sub(r"\b[TF]\b", lambda found: f"B({found[0] == 'T'})", python)


class B:
    def __init__(self, value: bool) -> None:
        self.value = value

    def __invert__(self) -> "B":
        return B(not self.value)

    def __and__(self, other: "B") -> "B":
        return B(self.value and other.value)

    def __or__(self, other: "B") -> "B":
        return B(self.value or other.value)

    def __le__(self, other: "B") -> "B":
        return B(not self.value or other.value)

    def __eq__(self, other: object) -> "B":  # type: ignore[override]
        assert isinstance(other, B)
        return B(self.value == other.value)


def examples(kind: Kind, level: Level, language: Language, count: int) -> list[Example]:
    task = Propositional((kind,))
    return [task.generate(Random(f"{kind} {i}"), level, language) for i in range(count)]


def worlds(names: str) -> list[dict[str, bool]]:
    return [dict(zip(names, row, strict=True)) for row in product((True, False), repeat=len(names))]


@pytest.mark.parametrize("level", LEVELS)
def test_values_and_each_reduction_are_true(level: Level) -> None:
    for example in examples("values", level, "en", 30):
        given, *formulas = re.split(r"; \d\. ", example.problem.removeprefix("values: "))
        values = {pair[0]: pair[2] == "T" for pair in given.rstrip("; ").split(", ")}
        answer = json.loads(example.answer)["answer"]
        lines = example.reasoning.splitlines()
        assert len(answer) == len(formulas) == len(lines)
        for formula, letter, line in zip(formulas, answer, lines, strict=True):
            assert truth(formula, values) == (letter == "T")
            steps = line.partition(". ")[2].split(" = ")
            assert [truth(step, {}) for step in steps] == [letter == "T"] * len(steps)
            assert steps[-1] == letter


@pytest.mark.parametrize("level", LEVELS)
def test_models_are_all_there_are_and_rows_name_the_first_that_fails(level: Level) -> None:
    for example in examples("models", level, "zh", 30):
        _, *formulas, last = re.split(r"(?:^|; )\d\. |; (?=[a-z],)", example.problem[8:])
        names = last.replace(", ", "")
        rows = {}
        for values in worlds(names):
            failing = [i for i, f in enumerate(formulas, 1) if not truth(f, values)]
            row = "".join("FT"[value] for value in values.values())
            rows[row] = f"!{failing[0]}" if failing else "ok"
        assert example.reasoning.splitlines() == [f"{row} {said}" for row, said in rows.items()]
        assert json.loads(example.answer)["answer"] == [
            r for r, said in rows.items() if said == "ok"
        ]


@pytest.mark.parametrize("level", LEVELS)
def test_conclusions_are_what_the_truth_table_says_and_lines_follow_from_their_premise(
    level: Level,
) -> None:
    for example in examples("entailment", level, "en", 25):
        given, *conclusions = re.split(r"; \d\. ", example.problem.removeprefix("entailment: "))
        premises = given.rstrip("; ").split(", ")
        names = "pqrstuvw"[: {"easy": 4, "medium": 6, "hard": 8}[level]]
        fitting = [w for w in worlds(names) if all(truth(p, w) for p in premises)]
        assert fitting
        for conclusion, said in zip(conclusions, json.loads(example.answer)["answer"], strict=True):
            truths = {truth(conclusion, values) for values in fitting}
            expected = "unknown" if len(truths) == 2 else "true" if truths == {True} else "false"
            assert said == expected
        known = dict[str, bool]()
        for line in example.reasoning.splitlines()[: -len(conclusions)]:
            premise, _, said = line.partition(": ")
            assert premise in premises
            possible = [
                w for w in worlds(names) if truth(premise, w) and known.items() <= w.items()
            ]
            for name, _, letter in (text.partition("=") for text in said.split()):
                assert {w[name] for w in possible} == {letter == "T"}
                known[name] = letter == "T"


@pytest.mark.parametrize(("kind", "level"), CASES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_gold_is_right_and_mutants_are_not(kind: Kind, level: Level, language: Language) -> None:
    task = Propositional((kind,))
    listed = examples(kind, level, language, 12)
    for i, example in enumerate(listed):
        gold = example.messages[-1].content
        for reply in (gold, gold + ".", f"“{gold}”", gold.replace(", ", "，"), gold.lower()):
            assert task.grade(example, reply).score == 1.0, (gold, reply)
        other = listed[i - 1].messages[-1].content
        wrong = ["", ",", "T, F", f"{gold}, T", f"{gold}, {gold}", "x" * 10**6]
        wrong += [gold.partition(", ")[2], example.messages[0].content, "真", "true or false"]
        wrong += [other] * (other != gold)
        for reply in wrong:
            if reply != gold:
                assert task.grade(example, reply).score == 0.0, (gold, reply)


def test_models_may_come_in_any_order() -> None:
    task = Propositional(("models",))
    several = [e for e in examples("models", "hard", "en", 30) if e.messages[-1].content.count(",")]
    for example in several:
        rows = example.messages[-1].content.split(", ")
        assert task.grade(example, ", ".join(rows[::-1])).score == 1.0
        assert task.grade(example, ", ".join([*rows[:-1], rows[0]])).score == 0.0


@pytest.mark.parametrize(("kind", "level"), CASES)
def test_no_constant_answer_is_often_right(kind: Kind, level: Level) -> None:
    task, listed = Propositional((kind,)), examples(kind, level, "en", 150)
    sizes = {"values": (4, 6, 8), "entailment": (3, 4, 6), "models": (1, 1, 1)}[kind]
    size = sizes[LEVELS.index(level)]
    for word in ("T", "F", "unknown", "none", "TT", "TTT", "TTTT"):
        guess = ", ".join([word] * size)
        assert sum(task.grade(example, guess).score == 1.0 for example in listed) <= 35, guess


@pytest.mark.parametrize(("kind", "level"), CASES)
def test_the_problem_is_the_same_in_both_languages(kind: Kind, level: Level) -> None:
    assert examples(kind, level, "en", 5) == examples(kind, level, "en", 5)
    english, chinese = (examples(kind, level, language, 5) for language in LANGUAGES)
    assert [e.problem for e in english] == [e.problem for e in chinese]
