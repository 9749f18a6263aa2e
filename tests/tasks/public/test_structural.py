"""What is graded here and not by a judge: BBH answers, ZebraLogic houses."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasks.public.made import SETS, ZEBRA, write_rows

from naga.config.base import ConfigError
from naga.tasks.public import Bbh, Bfcl, CruxEvalOutput, PublicSet, ZebraLogic
from naga.tasks.public.base import make_example

BBH = SETS["bbh"]
QUESTION = "When?\nOptions:\n(A) Monday\n(B) Friday"


@pytest.mark.parametrize(
    ("target", "right", "wrong"),
    [
        (
            "(B)",
            ["So the answer is (B).", "the answer is B", "(B)", "The answer is: **(B) Friday**."],
            ["the answer is (A) (B).", "the answer is (B) Monday", "(A) or (B)", "B and A", "Bob"],
        ),
        (
            "Yes",
            ["So the answer is Yes.", "yes", "No? Then again.\nThe answer is yes."],
            ["No", "the answer is Yes and No", "Yes, so the answer is no.", "the answer is"],
        ),
        ("valid", ["the answer is valid."], ["the answer is invalid.", "not valid"]),
        ("-35", ["the answer is -35.", "−35"], ["35", "-35.5", "-3 5"]),
        ("1200", ["the answer is 1,200."], ["120", "1200 or 1300"]),
        ("] ) }", ["the answer is ] ) }.", "])}"], ["] } )", "] ) } }"]),
        ("arm bee cat", ["the answer is arm, bee, cat.", "Arm bee cat"], ["arm cat bee", "arm"]),
    ],
)
def test_the_final_answer_of_bbh_counts(
    target: str, right: list[str], wrong: list[str], tmp_path: Path
) -> None:
    row = {"task": "t", "input": QUESTION, "target": target}
    (example,) = BBH.read(write_rows(tmp_path / "rows.jsonl", [row]))
    assert [BBH.grade(example, reply).score for reply in right] == [1.0] * len(right)
    assert [BBH.grade(example, reply).score for reply in wrong] == [0.0] * len(wrong)


def test_published_files_of_bbh_are_read_with_their_worked_prompts(tmp_path: Path) -> None:
    inner = [{"input": "1 + 1", "target": "2"}, {"input": "2 + 2", "target": "4"}]
    data = tmp_path / "sums.json"
    data.write_text(json.dumps({"canary": "c", "examples": inner}), encoding="utf-8")
    prompts = tmp_path / "cot-prompts"
    prompts.mkdir()
    (prompts / "sums.txt").write_text("notice\n-----\nQ: 0 + 0\nA: It is 0.", encoding="utf-8")
    first, second = Bbh(prompts).read(data)
    prompt = first.messages[0].content
    assert prompt == "Q: 0 + 0\nA: It is 0.\n\nQ: 1 + 1\nA: Let's think step by step."
    assert (second.problem, second.answer) == ("2 + 2", "4")
    data.rename(tmp_path / "other.json")
    with pytest.raises(ConfigError, match="no worked prompt for task 'other'"):
        list(Bbh(prompts).read(tmp_path / "other.json"))


def houses(*pets: object) -> str:
    named = zip(("Alice", "Bob"), pets, strict=False)
    given = {f"House {i}": {"Name": n, "Pet": p} for i, (n, p) in enumerate(named, 1)}
    return json.dumps({"reasoning": "{[", "solution": given})


@pytest.mark.parametrize(
    ("reply", "score", "cells"),
    [
        (houses("cat", "dog"), 1.0, 1.0),
        ("So:\n```json\n" + houses(" Cat", "DOG") + "\n```", 1.0, 1.0),
        (houses("dog", "dog") + houses("cat", "dog"), 1.0, 1.0),
        (houses("cat", "dog") + houses("dog", "dog"), 0.0, 0.75),
        (houses("dog", "cat"), 0.0, 0.5),
        (houses("cat"), 0.0, 0.5),
        (houses(["cat"], {"dog": 1}), 0.0, 0.5),
        ('{"solution": {"House 1": "cat"}}', 0.0, 0.0),
        ('{"solution": 7}', 0.0, 0.0),
        ("{" * 200_000, 0.0, 0.0),
        ('{"a":' * 5_000, 0.0, 0.0),
    ],
)
def test_houses_are_scored_by_puzzle_and_by_cell(
    reply: str, score: float, cells: float, tmp_path: Path
) -> None:
    task = SETS["zebralogic"]
    (example,) = task.read(write_rows(tmp_path / "rows.jsonl", [ZEBRA]))
    verdict = task.grade(example, reply)
    assert verdict.score == score and verdict.parts == {"puzzle": score, "cells": cells}
    assert (verdict.reason == "") == (score == 1.0)


@pytest.mark.parametrize("solution", ["absent", None, "blank"])
def test_a_puzzle_without_its_solution_is_asked_but_not_scored(
    solution: str | None, tmp_path: Path
) -> None:
    row = ZEBRA | {"solution": None}
    if solution == "blank":
        blank = [["___"] * 3, ["___"] * 3]
        row["solution"] = {"header": ["House", "Name", "Pet"], "rows": blank}
    if solution == "absent":
        del row["solution"]
    task = SETS["zebralogic"]
    (example,) = task.read(write_rows(tmp_path / "rows.jsonl", [row]))
    assert '"House 2"' in example.messages[0].content
    assert task.grade(example, houses("cat", "dog")).score is None


@pytest.mark.parametrize(
    "solution",
    [7, {}, {"header": ["H"], "rows": [["1"]]}, {"header": ["H", "N"], "rows": [["1"]]},
     {"header": ["H", "N"], "rows": [["1", 2]]}, {"header": ["H", "N"], "rows": [["1", "a"]]}],
)  # fmt: skip
def test_a_bad_solution_is_refused(solution: object, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [ZEBRA | {"solution": solution}])
    with pytest.raises(ConfigError, match=r"rows.jsonl:1: .*'solution'"):
        list(SETS["zebralogic"].read(path))


@pytest.mark.parametrize(("size", "level"), [("2*2", "easy"), ("3*4", "medium"), ("6*6", "hard")])
def test_the_level_of_a_puzzle_is_its_number_of_grids(
    size: str, level: str, tmp_path: Path
) -> None:
    row = {"id": "x", "puzzle": "p", "size": size}
    (example,) = SETS["zebralogic"].read(write_rows(tmp_path / "rows.jsonl", [row]))
    assert example.level == level


CALLS = json.dumps({"category": "simple", "functions": [], "calls": [{"f": {"a": [1]}}]})
HOUSES = json.dumps({"houses": {"House 1": {"Name": "Bob"}}})
GRADERS = [(Bbh(), "(A)"), (Bfcl(), CALLS), (CruxEvalOutput(), "[1]"), (ZebraLogic(), HOUSES)]
PIECES = st.sampled_from(
    ["f(a=1", ")", "[", "]", "{", "}", '"', "'", ":", ",", "\n", "```", "answer is", "(A)", "\\",
     "[ANSWER]", "assert f() == ", "<tool_call>", '"solution"', "lambda", "*", "\0", "\ud800", "１"]
)  # fmt: skip


@pytest.mark.parametrize(("task", "answer"), GRADERS, ids=lambda value: str(value)[:40])
@given(reply=st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join))
def test_no_reply_is_too_odd_to_be_judged(task: PublicSet, answer: str, reply: str) -> None:
    example = make_example(task.name, problem="p", prompt="p", content="", answer=answer)
    assert task.grade(example, reply).score in (0.0, 1.0)
