"""The sandbox as the judge of programs: joins what tasks ask for with naga.sandbox.

Two protocols: a table of tests for families (naga.tasks.code), and calls and checks for public sets
(naga.tasks.public). The fraction of tests passed is a part of every verdict, and the first run-time
error is in its reason. A failure of the sandbox itself is missing, not wrong.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from naga.sandbox import Sandbox, TestReport, parse_tests
from naga.tasks import Verdict, public
from naga.tasks import code as families

LONGEST_ERROR = 200


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Of one program; naga.tasks.code.Report."""

    passed: int | None
    total: int
    status: str
    """How it ended, and if not well, with which error."""


@dataclass(frozen=True)
class FamilyRunner:
    """naga.tasks.code.RunsTests."""

    sandbox: Sandbox

    def run_tests(
        self,
        source: str,
        language: str,
        tests: Sequence[families.FunctionTest | families.ProgramTest],
    ) -> Feedback:
        rows = [_family_test(test) for test in tests]
        report = self.sandbox.run_tests(source, language, parse_tests(json.dumps(rows)))
        return Feedback(passed=report.passed, total=report.total, status=said(report))


@dataclass(frozen=True)
class PublicRunner:
    """naga.tasks.public.RunsTests; Python only."""

    sandbox: Sandbox

    def __call__(
        self, source: str, tests: Sequence[public.FunctionTest | public.CheckTest]
    ) -> Verdict:
        rows = [_public_test(test) for test in tests]
        return feedback(self.sandbox.run_tests(source, "python", parse_tests(json.dumps(rows))))


def feedback(report: TestReport) -> Verdict:
    """1 if every test passed; the fraction in `parts`."""
    if report.passed is None or not report.total:
        reason = report.reason or "there are no tests"
        return Verdict(score=None, reason=f"the tests could not be run: {reason}")
    right = report.passed == report.total
    return Verdict(
        score=float(right),
        parts={"tests": report.passed / report.total},
        matched_by="tests" if right else "",
        reason="" if right else f"{report.passed} of {report.total} tests pass; {said(report)}",
    )


def said(report: TestReport) -> str:
    """The first error, in one line; what was expected is never in it."""
    line = " ".join(report.reason.split())[:LONGEST_ERROR]
    return f"{report.status}: {line}" if report.status != "ok" and line else report.status


def _family_test(test: families.FunctionTest | families.ProgramTest) -> dict[str, object]:
    if isinstance(test, families.ProgramTest):
        return {"stdin": test.stdin, "expected_stdout": test.expected_stdout}
    return {"call": test.call, "args": list(test.args), "expected": test.expected}


def _public_test(test: public.FunctionTest | public.CheckTest) -> dict[str, object]:
    if isinstance(test, public.CheckTest):
        return {"check": test.check, "entry_point": test.entry_point}
    return {"call": test.call, "expected": test.expected}
