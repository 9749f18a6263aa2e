"""Knights and knaves: one solution, lines that follow from the speaker they cite, no guessing."""

import json
from itertools import product
from random import Random

import pytest

from naga.tasks.example import LANGUAGES, LEVELS, Example, Language, Level
from naga.tasks.logic import Knights
from naga.tasks.logic.formulas import Formula
from naga.tasks.logic.knights import make_people
from naga.tasks.logic.knights_words import WORDS

CASES = [(level, language) for level in LEVELS for language in LANGUAGES]


def truth(said: Formula, roles: tuple[bool, ...]) -> bool:
    """Of a claim, apart from the code under test."""
    parts = [truth(part, roles) for part in said.parts]
    return {
        "atom": lambda: roles[said.atom],
        "not": lambda: not parts[0],
        "and": lambda: parts[0] and parts[1],
        "or": lambda: parts[0] or parts[1],
        "implies": lambda: parts[1] or not parts[0],
        "iff": lambda: parts[0] is parts[1],
        "exactly": lambda: parts.count(True) == said.count,
    }[said.operator]()


@pytest.mark.parametrize("level", LEVELS)
def test_one_solution_and_every_step_follows_from_one_claim(level: Level) -> None:
    for seed in range(40):
        claims, steps, solution = make_people(Random(f"people {seed}"), level)
        worlds = list(product((True, False), repeat=len(claims)))
        right = [w for w in worlds if all(truth(c, w) == w[i] for i, c in enumerate(claims))]
        assert right == [solution]
        known, aside, broken = dict[int, bool](), dict[int, bool](), False
        for step in steps:
            fitting = [
                w
                for w in worlds
                if all(w[i] == value for i, value in known.items())
                and (step.speaker is None or truth(claims[step.speaker], w) == w[step.speaker])
            ]
            if step.speaker is None and step.supposed:
                aside, known[step.person] = dict(known), step.knight
            elif step.speaker is None:
                assert broken and aside.keys() | {step.person} != aside.keys()
                known, broken = {**aside, step.person: step.knight}, False
            elif step.person is None:
                assert not fitting
                broken = True
            else:
                assert {w[step.person] for w in fitting} == {step.knight}
                known[step.person] = step.knight
        assert tuple(known[i] for i in range(len(claims))) == solution and not broken


def gold(example: Example) -> str:
    return example.messages[-1].content


@pytest.mark.parametrize(("level", "language"), CASES)
def test_gold_is_right_and_mutants_are_not(level: Level, language: Language) -> None:
    task, words = Knights(), WORDS[language]
    examples = [task.generate(Random(f"gold {i}"), level, language) for i in range(20)]
    for i, example in enumerate(examples):
        roles: dict[str, str] = json.loads(example.answer)
        lines = "\n".join(f"- {name}: {role}" for name, role in roles.items()).replace("- ", "")
        prose = "。".join(f"{n}是{r}" for n, r in roles.items())
        if language == "en":
            prose = ", ".join(f"**{n}** is a {r}" for n, r in roles.items()) + "."
        for reply in (gold(example), f'"{gold(example)}."', lines, prose):
            assert task.grade(example, reply).score == 1.0, reply
        flipped = {words.knight: words.knave, words.knave: words.knight}
        one = next(iter(roles))
        wrong = [
            *("", words.knight, f"{one}: {words.knight}", example.messages[0].content),
            *(gold(examples[i - 1]), gold(example) * 2, "x" * 10**6, "," * 10**5),
            ", ".join(f"{n}: {words.knight}, {n}: {words.knave}" for n in roles),
            gold(example) + f", {one}: {flipped[roles[one]]}",
            ", ".join(f"{n}: {flipped[r] if n == one else r}" for n, r in roles.items()),
            f"{gold(example)}, or not",
        ]
        for reply in wrong:
            assert task.grade(example, reply).score == 0.0, reply


@pytest.mark.parametrize("level", LEVELS)
def test_the_problem_is_the_same_in_both_languages(level: Level) -> None:
    for seed in range(10):
        first, again = (Knights().generate(Random(seed), level, "en") for _ in range(2))
        assert first == again
        assert first.problem == Knights().generate(Random(seed), level, "zh").problem


@pytest.mark.parametrize("level", LEVELS)
def test_no_constant_answer_is_often_right(level: Level) -> None:
    task, right = Knights(), 0
    for seed in range(200):
        example = task.generate(Random(f"chance {seed}"), level, "en")
        guess = ", ".join(f"{name}: knight" for name in json.loads(example.answer))
        right += task.grade(example, guess).score == 1.0
    assert right <= 40
