"""Write a small Python function: its description and a few examples are shown, other tests hidden.

Problems come from a table with parameters (specifications.py) and from parts put together
(composed.py). The trace is a plan of a line and one example. A reply is judged by all hidden tests,
in whatever runner is passed in; without one there is no score. Half of a table of tests passed is
a part of the verdict, not a score. Tests that a constant or an argument handed back would pass are
not made. Nothing here runs the text of a program.
"""

import json
from collections import Counter
from random import Random
from typing import Any, ClassVar, final

from naga.tasks.code.composed import compose
from naga.tasks.code.specification import Problem
from naga.tasks.code.specifications import SPECIFICATIONS
from naga.tasks.code.testing import (
    FunctionTest,
    RunsTests,
    extract_program,
    read_tests,
    write_tests,
)
from naga.tasks.example import Example, Generator, Language, Level, Verdict, conversation, pick

LANGUAGE = "python"
HIDDEN = 8
SHOWN = 2
COMPOSED_SHARE: dict[Level, float] = {"easy": 0.0, "medium": 0.5, "hard": 0.5}
TRIES = 5
Pair = tuple[tuple[Any, ...], Any]
"""Arguments and value."""
NAMES = ("solve", "compute", "run", "answer", "process", "f")
WORDINGS_EN = (
    "Write a Python function {name}({arguments}) that {what}.\nExamples:\n{examples}",
    "Define {name}({arguments}) in Python. It {what}.\n{examples}",
    "Please write the Python function `{name}({arguments})`, which {what}. E.g.:\n{examples}",
)
WORDINGS_ZH = (
    "写一个 Python 函数 {name}({arguments})：{what}。\n例子：\n{examples}",
    "请用 Python 定义函数 `{name}({arguments})`，{what}。例如：\n{examples}",
    "编写 Python 函数 {name}({arguments})，要求：{what}。\n{examples}",
)
FORMAT_EN = ("", "\nAnswer with one ```python block.", "\nGive only the code, in a code block.")
FORMAT_ZH = ("", "\n请用一个 ```python 代码块回答。", "\n只写代码，放在代码块中。")


@final
class ProgramWriting(Generator):
    name: ClassVar[str] = "program_writing"

    def __init__(self, runner: RunsTests | None = None) -> None:
        """`runner` judges; without one every program is left unjudged."""
        self.runner = runner

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        problem, pairs = draw_problem(random, level)
        name = random.choice(NAMES)
        tests = [FunctionTest(call=name, args=args, expected=value) for args, value in pairs]
        shown = [f"{name}({_arguments(t.args)}) == {t.expected!r}" for t in tests[:SHOWN]]
        question = pick(random, WORDINGS_EN, WORDINGS_ZH, language).format(
            name=name,
            arguments=problem.arguments,
            what=random.choice(problem.english if language == "en" else problem.chinese),
            examples="\n".join(shown),
        ) + pick(random, FORMAT_EN, FORMAT_ZH, language)
        source = f"def {name}({problem.arguments}):\n{problem.source}"
        gold = f"```python\n{source}```"
        hidden = {"language": LANGUAGE, "tests": write_tests(tests[SHOWN:])}
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=problem.key,
            messages=conversation(question, f"{problem.steps}\n{shown[0]}", gold),
            answer=json.dumps(hidden),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """1 if all hidden tests pass; None if there is no runner or it failed."""
        hidden = json.loads(example.answer)
        source = extract_program(reply, hidden["language"])
        if source is None:
            return Verdict(score=0.0, parts={"tests": 0.0}, reason="no program in the reply")
        if self.runner is None:
            return Verdict(score=None, reason="no sandbox to run the tests in")
        report = self.runner.run_tests(source, hidden["language"], read_tests(hidden["tests"]))
        if report.passed is None or report.total == 0:
            return Verdict(score=None, reason=f"the tests could not be run: {report.status}")
        passed = float(report.passed == report.total)
        return Verdict(
            score=passed,
            parts={"tests": report.passed / report.total},
            matched_by="tests" if passed else "",
            reason=""
            if passed
            else f"{report.passed} of {report.total} tests pass ({report.status})",
        )


def draw_problem(random: Random, level: Level) -> tuple[Problem, list[Pair]]:
    """A problem and what it gives for some arguments, of which nothing trivial passes."""
    while True:
        if random.random() < COMPOSED_SHARE[level]:
            problem = compose(random, 1 if level == "medium" else 2)
        else:
            problem = random.choice([s for s in SPECIFICATIONS if s.level == level]).problem(random)
        for _ in range(TRIES):
            pairs = draw_pairs(random, problem)
            if not is_trivial(pairs[SHOWN:]):
                return problem, pairs


def draw_pairs(random: Random, problem: Problem) -> list[Pair]:
    """Arguments and values, the shown ones first, no arguments twice."""
    pairs: dict[str, Pair] = {}
    while len(pairs) < SHOWN + HIDDEN:
        args = problem.inputs(random)
        pairs[json.dumps(args)] = (args, problem.solve(*args))
    return list(pairs.values())


def is_trivial(pairs: list[Pair]) -> bool:
    """Whether one constant, or one argument handed back, is right in more than half of them."""
    values = Counter(json.dumps(value) for _, value in pairs)
    handed = [
        sum(args[place] == value for args, value in pairs) for place in range(len(pairs[0][0]))
    ]
    return max(*values.values(), *handed) > len(pairs) // 2


def _arguments(args: tuple[Any, ...]) -> str:
    return ", ".join(map(repr, args))
