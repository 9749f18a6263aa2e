"""Every set, on made rows: gold scores 1, a mutant 0, no judge no score, a bad row is one line."""

import json
from pathlib import Path

import pytest
from tasks.public.made import (
    CASES,
    CRUX,
    IFEVAL,
    SETS,
    Case,
    write_csv,
    write_rows,
)

from naga.config.base import ConfigError
from naga.tasks.public import Judges, MtBench, Shots, public_sets, read_filler
from naga.tasks.public.base import make_example
from naga.tasks.public.choices import CEval, Mmlu
from naga.tasks.public.maths import Gsm8k, last_boxed

JUDGED_HERE = {"bbh", "cruxeval_output", "zebralogic", "bfcl", "mt_bench"}
IDS = [f"{case.name}-{index}" for index, case in enumerate(CASES)]
STRUCTURED = sorted(set(SETS) - {"gsm8k", "math", "aime", "bbh", "mt_bench"})
REQUIRED = [(case, name) for case in CASES for name in case.required]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gold_scores_one_and_a_mutant_zero(case: Case, path: Path) -> None:
    (example,) = case.task.read(write_rows(path, [case.row]))
    gold = example.messages[-1].content
    assert example.family == case.name and example.messages[-1].role == "assistant" and gold
    assert case.task.grade(example, gold).score == 1.0
    for wrong in (case.spoil(gold), "", "\0", "\n", "I do not know", "[" * 100_000):
        assert case.task.grade(example, wrong).score == 0.0, wrong[:99]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_without_its_judge_a_set_gives_no_score(case: Case, path: Path) -> None:
    (example,) = case.task.read(write_rows(path, [case.row]))
    verdict = public_sets(Judges())[case.name].grade(example, example.messages[-1].content)
    assert (verdict.score is None) == (case.name not in JUDGED_HERE)
    assert verdict.reason or verdict.score == 1.0


@pytest.mark.parametrize(
    ("case", "name"), REQUIRED, ids=[f"{case.name}-{name}" for case, name in REQUIRED]
)
@pytest.mark.parametrize("value", [None, "", 7.5, [], {"a": 1}, [1, 2], True])
def test_a_missing_or_wrong_field_is_refused_with_file_and_line(
    case: Case, name: str, value: object, path: Path
) -> None:
    if value == 7.5 and (name in "ABCD" or (case.name, name) == ("math", "answer")):
        value = []  # a number will do there
    bad = case.row | {name: value} if value is not None else dict(case.row)
    if value is None:
        del bad[name]
    write_rows(path, [case.row, bad])
    with pytest.raises(ConfigError) as caught:
        list(case.task.read(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:2") and "\n" not in message
    if value is None:
        named = name in message or {name, "solution"} == {"problem", "solution"}
        assert named or "answer" in message


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reading_twice_gives_the_same_examples(case: Case, path: Path) -> None:
    write_rows(path, [case.row, case.row])
    assert list(case.task.read(path)) == list(case.task.read(path))


def test_the_level_of_mathematics_is_that_of_the_set(path: Path) -> None:
    rows = [{"problem": "x", "answer": "1", "level": level} for level in (1, "Level 3", 5, "?")]
    levels = [example.level for example in SETS["math"].read(write_rows(path, rows))]
    assert levels == ["easy", "medium", "hard", None]


def test_the_reasoning_of_gsm8k_has_no_calculator_marks(path: Path) -> None:
    (example,) = SETS["gsm8k"].read(write_rows(path, [CASES[0].row]))
    assert example.reasoning == "It is 2+3=5." and example.answer == "1005"


@pytest.mark.parametrize(
    ("text", "boxed"),
    [
        ("\\boxed{1} or \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("\\fbox{3}", "3"),
        ("\\boxed{1", None),
        ("none", None),
    ],
)
def test_the_last_box_is_found_with_its_braces(text: str, boxed: str | None) -> None:
    assert last_boxed(text) == boxed


@pytest.mark.parametrize("answer", ["1000", "-1", "3.5", "x", 2.5, "１２"])
def test_an_answer_that_is_none_of_aime_is_refused(answer: object, path: Path) -> None:
    with pytest.raises(ConfigError, match="whole number"):
        list(SETS["aime"].read(write_rows(path, [{"problem": "x", "answer": answer}])))


def test_worked_examples_come_before_the_question(path: Path, tmp_path: Path) -> None:
    shown = [{"question": f"Shown {i}?", "answer": f"Work {i}.\n#### {i}"} for i in range(5)]
    shots = Shots(path=write_rows(tmp_path / "train.jsonl", shown), count=2)
    (example,) = Gsm8k(shots=shots).read(write_rows(path, [CASES[0].row]))
    prompt = example.messages[0].content
    assert prompt.index("Shown 0?") < prompt.index("\\boxed{1}") < prompt.index("2 and 3?")
    assert "Shown 2?" not in prompt and "Shown" not in example.problem


def test_worked_examples_of_choices_are_of_the_same_subject(path: Path, tmp_path: Path) -> None:
    row = CASES[9].row
    shown = [row | {"question": "别的？", "subject": "art"}, row | {"question": "例？"}]
    shots = Shots(path=write_rows(tmp_path / "dev.jsonl", shown), count=5)
    (example,) = CEval(shots=shots).read(write_rows(path, [row]))
    prompt = example.messages[0].content
    assert prompt.index("例？") < prompt.index("因\n答案：B") < prompt.index("哪个？")
    assert "别的" not in prompt
    with pytest.raises(ConfigError, match=r"rows.jsonl:1: .*no worked example of subject 'sea'"):
        list(CEval(shots=shots).read(write_rows(path, [row | {"subject": "sea"}])))


def test_tables_are_read_with_and_without_heading(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "abstract_algebra_test.csv", [["Which, now?", *"wxyz", "C"]])
    (example,) = Mmlu().read(plain)
    assert "about abstract algebra" in example.messages[0].content and "C. y" in example.problem
    headed = write_csv(
        tmp_path / "law_dev.csv",
        [["", "Question", "A", "B", "C", "D", "Answer"], ["0", "哪个？", *"wxyz", "D"]],
    )
    (example,) = SETS["cmmlu"].read(headed)
    assert json.loads(example.answer) == {"gold": "D", "choices": ["w", "x", "y", "z"]}
    assert example.language == "zh"


def test_constraints_are_checked_by_the_judge(path: Path) -> None:
    task = SETS["ifeval"]
    (example,) = task.read(write_rows(path, [IFEVAL]))
    assert task.grade(example, "No commas here").score == 1.0
    assert task.grade(example, "One, two").score == 0.0
    assert public_sets(Judges())["ifeval"].grade(example, "x").score is None
    (constraint,) = json.loads(example.answer)["constraints"]
    assert constraint == {"name": "punctuation:no_comma", "arguments": {}}
    with pytest.raises(ConfigError, match=r":1: 'kwargs' must be a list of 1 objects"):
        list(task.read(write_rows(path, [IFEVAL | {"kwargs": []}])))


def test_mt_bench_keeps_its_turns_and_is_not_scored(path: Path, tmp_path: Path) -> None:
    row = {"question_id": 81, "category": "writing", "turns": ["Write.", "Again."]}
    given = {"question_id": 81, "choices": [{"index": 0, "turns": ["Text.", "Other."]}]}
    references = write_rows(tmp_path / "references.jsonl", [given])
    (example,) = MtBench(references).read(write_rows(path, [row]))
    assert [message.content for message in example.messages] == ["Write.", "Text."]
    assert json.loads(example.answer)["turns"] == ["Write.", "Again."]
    verdict = SETS["mt_bench"].grade(example, "Text.")
    assert verdict.score is None and verdict.reason == "judged by the generative judge"


def test_filler_is_read_from_rows_and_from_texts(path: Path, tmp_path: Path) -> None:
    write_rows(path, [{"title": "one", "text": "An essay."}, {"text": "Another."}])
    assert [essay.text for essay in read_filler(path)] == ["An essay.", "Another."]
    folder = tmp_path / "essays"
    folder.mkdir()
    (folder / "b.txt").write_text("\ufeffSecond.", encoding="utf-8")
    (folder / "a.txt").write_text("First.", encoding="utf-8")
    assert [(e.title, e.text) for e in read_filler(folder)] == [("a", "First."), ("b", "Second.")]
    (folder / "c.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"c.txt: not UTF-8"):
        list(read_filler(folder))


@pytest.mark.parametrize(
    "argument",
    ["f(globals().update())", "f(x := 1)", "f([].__class__)", "f(*[1])", "g(1)", "f(f(1))", "1 1"],
)
def test_an_input_that_could_reach_the_checker_is_not_run(argument: str, path: Path) -> None:
    task = SETS["cruxeval_input"]
    (example,) = task.read(write_rows(path, [CRUX]))
    assert task.grade(example, f"[ANSWER]{argument}[/ANSWER]").score == 0.0


@pytest.mark.parametrize("reply", ["f(1)", "assert f(1.0) == (1, {1})", "1", "```\nf(x=1)\n```"])
def test_any_input_with_the_output_is_right(reply: str, path: Path) -> None:
    task = SETS["cruxeval_input"]
    (example,) = task.read(write_rows(path, [CRUX]))
    assert task.grade(example, reply).score == 1.0


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize(
    "answer", ["", "x", "[", "7", "[]", "{}", '{"gold": 7}', '{"tests": [{}]}', '{"calls": [{}]}']
)
def test_an_answer_that_no_set_wrote_is_refused_in_one_line(name: str, answer: str) -> None:
    example = make_example(name, problem="p", prompt="p", content="", answer=answer)
    if name == "cruxeval_output" and answer not in ("", "x", "["):
        return  # a literal of Python, as its answers are
    with pytest.raises(ConfigError, match=f"answer of '{name}':") as caught:
        SETS[name].grade(example, "f(1)")
    assert "\n" not in str(caught.value)
