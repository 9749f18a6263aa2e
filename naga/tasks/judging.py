"""The judges of this package joined with the tasks that need one: sandbox, rules, constraints.

    with Judging() as judging:
        tasks = make_tasks(["program_writing"], judging=judging)

The sandbox is opened when the first program comes, once, and closed at the end; threads may share
it. Where there is none, programs get no score and the reason: missing, never wrong. Rules come from
naga.verify. Does not say what is asked, and judges no text by a model.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from naga.config.base import ConfigError
from naga.sandbox import CallTest, Limits, Sandbox, Test, TestReport, Tier
from naga.sandbox import CheckTest as SandboxCheck
from naga.sandbox import ProgramTest as SandboxProgram
from naga.tasks.code import testing
from naga.tasks.example import Verdict
from naga.tasks.public.judges import CheckTest, Constraint, FunctionTest, Judges
from naga.verify import Match, match
from naga.verify.choice import LETTERS
from naga.verify.constraints import follow_all, follows, known_instructions

WORKERS = 2
LONGEST_ERROR = 200
ABSTAINED = "rules_abstain"
"""A part of verdicts that say no more than that words differ, or that no rule fits."""


class Judging:
    """All judges, around one sandbox."""

    def __init__(
        self, *, tier: Tier | None = None, limits: Limits | None = None, workers: int = WORKERS
    ) -> None:
        """`tier`: the one that programs must run in; None: the strongest there is."""
        self._tier, self._limits, self._workers = tier, limits, workers
        self._lock = Lock()
        self._sandbox: Sandbox | None = None
        self._unavailable = ""

    def __enter__(self) -> "Judging":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._sandbox is not None:
                self._sandbox.close()
            self._sandbox = None

    @property
    def public(self) -> Judges:
        """What public sets are given."""
        return Judges(
            match=match_answer, pick=pick_choice, check=check_constraints, run=self.run_python
        )

    def run_tests(
        self,
        source: str,
        language: str,
        tests: Sequence[testing.FunctionTest | testing.ProgramTest],
    ) -> "testing.Report":
        """What code families call; their RunsTests is this object."""
        return self._run(source, language, [_as_sandbox_test(test) for test in tests])

    def run_python(self, source: str, tests: Sequence[FunctionTest | CheckTest]) -> Verdict:
        """What public sets of code call."""
        made: list[Test] = [
            CallTest.model_validate({"call": test.call, "expected": test.expected})
            if isinstance(test, FunctionTest)
            else SandboxCheck(check=test.check, entry_point=test.entry_point)
            for test in tests
        ]
        report = self._run(source, "python", made)
        if report.passed is None or not report.total:
            reason = report.reason or "there are no tests"
            return Verdict(score=None, reason=f"the tests could not be run: {reason}")
        right = report.passed == report.total
        return Verdict(
            score=float(right),
            parts={"tests": report.passed / report.total},
            matched_by="tests" if right else "",
            reason=""
            if right
            else f"{report.passed} of {report.total} tests pass; {report.status}",
        )

    def _run(self, source: str, language: str, tests: Sequence[Test]) -> "_Report":
        sandbox = self._opened()
        if sandbox is None:
            return _Report(None, len(tests), self._unavailable, self._unavailable)
        report: TestReport = sandbox.run_tests(source, language, tests)
        return _Report(report.passed, report.total, _said(report), report.reason)

    def _opened(self) -> Sandbox | None:
        with self._lock:
            if self._sandbox is None and not self._unavailable:
                try:
                    self._sandbox = Sandbox(
                        tier=self._tier, limits=self._limits, workers=self._workers
                    )
                except ConfigError as error:
                    self._unavailable = f"no sandbox: {error}"
            return self._sandbox


class _Report:
    """testing.Report, with why; `status` is how it ended, and if not well, with which error."""

    def __init__(self, passed: int | None, total: int, status: str, reason: str) -> None:
        self.passed, self.total, self.status, self.reason = passed, total, status, reason


def match_answer(reply: str, gold: str, problem: str) -> Verdict:
    """Whether the final answer of `reply` is `gold`, by the rules of naga.verify."""
    return as_verdict(match(reply, gold, problem=problem))


def as_verdict(found: Match) -> Verdict:
    # Several answers at once are no abstention: a reader would see the right one among them.
    unsure = found.score is None or (found.kind == "text" and found.score == 0)
    abstains = unsure and bool(found.extracted)
    parts = {} if found.score is None else {"correct": found.score}
    return Verdict(
        score=found.score,
        parts=parts | ({ABSTAINED: 1.0} if abstains else {}),
        matched_by=found.matched_by,
        reason=found.reason,
    )


def pick_choice(reply: str, gold: str, choices: Sequence[str]) -> Verdict:
    """Whether `reply` chooses the letter `gold`; more choices than letters cannot be judged."""
    if gold not in LETTERS[: len(choices)]:
        return Verdict(score=None, reason=f"the gold choice {gold!r} is none of {LETTERS}")
    found = match(reply, gold, "choice")
    score = float(bool(found.score))
    return Verdict(
        score=score, parts={"choice": score}, matched_by=found.matched_by, reason=found.reason
    )


def check_constraints(reply: str, constraints: Sequence[Constraint], prompt: str) -> Verdict:
    """1 if all are kept, strictly; in the parts whether loosely, and the share, all and by kind."""
    names = [constraint.name for constraint in constraints]
    arguments = [constraint.arguments for constraint in constraints]
    try:
        strict = follow_all(reply, names, arguments)
        loose = follow_all(reply, names, arguments, loose=True)
    except ConfigError as error:
        return Verdict(score=None, reason=f"{error}")
    kinds: dict[str, list[bool]] = {}
    for name, kept in zip(names, strict.instructions, strict=True):
        kinds.setdefault(name.partition(":")[0], []).append(kept)
    broken = [name for name, kept in zip(names, strict.instructions, strict=True) if not kept]
    return Verdict(
        score=float(strict.all),
        parts={
            "loose": float(loose.all),
            "instructions": strict.share,
            **{kind: sum(kept) / len(kept) for kind, kept in kinds.items()},
        },
        matched_by="" if broken else "constraints",
        reason=f"not kept: {', '.join(broken)}" if broken else "",
    )


def check_constraint(identifier: str, arguments: Mapping[str, Any], reply: str) -> bool | None:
    """One constraint of a made instruction; None for one that nobody knows."""
    return follows(reply, identifier, arguments) if identifier in known_instructions() else None


def _as_sandbox_test(test: testing.FunctionTest | testing.ProgramTest) -> Test:
    if isinstance(test, testing.FunctionTest):
        return CallTest(call=test.call, args=test.args, expected=test.expected)
    return SandboxProgram(stdin=test.stdin, expected_stdout=test.expected_stdout)


def _said(report: TestReport) -> str:
    """The first error, in one line; what was expected is never in it."""
    line = " ".join(report.reason.split())[:LONGEST_ERROR]
    return f"{report.status}: {line}" if report.status != "ok" and line else report.status
