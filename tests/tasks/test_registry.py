"""Every family and set that has a name: gold scores 1 and a mutant 0, with the judges they get."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tasks.public.made import CASES, Case, write_rows

from naga.config.base import ConfigError
from naga.tasks import (
    GROUPS,
    LANGUAGES,
    LEVELS,
    PUBLIC,
    SCORED,
    Example,
    Judging,
    Language,
    make_public_set,
    make_tasks,
    task_names,
)
from naga.tasks.judging import check_constraints, match_answer, pick_choice
from naga.tasks.public import Constraint, FunctionTest, Shots

EVERY = task_names(["all"])
RUNS_PROGRAMS = {"program_writing", "humaneval", "mbpp", "cruxeval_input"}


@pytest.fixture(scope="session")
def judging() -> Iterator[Judging]:
    with Judging() as judging:
        yield judging


def require_sandbox(judging: Judging) -> None:
    verdict = judging.run_python("def f():\n    return 1", [FunctionTest(call="f", expected=1)])
    if verdict.score is None:
        pytest.skip(verdict.reason)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EVERY)
def test_gold_scores_one_and_mutants_zero(name: str, language: Language, judging: Judging) -> None:
    if name in RUNS_PROGRAMS:
        require_sandbox(judging)
    (task,) = make_tasks([name], judging=judging)
    examples = [task.generate(Random(f"{name} {i}"), LEVELS[i % 3], language) for i in range(6)]
    for example, other in zip(examples, examples[1:] + examples[:1], strict=True):
        assert example.family == name
        verdict = task.grade(example, gold(example))
        assert verdict.score == 1.0, (example.problem, gold(example), verdict)
        for wrong in ("", "I do not know.", f"{gold(example)} {gold(other)} 31"):
            if name not in RUNS_PROGRAMS and name != "instruction_following":
                assert task.grade(example, wrong).score == 0.0, (example.problem, wrong)
        if other.answer != example.answer:
            assert task.grade(example, gold(other)).score == 0.0, (example.problem, gold(other))


def gold(example: Example) -> str:
    return example.messages[-1].content


@pytest.mark.parametrize("case", CASES, ids=[f"{c.name}-{i}" for i, c in enumerate(CASES)])
def test_gold_of_public_sets_scores_one_and_mutants_zero(
    case: Case, judging: Judging, tmp_path: Path
) -> None:
    if case.name in RUNS_PROGRAMS:
        require_sandbox(judging)
    task = make_public_set(case.name, judging)
    (example,) = task.read(write_rows(tmp_path / "rows.jsonl", [case.row]))
    verdict = task.grade(example, gold(example))
    assert verdict.score == 1.0, verdict
    for wrong in (spoiled(case, gold(example)), "", "I do not know"):
        verdict = task.grade(example, wrong)
        assert verdict.score == 0.0, (wrong, verdict)


def spoiled(case: Case, gold: str) -> str:
    """Wrong in the answer itself: what stands behind it is not read by every judge."""
    if gold.startswith("\\boxed{"):
        return gold[:-1] + "7}"
    if gold.startswith(("Answer: ", "答案：")):
        return gold[:-1] + ("B" if gold.endswith("A") else "A")
    return case.spoil(gold)


def test_names_are_of_one_thing_each_and_groups_hold_every_scored_family() -> None:
    names = [name for group in GROUPS.values() for name in group]
    every = [*names, *PUBLIC, *GROUPS, "all", "chat"]
    assert len(every) == len(set(every))
    assert set(SCORED) < set(names) and len(names) >= 38
    assert all(task.scored for task in make_tasks(names))
    assert task_names(["logic", "zebra", "addition"]) == (*GROUPS["logic"], "addition")


def test_what_is_unknown_is_refused_in_one_line(judging: Judging) -> None:
    with pytest.raises(ConfigError, match=r"task 'adding': unknown; use addition, .*or all"):
        task_names(["adding"])
    with pytest.raises(ConfigError, match="'gsm8k': a public set, which makes no examples"):
        make_tasks(["gsm8k"])
    with pytest.raises(ConfigError, match="public set 'gsm': unknown; use gsm8k"):
        make_public_set("gsm", judging)
    with pytest.raises(ConfigError, match="'aime': takes no worked examples"):
        make_public_set("aime", judging, Shots(path=Path("x"), count=2))


def test_without_a_sandbox_programs_are_not_judged(judging: Judging) -> None:
    (unjudged,) = make_tasks(["program_writing"])
    with Judging(workers=0) as broken:
        (refused,) = make_tasks(["program_writing"], judging=broken)
        example = refused.generate(Random(0), "easy", "en")
        for task, reason in ((unjudged, "no sandbox"), (refused, "0 workers")):
            verdict = task.grade(example, gold(example))
            assert verdict.score is None and reason in verdict.reason


def test_programs_that_fail_or_never_end_are_wrong(judging: Judging) -> None:
    require_sandbox(judging)
    tests = [FunctionTest(call="f", expected=1), FunctionTest(call="g", expected=2)]
    verdict = judging.run_python("def f(): return 1\ndef g(): return 1 / 0", tests)
    assert verdict.score == 0.0 and verdict.parts == {"tests": 0.5}
    assert judging.run_python("import os\nos._exit(0)", tests).score == 0.0
    assert judging.run_python("x = '\ud800'", tests).score == 0.0
    assert judging.run_python("\0", tests).score == 0.0


def test_judges_of_text_follow_the_rules() -> None:
    assert match_answer("so \\boxed{0.5}", "\\frac{1}{2}", "a half?").score == 1.0
    assert match_answer("so \\boxed{0.4}", "\\frac{1}{2}", "a half?").score == 0.0
    assert pick_choice("Answer: B", "B", ["x", "y"]).score == 1.0
    assert pick_choice("Answer: A or B", "B", ["x", "y"]).score == 0.0
    assert pick_choice("Answer: K", "K", ["x"] * 11).score is None


def test_constraints_are_counted_by_kind_and_a_row_that_names_none_is_not_judged() -> None:
    comma = Constraint(name="punctuation:no_comma")
    end = Constraint(name="startend:end_checker", arguments={"end_phrase": "bye"})
    verdict = check_constraints("one, two. bye", [comma, end], "")
    assert verdict.score == 0.0 and verdict.reason == "not kept: punctuation:no_comma"
    assert verdict.parts == {"loose": 0.0, "instructions": 0.5, "punctuation": 0.0, "startend": 1.0}
    assert check_constraints("one bye", [comma, end], "").score == 1.0
    assert check_constraints("x", [Constraint(name="a:b")], "").score is None
