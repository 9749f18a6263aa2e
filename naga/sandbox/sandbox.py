"""The sandbox: untrusted programs run, and run against tests, in the strongest tier there is.

    with Sandbox() as sandbox:
        sandbox.run(Program(source="print(1)")).stdout
        sandbox.run_tests(source, "python", parse_tests(text)).score

Threads may share one: it keeps `workers` sandboxes waiting and lets as many programs run at once.
Every result says which tier it ran in; docs/sandbox.md says what each holds back, and what remains.
Does not judge text (naga/verify) and runs nothing that the tests do not ask for.
"""

import time
from collections.abc import Sequence
from threading import BoundedSemaphore

from naga.config.base import ConfigError
from naga.sandbox.cases import CallTest, CheckTest, Test, run_test
from naga.sandbox.languages import Language, language_of
from naga.sandbox.pool import Pool
from naga.sandbox.probe import choose
from naga.sandbox.session import Ended, Session, Unavailable
from naga.sandbox.types import Limits, Outcome, Program, RunResult, TestReport, Tier

DEFAULT_WORKERS = 2


class Sandbox:
    def __init__(
        self,
        *,
        tier: Tier | None = None,
        limits: Limits | None = None,
        workers: int = DEFAULT_WORKERS,
        allow_unsafe: bool = False,
    ) -> None:
        """ConfigError, in one line, where the tier asked for, or any, cannot be had."""
        if workers < 1:
            raise ConfigError(f"sandbox: {workers} workers; at least 1 is needed")
        self._limits = limits or Limits()
        self._setting = choose(tier, self._limits, allow_unsafe=allow_unsafe)
        self._pool = Pool(self._setting, workers)
        self._turns = BoundedSemaphore(workers)

    @property
    def tier(self) -> Tier:
        return self._setting.tier

    @property
    def python(self) -> str:
        """The one that runs inside, and its version."""
        return str(self._setting.python)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    def run(self, program: Program, *, limits: Limits | None = None) -> RunResult:
        """ConfigError for a language that is not there; anything the program does is a status."""
        _, language = language_of(program.language)
        with self._turns, self._session(language, program.source, limits) as session:
            try:
                ended = session.run(program.stdin)
            except Unavailable as error:
                ended = Ended(status="sandbox", reason=f"{error}")
        return RunResult(
            tier=self.tier,
            status=ended.status,
            stdout=_text(ended.stdout),
            stderr=_text(ended.stderr),
            exit=ended.exit,
            wall_s=ended.wall_s,
            max_rss=ended.max_rss,
            reason=ended.reason,
            python=self.python,
        )

    def run_tests(
        self, source: str, language: str, tests: Sequence[Test], *, limits: Limits | None = None
    ) -> TestReport:
        """Each test in a process of its own; what is expected never enters the sandbox."""
        name, row = language_of(language)
        for number, test in enumerate(tests):
            if name != "python" and isinstance(test, CallTest | CheckTest):
                reason = f"{name} has program tests (expected_stdout) only"
                raise ConfigError(f"tests[{number}]: {reason}")
        with self._turns, self._session(row, source, limits) as session:
            results = _all(session, tests, (limits or self._limits).total_s)
        return self._report(results, len(tests))

    def _session(self, language: Language, source: str, limits: Limits | None) -> Session:
        return Session(self._pool, language, source, limits or self._limits)

    def _report(self, results: Sequence[tuple[Outcome, Ended]], total: int) -> TestReport:
        outcomes = tuple(outcome for outcome, _ in results)
        troubled = [outcome for outcome in outcomes if outcome.status != "ok"]
        missing = [outcome for outcome in outcomes if outcome.status == "sandbox"]
        failed = [pair for pair in results if not pair[0].passed]
        first = next(iter(missing or troubled), Outcome(passed=True, status="ok"))
        nothing = (first, Ended(status="ok"))
        shown, ended = failed[0] if failed else results[-1] if results else nothing
        return TestReport(
            tier=self.tier,
            status=first.status,
            passed=None if missing else sum(outcome.passed for outcome in outcomes),
            total=total,
            outcomes=outcomes,
            stdout=_text(ended.stdout),
            stderr=_text(ended.stderr),
            exit=ended.exit,
            wall_s=sum(each.wall_s for _, each in results),
            max_rss=max((each.max_rss for _, each in results), default=0),
            reason=first.reason or shown.reason,
            python=self.python,
        )


def _all(session: Session, tests: Sequence[Test], total_s: float) -> list[tuple[Outcome, Ended]]:
    results: list[tuple[Outcome, Ended]] = []
    deadline = time.monotonic() + total_s
    for test in tests:
        late = time.monotonic() > deadline
        try:
            broken = session.compile()
            ended = broken or (Ended(status="timeout", reason="not reached") if late else None)
            if ended is None:
                results.append(run_test(session, test))
                continue
        except Unavailable as error:
            ended = Ended(status="sandbox", reason=f"{error}")
        results.append((Outcome(passed=False, status=ended.status, reason=ended.reason), ended))
    return results


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
