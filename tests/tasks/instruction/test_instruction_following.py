"""Instructions: gold keeps every constraint, mutants break one, an empty reply keeps none."""

import json
from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest

from naga.tasks.example import LANGUAGES, LEVELS, Example, Language, Level
from naga.tasks.instruction import CHECKS, InstructionFollowing, check_constraint
from naga.tasks.instruction.checks import num_sentences, words_of
from naga.tasks.instruction.constraints import CONSTRAINTS

CASES = [(level, language) for level in LEVELS for language in LANGUAGES]
TASK = InstructionFollowing()


def examples(level: Level, language: Language, count: int) -> list[Example]:
    return [TASK.generate(Random(f"do {i}"), level, language) for i in range(count)]


def broken(identifier: str, kwargs: dict[str, Any], gold: str, language: Language) -> str:
    """The gold reply, changed so that it does not keep this one constraint."""
    more = " I see." if language == "en" else "我看见了。"
    kind = identifier.partition(":")[2]
    match kind:
        case "no_comma":
            return gold + ","
        case "forbidden_characters":
            return gold + kwargs["characters"][-1]
        case "han_between":
            return gold + "字" * kwargs["most"]
        case "number_sentences":
            marks = str.maketrans("", "", ".!?。！？")
            return gold.translate(marks) if kwargs["relation"] == "at least" else gold + more * 9
        case "number_words":
            return gold.strip('"<>')[:9] if kwargs["relation"] == "at least" else gold + more * 50
        case "number_bullet_lists":
            return gold + "\n* more"
        case "existence":
            return gold.replace(kwargs["keywords"][0], "").replace(
                kwargs["keywords"][0].upper(), ""
            )
        case "forbidden_words":
            return gold + " " + kwargs["forbidden_words"][-1].upper()
        case "frequency":
            head, word, tail = gold.partition(kwargs["keyword"])
            return head + word + tail.replace(kwargs["keyword"], "it")
        case "english_lowercase":
            return gold + " I"
        case "english_capital":
            return gold + " i"
        case "title":
            return gold.replace("<<", "").replace(">>", "")
        case "number_placeholders":
            return gold.replace("[", "").replace("]", "")
        case "postscript":
            return gold.replace("P.S.", "").replace("p.s.", "")
        case "end_checker":
            return gold + more * 2
        case "quotation":
            return gold[1:]
    raise AssertionError(kind)


@pytest.mark.parametrize(("level", "language"), CASES)
def test_gold_is_right_and_each_broken_constraint_is_wrong(
    level: Level, language: Language
) -> None:
    for example in examples(level, language, 60):
        asked = json.loads(example.answer)
        gold = example.messages[-1].content
        verdict = TASK.grade(example, gold)
        assert verdict.score == 1.0, (gold, verdict)
        assert set(verdict.parts) == {"reply", *asked["instruction_id_list"]}
        assert len(asked["kwargs"]) == 1 + LEVELS.index(level)
        for identifier, kwargs in zip(asked["instruction_id_list"], asked["kwargs"], strict=True):
            if identifier.endswith("frequency") and example.messages[-1].content.isupper():
                continue
            reply = broken(identifier, kwargs, gold, language)
            verdict = TASK.grade(example, reply)
            assert verdict.score == 0.0, (identifier, kwargs, reply)


@pytest.mark.parametrize(("level", "language"), CASES)
def test_what_is_no_reply_is_wrong_whatever_it_keeps(level: Level, language: Language) -> None:
    listed = examples(level, language, 40)
    for i, example in enumerate(listed):
        topic = json.loads(example.answer)["topic"]
        question = example.messages[0].content
        wrong = ["", " ", ".", topic, f"{topic} " * 200, "x" * 10**6, question, f'"{question}"']
        wrong += [
            question[: len(question) // 2],
            "The constraints are all kept here.",
            "我都做到了。",
        ]
        other = listed[i - 1]
        if json.loads(other.answer)["topic"] != topic:
            wrong.append(other.messages[-1].content)
        for reply in wrong:
            verdict = TASK.grade(example, reply)
            assert verdict.score == 0.0 and verdict.reason, reply


def test_every_constraint_is_set_and_has_a_check() -> None:
    seen = Counter[str]()
    for level, language in CASES:
        for example in examples(level, language, 150):
            seen.update(json.loads(example.answer)["instruction_id_list"])
    assert set(seen) == {c.identifier for c in CONSTRAINTS} == set(CHECKS)
    assert min(seen.values()) >= 10


def test_the_problem_says_all_that_the_grader_needs_and_not_the_wording() -> None:
    answers, questions = defaultdict(set), defaultdict(set)
    for seed in range(1500):
        example = TASK.generate(Random(seed), "easy", "en")
        answers[example.problem].add(example.answer)
        questions[example.problem].add(example.messages[0].content)
    assert all(len(found) == 1 for found in answers.values())
    assert max(len(found) for found in questions.values()) >= 3


@pytest.mark.parametrize(("level", "language"), CASES)
def test_the_same_seed_makes_the_same(level: Level, language: Language) -> None:
    assert examples(level, language, 10) == examples(level, language, 10)


def test_another_checker_takes_over_and_may_not_know() -> None:
    example = examples("easy", "en", 1)[0]
    gold = example.messages[-1].content
    assert InstructionFollowing(lambda i, a, reply: False).grade(example, gold).score == 0.0
    verdict = InstructionFollowing(lambda i, a, reply: None).grade(example, gold)
    assert verdict.score is None and verdict.reason.startswith("no check of")
    assert check_constraint("language:response_language", {}, gold) is None


def test_sentences_and_words_are_counted_in_both_languages() -> None:
    assert num_sentences('One. "Two!" Three? P.S. four.') == 4
    assert num_sentences("一句。“两句！”三句？没有完") == 3
    assert num_sentences("3.14 is no end") == 0
    assert words_of("It's 3 well-known cats: 猫咪。") == [
        "it's",
        "3",
        "well-known",
        "cats",
        "猫",
        "咪",
    ]
