"""Every family: gold scores 1, a mutant 0, splits never meet, the same seed makes the same."""

import re
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from naga.tasks import LANGUAGES, LEVELS, SCORED, Example, Language, Level, Task, make_tasks

CASES = [(name, level, language) for name in SCORED for level in LEVELS for language in LANGUAGES]


def examples(task: Task, level: Level, language: Language, count: int) -> Iterator[Example]:
    for i in range(count):
        yield task.generate(Random(f"test {i}"), level, language)


def question(example: Example) -> str:
    return example.messages[0].content


def mutants(answer: str) -> set[str]:
    """Replies that are wrong by one character, or empty."""
    last = answer.rstrip(".。？！”")
    changed = {"", last[:-1], answer + "7", "7" + answer, last[:-1] + "~" + answer[len(last) :]}
    return changed - {answer, last}


@pytest.mark.parametrize(("name", "level", "language"), CASES)
def test_gold_scores_one_and_mutants_score_zero(
    name: str, level: Level, language: Language
) -> None:
    (task,) = make_tasks([name])
    for example in examples(task, level, language, 100):
        gold = example.messages[-1]
        assert gold.role == "assistant" and gold.reasoning
        assert gold.content == example.answer
        for reply in (gold.content, f'\n "{gold.content}" ', f"“{gold.content}”"):
            assert task.grade(example, reply).score == 1.0
        for mutant in mutants(example.answer):
            assert task.grade(example, mutant).score == 0.0, (example.answer, mutant)


@pytest.mark.parametrize("name", ["addition", "comparing", "counting", "sorting"])
def test_numbers_may_end_with_a_full_stop(name: str) -> None:
    (task,) = make_tasks([name])
    for example in examples(task, "easy", "zh", 20):
        assert task.grade(example, f"{example.answer}.").score == 1.0
        assert task.grade(example, f"{example.answer}。").score == 1.0


@pytest.mark.parametrize("level", LEVELS)
def test_addition_answers_and_every_step_of_the_trace_are_true(level: Level) -> None:
    (task,) = make_tasks(["addition"])
    for example in examples(task, level, "en", 300):
        first, symbol, second = re.fullmatch(r"(\d+)([+-])(\d+)", example.problem).groups()
        expected = int(first) + int(second) if symbol == "+" else int(first) - int(second)
        assert int(example.answer) == expected
        assert {first, second} == set(re.findall(r"\d+", question(example))) | {first}
        result = ""
        for line in example.reasoning.splitlines():
            for left, right in re.findall(r"([\d+-]+)=(\d+)", line):
                assert sum(int(term) for term in re.findall(r"[+-]?\d+", left)) == int(right)
            for left in re.findall(r"([\d+-]+)<0", line):
                assert sum(int(term) for term in re.findall(r"[+-]?\d+", left)) < 0
            result = line.partition(": ")[2] or result
        assert int(result) == abs(expected)


@pytest.mark.parametrize("level", LEVELS)
def test_comparing_answers_and_every_step_of_the_trace_are_true(level: Level) -> None:
    (task,) = make_tasks(["comparing"])
    for example in examples(task, level, "en", 300):
        first, second = re.findall(r"[\d.]*\d", question(example))
        larger = re.search("larger|bigger|greater", question(example))
        assert float(example.answer) == (max if larger else min)(float(first), float(second))
        for left, sign, right in re.findall(r"([\d.]+)([<=>])([\d.]+)", example.reasoning):
            truth = {"<": float.__lt__, "=": float.__eq__, ">": float.__gt__}[sign]
            assert truth(float(left), float(right))
        wanted, *_, both, last = example.reasoning.splitlines()
        most, least = re.fullmatch(r"max (.+), min (.+)", both).groups()  # type: ignore[union-attr]
        assert {most, least} == {first, second} and float(most) > float(least)
        assert wanted == ("max" if larger else "min")
        assert last == f"{wanted} {example.answer}"


@pytest.mark.parametrize("level", LEVELS)
def test_sorting_trace_names_the_numbers_in_order(level: Level) -> None:
    (task,) = make_tasks(["sorting"])
    for example in examples(task, level, "en", 200):
        numbers = [int(number) for number in re.findall(r"\d+", question(example))]
        descending = re.search("descending|largest to|high to", question(example)) is not None
        ordered = sorted(numbers, reverse=descending)
        assert example.answer == ", ".join(map(str, ordered))
        first, *lines = example.reasoning.splitlines()
        letters = {item[1:]: item[0] for item in first.split()}
        assert "".join(letters.values()) == "abcdefghijklmn"[: len(numbers)]
        assert list(map(int, letters)) == numbers
        named = [line.partition(":")[0] for line in lines]
        assert [int(item[:-1]) for item in named] == ordered
        assert [item[-1] for item in named] == [letters[item[:-1]] for item in named]
        rests = [line.partition(":")[2].split() for line in lines]
        for i, rest in enumerate(rests):
            gone = {int(item[:-1]) for item in named[: i + 1]}
            assert rest == [item for item in first.split() if int(item[1:]) not in gone]


@pytest.mark.parametrize("level", LEVELS)
def test_counting_answer_is_the_count_and_the_end_of_the_trace(level: Level) -> None:
    (task,) = make_tasks(["counting"])
    for example in examples(task, level, "zh", 200):
        word, listed = example.problem.split(" in ")
        assert int(example.answer) == Counter(listed.split())[word]
        steps = [step.rsplit(" ", 1) for step in example.reasoning.split(", ")]
        assert [item for item, _ in steps] == [f"{item}/{word}" for item in listed.split()]
        assert steps[-1][1] == example.answer


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SCORED)
def test_generation_depends_on_nothing_but_its_random_source(name: str, level: Level) -> None:
    first, second = make_tasks([name]) + make_tasks([name])
    assert list(examples(first, level, "en", 20)) == list(examples(second, level, "en", 20))


def test_easy_examples_are_cheap() -> None:
    # Characters: an English token is about four of them, a digit or a Chinese word one or two.
    for name, longest in {
        "addition": 140,
        "comparing": 160,
        "sorting": 340,
        "counting": 330,
    }.items():
        (task,) = make_tasks([name])
        for language in LANGUAGES:
            costs = [
                sum(len(m.content) + len(m.reasoning) for m in example.messages)
                for example in examples(task, "easy", language, 200)
            ]
            assert max(costs) <= longest
