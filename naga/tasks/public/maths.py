"""Mathematics with one final answer: GSM8K, MATH (and MATH-500), AIME.

GSM8K: {question, answer}, the number behind "####". MATH: {problem, solution, level, type or
subject, answer?}, the answer in the last box of the solution where there is no field for it; a file
of {prompt, answer} is read as well. AIME: {problem or question or prompt, answer, solution?}, whole
numbers from 0 to 999. The worked solution is the gold reasoning; the calculator's marks of GSM8K
are taken out. Whether two answers are the same is the judge's to say.

Cobbe et al. 2021 (GSM8K); Hendrycks et al. 2021 (MATH); Lightman et al. 2023 (MATH-500).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, final

from naga.tasks.example import Example, Level, Verdict
from naga.tasks.public.base import PublicSet, Shots, make_example, question_of
from naga.tasks.public.judges import MatchAnswer, unjudged
from naga.tasks.public.rows import Row, read_some_rows

INSTRUCTION = "Reason step by step and put the final answer within \\boxed{}."
CALCULATOR = re.compile(r"<<[^<>]*>>")
LEVELS: dict[str, Level] = {"1": "easy", "2": "easy", "3": "medium", "4": "hard", "5": "hard"}
NO_JUDGE = "no judge of mathematical answers was given"


@dataclass(frozen=True, kw_only=True)
class _Problem:
    question: str
    solution: str
    answer: str
    level: Level | None = None


@final
class Gsm8k(PublicSet):
    name: ClassVar[str] = "gsm8k"

    def __init__(self, match: MatchAnswer | None = None, shots: Shots | None = None) -> None:
        """`shots`: of the training file; 8 are usual."""
        self._match, self._shots = match, shots

    def read(self, path: Path) -> Iterator[Example]:
        before = _worked(_gsm8k_problem, self._shots)
        for row in read_some_rows(path):
            yield _example(self.name, _gsm8k_problem(row), before)

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._match, example, reply)


@final
class Math(PublicSet):
    name: ClassVar[str] = "math"

    def __init__(self, match: MatchAnswer | None = None, shots: Shots | None = None) -> None:
        """`shots`: of the training file; 4 are usual."""
        self._match, self._shots = match, shots

    def read(self, path: Path) -> Iterator[Example]:
        before = _worked(_math_problem, self._shots)
        for row in read_some_rows(path):
            yield _example(self.name, _math_problem(row), before)

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._match, example, reply)


@final
class Aime(PublicSet):
    name: ClassVar[str] = "aime"

    def __init__(self, match: MatchAnswer | None = None) -> None:
        self._match = match

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            yield _example(self.name, _aime_problem(row), "")

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._match, example, reply)


def last_boxed(text: str) -> str | None:
    r"""What stands in the last \boxed{...} or \fbox{...} with balanced braces; None without one."""
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    depth, opening = 0, text.index("{", start)
    for index in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[opening + 1 : index].strip()
    return None


def _gsm8k_problem(row: Row) -> _Problem:
    question, whole = row.text("question"), row.text("answer")
    solution, mark, answer = whole.rpartition("####")
    if not mark or not answer.strip():
        row.fail("no '#### NUMBER' at the end of 'answer'")
    return _Problem(
        question=question,
        solution=CALCULATOR.sub("", solution).strip(),
        answer=answer.strip().replace(",", ""),
    )


def _math_problem(row: Row) -> _Problem:
    question, solution = row.text("problem", "prompt"), row.optional_text("solution")
    if row.value("answer") is None:
        answer = last_boxed(solution)
        if not answer:
            row.fail("no 'answer', and no \\boxed{...} in 'solution'")
    else:
        answer = row.text_or_number("answer")
    level = LEVELS.get(str(row.value("level")).removeprefix("Level ").strip())
    return _Problem(question=question, solution=solution, answer=answer.strip(), level=level)


def _aime_problem(row: Row) -> _Problem:
    question = row.text("problem", "Problem", "prompt", "question")
    given = row.text_or_number("answer", "Answer")
    answer = given.strip().removesuffix("^\\circ").removesuffix(".0")
    if not re.fullmatch("[0-9]{1,3}", answer):
        row.fail(f"the answer is {given[:40]!r}; it must be a whole number from 0 to 999")
    solution = row.optional_text("solution", "Solution")
    return _Problem(question=question, solution=solution, answer=str(int(answer)))


def _worked(problem_of: Callable[[Row], _Problem], shots: Shots | None) -> str:
    """The worked examples as text, each with its boxed answer."""
    if shots is None:
        return ""
    problems = [problem_of(row) for row in islice(read_some_rows(shots.path), shots.count)]
    return "".join(
        f"{problem.question.strip()}\n\n{problem.solution}\n\\boxed{{{problem.answer}}}\n\n"
        for problem in problems
    )


def _example(family: str, problem: _Problem, before: str) -> Example:
    """A question that brings its own instruction keeps it."""
    asked = problem.question.strip()
    question, instructed, _ = asked.partition("\nPlease reason step by step")
    return make_example(
        family,
        problem=question,
        prompt=before + (asked if instructed else f"{asked}\n\n{INSTRUCTION}"),
        reasoning=problem.solution,
        content=f"\\boxed{{{problem.answer}}}",
        answer=problem.answer,
        level=problem.level,
    )


def _grade(match: MatchAnswer | None, example: Example, reply: str) -> Verdict:
    if match is None:
        return unjudged(NO_JUDGE)
    return match(reply, example.answer, question_of(example))
