"""Programs to trace: the interpreter against Python itself, step by step; a strict grader."""

import contextlib
import io
import sys
from random import Random
from types import FrameType
from typing import Any

import pytest

from naga.tasks.code import ProgramTracing
from naga.tasks.code.interpreter import Interpreter
from naga.tasks.code.tracing import STEPS, draw_run
from naga.tasks.example import LANGUAGES, LEVELS, Language, Level

TASK = ProgramTracing()


def run_by_python(source: str) -> tuple[str, list[int]]:
    """What our own source prints, and the lines that ran."""
    lines = list[int]()

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != "<made>":
            return None
        if event == "line":
            lines.append(frame.f_lineno)
        return watch

    printed = io.StringIO()
    before = sys.gettrace()
    with contextlib.redirect_stdout(printed):
        code = compile(source, "<made>", "exec")
        sys.settrace(watch)
        try:
            exec(code, {})
        finally:
            sys.settrace(before)
    return printed.getvalue(), lines


@pytest.mark.parametrize("level", LEVELS)
def test_python_prints_the_same_and_runs_the_same_lines(level: Level) -> None:
    for seed in range(60):
        source, run = draw_run(Random(f"trace {seed}"), level)
        output, lines = run_by_python(source)
        assert output == "".join(f"{line}\n" for line in run.printed)
        traced = [int(step.split()[0]) for step in run.steps]
        # Python visits a `for` once more to find that nothing is left.
        headers = {
            i for i, text in enumerate(source.splitlines(), 1) if text.lstrip().startswith("for ")
        }
        headers |= {i for i, text in enumerate(source.splitlines(), 1) if text.strip() == "else:"}
        assert [n for n in lines if n not in headers] == [n for n in traced if n not in headers]


@pytest.mark.parametrize("level", LEVELS)
def test_every_step_is_true_of_the_program_at_that_moment(level: Level) -> None:
    for seed in range(40):
        source, run = draw_run(Random(f"step {seed}"), level)
        names = dict[str, Any]()
        text = source.splitlines()
        for step in run.steps:
            number, _, said = step.partition(" ")
            line = text[int(number) - 1].strip()
            if said.startswith(">"):
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    exec(line, {}, names)
                assert printed.getvalue() == said[1:] + "\n"
            elif said in "TF":
                condition = line.partition(" ")[2].removesuffix(":")
                assert bool(eval(condition, dict(names))) == (said == "T")
            else:
                name, _, value = said.partition("=")
                if line.startswith("for "):
                    assert eval(value) in eval(
                        line.partition(" in ")[2].removesuffix(":"), dict(names)
                    )
                    names[name] = eval(value)
                else:
                    exec(line, {}, names)
                    assert repr(names[name]) == value
        assert len(run.steps) in range(STEPS[level][0], STEPS[level][1] + 1)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_gold_is_right_and_mutants_are_not(level: Level, language: Language) -> None:
    examples = [TASK.generate(Random(f"gold {i}"), level, language) for i in range(40)]
    for i, example in enumerate(examples):
        gold = example.answer
        assert gold not in example.problem
        for reply in (gold, f"```\n{gold}\n```", f"\n{gold}  \n", f"“{gold}”"):
            assert TASK.grade(example, reply).score == 1.0, reply
        wrong = ["", "0", "None", gold + "1", gold[:-1], f"{gold}\n{gold}", f"{gold} or 3"]
        wrong += [example.problem, example.messages[0].content, "x" * 10**6, "`" * 10**5]
        wrong += [examples[i - 1].answer] * (examples[i - 1].answer != gold)
        for reply in wrong:
            assert TASK.grade(example, reply).score == 0.0, reply


def test_what_is_not_in_the_language_is_refused() -> None:
    for source in (
        "import os",
        "open('x')",
        "x = __import__('os')",
        "x = y",
        "x = (1).real",
        "x = 2 ** 9",
        "x = 'a' * 1000000000",
        "x = [1][:]\nx.clear()",
        "while 1 < 2:\n    x = 1",
        "for i in range(1000000000):\n    x = i",
        "x = 99999\nfor i in range(9):\n    x = x * x",
        "x = 1 is 1",
        "def f():\n    pass",
    ):
        with pytest.raises(ValueError):
            Interpreter(source)


@pytest.mark.parametrize("level", LEVELS)
def test_the_problem_is_the_same_in_both_languages(level: Level) -> None:
    for seed in range(20):
        first, again = (TASK.generate(Random(seed), level, "en") for _ in range(2))
        assert first == again
        assert first.problem == TASK.generate(Random(seed), level, "zh").problem
