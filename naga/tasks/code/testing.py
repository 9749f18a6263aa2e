"""What a code family needs of whatever runs programs: tests, a report, and one method.

The families know no sandbox; one is passed in, and without one they cannot judge. Expected outputs
stay with the runner, which compares; they must not reach the program. Also takes the program out of
a reply.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

LONGEST_SOURCE = 20_000
FENCE = re.compile(r"```([\w+-]*)[ \t]*\r?\n(.*?)(?:\n[ \t]*)?```", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class FunctionTest:
    """Calling the function with these arguments gives this value; all of them plain JSON."""

    call: str
    args: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True, kw_only=True)
class ProgramTest:
    """Reading this from standard input the program prints that."""

    stdin: str
    expected_stdout: str


class Report(Protocol):
    @property
    def passed(self) -> int | None:
        """How many tests passed; None where the runner itself failed: missing, not wrong."""
        ...

    @property
    def total(self) -> int: ...

    @property
    def status(self) -> str:
        """How the program ended, in one word: ok, timeout, ..."""
        ...


class RunsTests(Protocol):
    """A sandbox, as far as code families use it."""

    def run_tests(
        self, source: str, language: str, tests: Sequence[FunctionTest | ProgramTest]
    ) -> Report:
        """Judge an untrusted program."""
        ...


def extract_program(reply: str, language: str = "python") -> str | None:
    """The program of a reply: its last fence of this language or of none, or the whole reply if it
    has no fence and is not prose. None where there is no program.
    """
    if len(reply) > LONGEST_SOURCE:
        return None
    fences = FENCE.findall(reply)
    known = ("", language, language[:2]) if language == "python" else ("", language)
    fitting = [body for label, body in fences if label.lower() in known and body.strip()]
    if fitting:
        return fitting[-1]
    if not fences and re.match(r"(def|import|from|class|#include) ?", reply.lstrip()):
        return reply.strip("\n")
    return None


def write_tests(tests: Sequence[FunctionTest | ProgramTest]) -> list[dict[str, Any]]:
    """As JSON has them."""
    return [
        {"call": test.call, "args": list(test.args), "expected": test.expected}
        if isinstance(test, FunctionTest)
        else {"stdin": test.stdin, "expected_stdout": test.expected_stdout}
        for test in tests
    ]


def read_tests(rows: Sequence[Mapping[str, Any]]) -> list[FunctionTest | ProgramTest]:
    """Tests of functions and of programs; ValueError for what is neither."""
    tests: list[FunctionTest | ProgramTest] = []
    for row in rows:
        if row.keys() >= {"call", "args", "expected"}:
            args = tuple(row["args"])
            tests.append(FunctionTest(call=row["call"], args=args, expected=row["expected"]))
        elif row.keys() >= {"stdin", "expected_stdout"}:
            tests.append(ProgramTest(stdin=row["stdin"], expected_stdout=row["expected_stdout"]))
        else:
            raise ValueError(f"not a test: {json.dumps(row, ensure_ascii=False)}")
    return tests
