"""How many programs the sandbox runs in a second: each in a fresh sandbox, with one hidden test.

    naga bench sandbox

Takes about the seconds it is given. Does not compare with anything: no peer isolates as much.
"""

import json
import os
import threading
import time
from dataclasses import asdict, dataclass

from rich.table import Table

from naga.sandbox import CallTest, Sandbox, Tier

SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class SandboxSpeed:
    tier: Tier
    python: str
    workers: int
    cores: int
    runs: int
    """Programs that were run and passed their test; one that did not is an error."""
    seconds: float

    @property
    def runs_per_s(self) -> float:
        return self.runs / self.seconds

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "runs_per_s": round(self.runs_per_s, 1)})

    def table(self) -> Table:
        table = Table("tier 隔离", "workers", "cores 核", "runs", "runs/s", box=None)
        told = (f"{self.workers}", f"{self.cores}", f"{self.runs:,}", f"{self.runs_per_s:.1f}")
        table.add_row(self.tier, *told)
        return table


def measure_sandbox(
    *, seconds: float = SECONDS, workers: int = 2, tier: Tier | None = None
) -> SandboxSpeed:
    """As many threads as workers ask without pause; ConfigError where no tier is to be had."""
    counts = [0] * workers
    with Sandbox(tier=tier, workers=workers) as sandbox:
        begun = time.monotonic()
        threads = [
            threading.Thread(target=_run_until, args=(sandbox, begun + seconds, counts, number))
            for number in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - begun
        return SandboxSpeed(
            tier=sandbox.tier,
            python=sandbox.python,
            workers=workers,
            cores=len(os.sched_getaffinity(0)),
            runs=sum(counts),
            seconds=taken,
        )


def _run_until(sandbox: Sandbox, deadline: float, counts: list[int], number: int) -> None:
    while time.monotonic() < deadline:
        shift = counts[number]
        source = f"def add(a, b):\n    return a + b + {shift}\n"
        test = CallTest(call="add", args=(1, 2), expected=3 + shift)
        report = sandbox.run_tests(source, "python", [test])
        if report.passed != 1:
            raise RuntimeError(f"a right program failed: {report.reason}")
        counts[number] += 1
