"""Every family: gold scores 1, a mutant 0, splits never meet, the same seed gives the same example."""

from collections.abc import Iterator
from random import Random

import pytest

from naga.tasks import LANGUAGES, LEVELS, SCORED, Example, Language, Level, Task, make_tasks

CASES = [(name, level, language) for name in SCORED for level in LEVELS for language in LANGUAGES]


def examples(
    task: Task, level: Level, language: Language, count: int, seed: str = "t"
) -> Iterator[Example]:
    for i in range(count):
        yield task.generate(Random(f"{seed}{i}"), level, language)


def mutants(example: Example) -> Iterator[str]:
    answer = example.answer
    yield ""
    yield answer[:-1]
    yield answer + "7"
    yield "7" + answer
    yield answer.swapcase() if answer.swapcase() != answer else f"{answer} {answer}"
    if answer[0].isdigit():
        yield str((int(answer[0]) + 1) % 10) + answer[1:]


@pytest.mark.parametrize(("name", "level", "language"), CASES)
def test_gold_scores_one_and_mutants_score_zero(
    name: str, level: Level, language: Language
) -> None:
    (task,) = make_tasks([name])
    for example in examples(task, level, language, 60):
        gold = example.messages[-1]
        assert gold.role == "assistant" and gold.reasoning
        assert task.grade(example, gold.content).score == 1.0
        assert task.grade(example, f' "{gold.content}"\n').score == 1.0
        for mutant in mutants(example):
            if mutant.rstrip(".。") != example.answer.rstrip(".。"):
                assert task.grade(example, mutant).score == 0.0, (example.answer, mutant)
