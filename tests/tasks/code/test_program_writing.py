"""Programs to write: gold passes, trivial and wrong programs do not, no runner is no score.

The runner here runs sources in this process: all of them are the project's own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from naga.tasks.code import FunctionTest, ProgramTest, ProgramWriting
from naga.tasks.code.composed import compose
from naga.tasks.code.specifications import SPECIFICATIONS
from naga.tasks.code.testing import extract_program, read_tests, write_tests
from naga.tasks.code.writing import HIDDEN, NAMES
from naga.tasks.example import LANGUAGES, LEVELS, Language, Level

CASES = [(level, language) for level in LEVELS for language in LANGUAGES]


@dataclass(frozen=True, kw_only=True)
class Counted:
    passed: int | None
    total: int
    status: str = "ok"


class TrustingRunner:
    """Runs what it is given, without any protection."""

    def run_tests(
        self, source: str, language: str, tests: Sequence[FunctionTest | ProgramTest]
    ) -> Counted:
        assert language == "python"
        names: dict[str, Any] = {}
        try:
            exec(source, names)
        except SyntaxError:
            return Counted(passed=0, total=len(tests), status="error")
        return Counted(passed=sum(self.passes(names, test) for test in tests), total=len(tests))

    def passes(self, names: dict[str, Any], test: FunctionTest | ProgramTest) -> bool:
        assert isinstance(test, FunctionTest)
        try:
            value = names[test.call](*json.loads(json.dumps(test.args)))
        except Exception:
            return False
        return type(value) is type(test.expected) and value == test.expected


class FailingRunner:
    def run_tests(
        self, source: str, language: str, tests: Sequence[FunctionTest | ProgramTest]
    ) -> Counted:
        return Counted(passed=None, total=len(tests), status="sandbox")


TASK = ProgramWriting(TrustingRunner())


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda s: s.name)
def test_the_source_of_every_entry_computes_what_its_function_does(specification: Any) -> None:
    for seed in range(20):
        random = Random(seed)
        problem = specification.problem(random)
        names: dict[str, Any] = {}
        exec(f"def f({problem.arguments}):\n{problem.source}", names)
        for _ in range(10):
            args = problem.inputs(random)
            assert names["f"](*args) == problem.solve(*args)
        assert "{" not in "".join(problem.english + problem.chinese) + problem.steps


def test_the_source_of_every_composition_computes_what_its_parts_do() -> None:
    keys = set()
    for seed in range(300):
        random = Random(seed)
        problem = compose(random, 1 + seed % 2)
        keys.add(problem.key)
        names: dict[str, Any] = {}
        exec(f"def f(items):\n{problem.source}", names)
        for _ in range(10):
            args = problem.inputs(random)
            assert names["f"](*args) == problem.solve(*args)
    assert len(keys) > 280


@pytest.mark.parametrize(("level", "language"), CASES)
def test_gold_passes_and_mutants_do_not(level: Level, language: Language) -> None:
    examples = [TASK.generate(Random(f"gold {i}"), level, language) for i in range(25)]
    for i, example in enumerate(examples):
        gold = example.messages[-1].content
        assert TASK.grade(example, gold) == TASK.grade(example, f"Here it is:\n{gold}\nDone.")
        verdict = TASK.grade(example, gold)
        assert (verdict.score, verdict.parts, verdict.matched_by) == (1.0, {"tests": 1.0}, "tests")
        assert TASK.grade(example, gold[len("```python\n") : -3]).score == 1.0
        head, body = gold[len("```python\n") : -3].split("\n", 1)
        bodies = ["    pass\n", "    return 0\n", '    return ""\n', "    return []\n"]
        bodies += [
            "    return items\n",
            "    return x\n",
            "    return s\n",
            "    raise ValueError\n",
        ]
        wrong = [f"```python\n{head}\n{text}```" for text in bodies]
        wrong += ["", "```", "```python\n```", "def", "x" * 10**6, example.messages[0].content]
        wrong += [f"```python\n{body}```", "```python\ndef g(x):\n    return x\n```"]
        if examples[i - 1].problem != example.problem:
            name = head.removeprefix("def ").partition("(")[0]
            other = examples[i - 1].messages[-1].content
            for known in NAMES:
                other = other.replace(f"def {known}(", f"def {name}(")
            wrong.append(other)
        for reply in wrong:
            assert TASK.grade(example, reply).score == 0.0, reply


def test_hidden_tests_are_not_the_shown_ones_and_are_not_in_the_prompt() -> None:
    for seed in range(40):
        example = TASK.generate(Random(seed), "medium", "en")
        tests = read_tests(json.loads(example.answer)["tests"])
        assert len(tests) == HIDDEN
        for test in tests:
            assert isinstance(test, FunctionTest)
            shown = ", ".join(map(repr, test.args))
            assert f"({shown}) ==" not in example.messages[0].content


def test_solving_the_shown_examples_alone_is_not_enough() -> None:
    example = TASK.generate(Random(3), "medium", "en")
    lines = [line for line in example.messages[0].content.splitlines() if " == " in line]
    table = "".join(
        f"    if repr(args) == {'(' + call.partition('(')[2][:-1] + ',)'!r}: return {value}\n"
        for call, _, value in (line.partition(" == ") for line in lines)
    )
    name = lines[0].partition("(")[0]
    assert TASK.grade(example, f"```python\ndef {name}(*args):\n{table}```").score == 0.0


def test_without_a_runner_a_program_is_not_judged_but_no_program_is_wrong() -> None:
    for task in (ProgramWriting(), ProgramWriting(FailingRunner())):
        example = task.generate(Random(0), "easy", "en")
        verdict = task.grade(example, example.messages[-1].content)
        assert verdict.score is None and verdict.reason
        assert task.grade(example, "I do not know.").score == 0.0


def test_the_share_of_tests_passed_is_a_part() -> None:
    example = TASK.generate(Random(1), "easy", "en")
    first = read_tests(json.loads(example.answer)["tests"])[0]
    assert isinstance(first, FunctionTest)
    reply = f"```python\ndef {first.call}(*args):\n    return {first.expected!r}\n```"
    verdict = TASK.grade(example, reply)
    assert verdict.score == 0.0 and 0 < verdict.parts["tests"] <= 0.5


def test_programs_are_taken_out_of_replies() -> None:
    assert extract_program("a\n```python\nx = 1\n```\nb") == "x = 1"
    assert extract_program("```\nx = 1\n```") == "x = 1"
    assert extract_program("```py\nx = 1\n```\n```python\nx = 2\n```") == "x = 2"
    assert extract_program("```json\n{}\n```") is None
    assert extract_program("def f():\n    return 1") == "def f():\n    return 1"
    assert extract_program("no program") is None
    assert extract_program("```python\n" + "x" * 30_000 + "\n```") is None
    assert extract_program("```cpp\nint x;\n```", "cpp") == "int x;"


def test_tests_of_neither_kind_are_refused() -> None:
    rows = [
        {"stdin": "1", "expected_stdout": "2"},
        {"call": "f", "args": [1, "x"], "expected": [True]},
    ]
    assert read_tests(rows)[0] == ProgramTest(stdin="1", expected_stdout="2")
    assert write_tests(read_tests(rows)) == rows
    with pytest.raises(ValueError, match="not a test"):
        read_tests([{"call": "f"}])


@pytest.mark.parametrize("level", LEVELS)
def test_the_problem_is_the_same_in_both_languages(level: Level) -> None:
    for seed in range(20):
        first, again = (TASK.generate(Random(seed), level, "en") for _ in range(2))
        assert first == again
        assert first.problem == TASK.generate(Random(seed), level, "zh").problem
