"""Waiting sandboxes: used once, replaced, and gone without a trace at the end."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandbox.conftest import SMALL, needs, opened

from naga.config.base import ConfigError
from naga.sandbox import TIERS, CallTest, Limits, Program, Sandbox, Tier
from naga.sandbox.cgroup import find_parent
from naga.sandbox.pool import Pool
from naga.sandbox.probe import choose
from naga.sandbox.worker import Broken

ADD = [CallTest(call="add", args=(1, 2), expected=3)]


def children() -> set[int]:
    """Processes below this one."""
    found: set[int] = set()
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int(
                (process / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:
            continue
    grown = True
    while grown:
        grown = False
        for process, parent in parents.items():
            if (parent == os.getpid() or parent in found) and process not in found:
                found.add(process)
                grown = True
    return found


def groups() -> set[str]:
    mark = f"naga-{os.getpid()}-*"
    return {path.name for folder in _group_folders() for path in folder.glob(mark)}


def folders() -> set[Path]:
    return set(Path("/tmp").glob(f"naga-sandbox-{os.getpid()}-*"))


def _group_folders() -> tuple[Path, ...]:
    try:
        return find_parent().folders
    except ConfigError:
        return ()


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_is_left(tier: Tier) -> None:
    """No process, no control group, no folder: after good programs, bad ones and none at all."""
    needs("c")
    before = children(), groups(), folders()
    with opened(tier, workers=2) as sandbox:
        sandbox.run(Program(source="print(1)"))
        assert children() - before[0]
        sandbox.run(Program(source="import os\nwhile True: os.fork()"), limits=Limits(wall_s=0.3))
        sandbox.run(Program(source="int main(){return 0;}", language="c"))
    deadline = time.monotonic() + 5
    while children() - before[0] and time.monotonic() < deadline:
        time.sleep(0.01)
    # Of those before, which other tests' sandboxes own, some may have been about to end.
    after = children(), groups(), folders()
    assert [now - then for now, then in zip(after, before, strict=True)] == [set()] * 3


def test_nothing_is_left_of_one_never_used() -> None:
    before = groups(), folders()
    Sandbox(limits=SMALL, workers=3).close()
    assert (groups(), folders()) == before


@pytest.mark.parametrize("tier", TIERS)
def test_a_killed_worker_is_replaced(tier: Tier) -> None:
    with opened(tier, workers=2) as sandbox:
        for _ in range(3):
            waited = time.monotonic() + 10
            while not sandbox._pool.processes and time.monotonic() < waited:
                time.sleep(0.01)
            for process in sandbox._pool.processes:
                os.kill(process, signal.SIGKILL)
            assert sandbox.run_tests("def add(a, b): return a + b", "python", ADD).passed == 1


@pytest.mark.parametrize("tier", TIERS)
def test_a_sandbox_killed_while_a_program_runs_is_tried_again(tier: Tier) -> None:
    """The first time it is chance; what breaks its sandbox twice is judged for it."""
    with opened(tier) as sandbox:
        before = children()

        def kill_one() -> None:
            time.sleep(0.15)
            for process in sorted(children() & before)[:1]:
                os.kill(process, signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        result = sandbox.run(Program(source="import time; time.sleep(0.4); print('done')"))
        killer.join()
        assert (result.status, result.stdout) == ("ok", "done\n"), result


def test_what_breaks_its_sandbox_twice_is_an_error_of_its_own(
    strongest: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> object:
        raise Broken("the sandbox is silent")

    monkeypatch.setattr("naga.sandbox.worker.Worker.turn", broken)
    result = strongest.run(Program(source="print(1)"))
    assert result.status == "error" and "twice" in result.reason


def test_a_sandbox_that_does_not_start_is_missing_not_wrong(
    strongest: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(self: Pool) -> object:
        raise Broken("no sandbox starts: no memory")

    monkeypatch.setattr(Pool, "take", unavailable)
    result = strongest.run(Program(source="print(1)"))
    assert (result.status, result.exit) == ("sandbox", None)
    report = strongest.run_tests("def add(a, b): return a + b", "python", ADD)
    assert (report.passed, report.score, report.status) == (None, None, "sandbox")


def test_a_launcher_that_fails_says_why_in_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opened("namespace") as sandbox:
        pass
    setting = sandbox._setting
    monkeypatch.setattr("naga.sandbox.launch.SYSTEM", ("/usr",))
    monkeypatch.setattr("naga.sandbox.launch._drop", lambda user: ["/usr/bin/false"])
    pool = Pool(setting, 1)
    with pytest.raises(Broken, match="no sandbox starts"):
        pool.take()
    pool.close()


@pytest.mark.parametrize("tier", TIERS)
def test_no_two_programs_share_a_sandbox(tier: Tier) -> None:
    source = "import os; print(os.getuid(), os.stat('.').st_ino, os.stat('.').st_ctime_ns)"
    with opened(tier) as sandbox:
        seen = [sandbox.run(Program(source=source)).stdout for _ in range(3)]
    assert len(set(seen)) == 3


def test_threads_share_a_sandbox() -> None:
    with Sandbox(limits=SMALL, workers=2) as sandbox, ThreadPoolExecutor(6) as threads:
        tests = [[CallTest(call="add", args=(n, 2), expected=n + 2)] for n in range(12)]
        source = "def add(a, b): return a + b"
        reports = threads.map(lambda test: sandbox.run_tests(source, "python", test), tests)
        assert [report.passed for report in reports] == [1] * 12


def test_when_naga_dies_its_sandboxes_do(tmp_path: Path) -> None:
    """Killed outright, in the middle of a program, it can tidy nothing itself."""
    for tier in TIERS:
        try:
            choose(tier, SMALL)
        except ConfigError:
            continue
        mark = f"{tier}-{os.getpid()}"
        host = f"""
import sys
from naga.sandbox import Limits, Program, Sandbox
with Sandbox(tier={tier!r}, workers=1) as sandbox:
    print(sandbox._pool.take().process, flush=True)
    sandbox.run(Program(source='''
import subprocess
subprocess.run(['/usr/bin/sleep', '{int.from_bytes(mark.encode()[-4:], "big")}'])''',
        ), limits=Limits(wall_s=60))
"""
        process = subprocess.Popen([sys.executable, "-c", host], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        below = _below(process.pid)
        assert below
        process.kill()
        process.wait()
        process.stdout.close()
        deadline = time.monotonic() + 10
        while any(_alive(child) for child in below) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not [child for child in below if _alive(child)], tier
        # What lies about then is found by the next one.
        Sandbox(tier=tier, limits=SMALL, workers=1).close()
        left = [
            path for folder in _group_folders() for path in folder.glob(f"naga-{process.pid}-*")
        ]
        assert not left and not list(Path("/tmp").glob(f"naga-sandbox-{process.pid}-*"))


def _below(process: int) -> set[int]:
    found: set[int] = set()
    rest = [process]
    while rest:
        for thread in Path(f"/proc/{rest.pop()}/task").glob("*"):
            below = {int(child) for child in (thread / "children").read_text().split()}
            rest += below - found
            found |= below
    return found


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
