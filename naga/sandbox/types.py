"""What goes into the sandbox and what comes out of it: programs, limits, results, reports.

Records only; nothing here runs anything. Times in seconds, sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from naga.config.base import Config

Tier = Literal["cgroup", "namespace", "landlock", "unsafe"]
"""A: bubblewrap in a cgroup; B: bubblewrap; C: Landlock; and no isolation, only on request."""

TIERS: tuple[Tier, ...] = ("cgroup", "namespace", "landlock")
"""Those that isolate, the strongest first."""

Status = Literal["ok", "error", "timeout", "memory", "output", "compile", "sandbox"]
"""How a program ended. All but the last are its own doing; `sandbox` is a failure of ours."""

Form = Literal["isolated", "shared"]
"""Where a check ran: apart from the program it judges, or in one process with it (forgeable)."""


class Limits(Config):
    """What one program may use."""

    wall_s: float = 5.0
    """For one test, or one run."""
    cpu_s: int = 5
    """Of one process."""
    total_s: float = 30.0
    """For all tests of a program; those not reached count as timeouts."""
    memory_bytes: int = 512 << 20
    """Of all processes together in a cgroup; elsewhere of each, and of their sum as polled."""
    processes: int = 32
    """Threads count, as everywhere in Linux."""
    output_bytes: int = 1 << 20
    """Of stdout, and of stderr."""
    file_bytes: int = 16 << 20
    """The largest file it may write."""
    open_files: int = 64
    compile_s: float = 30.0
    compile_memory_bytes: int = 2 << 30


@dataclass(frozen=True, kw_only=True)
class Program:
    source: str
    language: str = "python"
    stdin: str = ""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    tier: Tier
    status: Status
    stdout: str = ""
    """Bytes that are no UTF-8 are shown as U+FFFD."""
    stderr: str = ""
    exit: int | None = None
    """Exit code, minus the signal's number if one ended it; None if it did not end by itself."""
    wall_s: float = 0.0
    max_rss: int = 0
    reason: str = ""
    """One line where the status is not ok."""
    python: str = ""
    """Which Python runs in the sandbox."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One test."""

    passed: bool
    status: Status
    reason: str = ""
    wall_s: float = 0.0
    form: Form | None = None
    """Of a check; None for tests that the host compares."""


@dataclass(frozen=True, kw_only=True)
class TestReport:
    __test__: ClassVar[bool] = False
    """No class of tests, though pytest would take it for one by its name."""

    tier: Tier
    status: Status
    """ok if every test ran to its end, right or wrong; else that of the first which did not."""
    passed: int | None
    """None if the sandbox failed: missing, not wrong."""
    total: int
    outcomes: tuple[Outcome, ...] = ()
    stdout: str = ""
    """Of the first test that did not pass, else of the last; so are the next four."""
    stderr: str = ""
    exit: int | None = None
    wall_s: float = 0.0
    """Of all tests."""
    max_rss: int = 0
    reason: str = ""
    python: str = ""

    @property
    def score(self) -> float | None:
        """Fraction of tests passed; None if nobody could tell."""
        return None if self.passed is None or not self.total else self.passed / self.total


def as_json(result: RunResult | TestReport) -> Mapping[str, object]:
    """What `naga reward run-code --json` prints; without tests none is passed, of 0."""
    passed, total = (result.passed, result.total) if isinstance(result, TestReport) else (None, 0)
    return {
        "tier": result.tier,
        "status": result.status,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "exit": result.exit,
        "wall_s": round(result.wall_s, 4),
        "max_rss": result.max_rss,
        "passed": passed,
        "total": total,
        "reason": result.reason,
        "python": result.python,
    }
