"""Python functions to write: HumanEval and MBPP.

HumanEval: {task_id, prompt, entry_point, canonical_solution, test}. MBPP: {task_id, text or prompt,
code, test_list, test_setup_code or test_imports}. The program is the last fenced block that defines
the function, else the last one, else the reply as it is; one that lacks what the prompt of
HumanEval begins with gets it. The tests' expected values do not enter the program (harness.py); it
is run by the judge, never here.

Chen et al. 2021, arXiv 2107.03374; Austin et al. 2021, arXiv 2108.07732.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from naga.config.base import Config
from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, make_example, unpacked
from naga.tasks.public.harness import of_assertions, of_check
from naga.tasks.public.judges import CheckTest, FunctionTest, RunsTests, unjudged
from naga.tasks.public.parsing import fenced
from naga.tasks.public.rows import Row, read_some_rows

NO_JUDGE = "nothing that runs code was given"
LONGEST_PROGRAM = 100_000
HUMAN_EVAL_PROMPT = (
    "Complete the Python function. Answer with the whole function in one ```python block.\n\n"
    "```python\n{}\n```"
)
MBPP_PROMPT = "{}\n\nAnswer with one ```python block. The code must pass these tests:\n\n{}"


class ProgramAnswer(Config):
    function: str
    """What the program must define."""
    begun: str
    """What the program begins with; empty where it is written from nothing."""
    harness: str
    """Stands behind the program."""
    tests: tuple[FunctionTest | CheckTest, ...]


@final
class HumanEval(PublicSet):
    name: ClassVar[str] = "humaneval"

    def __init__(self, run: RunsTests | None = None) -> None:
        self._run = run

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            yield _human_eval(self.name, row)

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._run, example, reply)


@final
class Mbpp(PublicSet):
    name: ClassVar[str] = "mbpp"

    def __init__(self, run: RunsTests | None = None) -> None:
        self._run = run

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            yield _mbpp(self.name, row)

    def grade(self, example: Example, reply: str) -> Verdict:
        return _grade(self._run, example, reply)


def judge_program(run: RunsTests | None, example: Example, program: str) -> Verdict:
    """A program with the example's harness behind it, by the judge."""
    if run is None:
        return unjudged(NO_JUDGE)
    answer = unpacked(example, ProgramAnswer)
    return run(f"{program}\n\n\n{answer.harness}", answer.tests)


def program_of(reply: str, function: str) -> str:
    """The code of a reply."""
    blocks = fenced(reply)
    defining = [block for block in blocks if _defines(block, function)]
    return (defining or blocks or [reply])[-1]


def _defines(code: str, function: str) -> bool:
    return re.search(rf"^(?:async )?def {re.escape(function)}\b", code, re.MULTILINE) is not None


def _grade(run: RunsTests | None, example: Example, reply: str) -> Verdict:
    if run is None:
        return unjudged(NO_JUDGE)
    if len(reply) > LONGEST_PROGRAM:
        return Verdict(score=0.0, reason=f"a reply of over {LONGEST_PROGRAM} characters")
    answer = unpacked(example, ProgramAnswer)
    function, begun = answer.function, answer.begun
    program = program_of(reply, function)
    if begun and _defines(program, function):
        program = _before(begun, function) + program
    elif begun:
        program = begun + program
    return judge_program(run, example, program)


def _before(prompt: str, function: str) -> str:
    """The imports and helpers before the function that is to be written."""
    found = list(re.finditer(rf"^def {re.escape(function)}\b", prompt, re.MULTILINE))
    return prompt[: found[-1].start()]


def _human_eval(family: str, row: Row) -> Example:
    prompt, function = row.text("prompt"), row.text("entry_point").strip()
    if not function.isidentifier() or not _defines(prompt, function):
        row.fail(f"'prompt' does not define {function[:40]!r}, its 'entry_point'")
    harness = of_check(row.text("test"), function)
    if harness is None:
        row.fail("'test' is no Python program with one check(candidate)")
    solution = row.optional_text("canonical_solution")
    answer = ProgramAnswer(
        function=function, begun=prompt, harness=harness.text, tests=harness.tests
    )
    return make_example(
        family,
        problem=prompt,
        prompt=HUMAN_EVAL_PROMPT.format(prompt.strip("\n")),
        content=f"```python\n{prompt}{solution}\n```" if solution else "",
        answer=answer.model_dump_json(),
    )


def _mbpp(family: str, row: Row) -> Example:
    text, tests = row.text("text", "prompt").strip(), row.texts("test_list")
    imports = "\n".join(row.optional_texts("test_imports"))
    setup = f"{imports}\n{row.optional_text('test_setup_code')}"
    harness = of_assertions(tests, setup)
    if harness is None:
        row.fail("'test_list' is not a list of assertions in Python")
    code, function = row.optional_text("code").strip(), _tested(tests[0])
    answer = ProgramAnswer(function=function, begun="", harness=harness.text, tests=harness.tests)
    return make_example(
        family,
        problem=text,
        prompt=MBPP_PROMPT.format(text, "\n".join(tests)),
        content=f"```python\n{code}\n```" if code else "",
        answer=answer.model_dump_json(),
    )


def _tested(assertion: str) -> str:
    """The function that an assertion calls first, as far as its text says."""
    names = re.findall(r"\b([A-Za-z_]\w*)\s*\(", assertion)
    outside = [name for name in names if name not in ("assert", "set", "sorted", "str", "math")]
    return next(iter(outside), "")
