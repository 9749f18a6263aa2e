"""Which tier is chosen, what is said where none is, and the same as an unprivileged user."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from sandbox.conftest import SMALL, opened

import naga
from naga.config.base import ConfigError
from naga.sandbox import TIERS, CallTest, Program, Sandbox, Tier, as_json, seccomp
from naga.sandbox import probe as probing
from naga.sandbox.cgroup import find_parent
from naga.sandbox.guest import confine

NOBODY = 65534


@pytest.fixture
def unprobed() -> Iterator[None]:
    """What one test makes of the machine is not remembered by the next."""
    for cached in (probing.probe, seccomp.filter_program):
        cached.cache_clear()
    yield
    for cached in (probing.probe, seccomp.filter_program):
        cached.cache_clear()


def test_the_strongest_tier_there_is_is_chosen() -> None:
    there = []
    for tier in TIERS:
        try:
            probing.probe(tier)
        except ConfigError:
            continue
        there.append(tier)
    if not there:
        pytest.skip("no tier here")
    with Sandbox(limits=SMALL, workers=1) as sandbox:
        assert sandbox.tier == there[0]


def test_every_result_names_its_tier_and_its_python(sandbox: Sandbox) -> None:
    result = sandbox.run(Program(source="import sys; print(sys.version.split()[0])"))
    assert result.tier == sandbox.tier == as_json(result)["tier"]
    assert f"({result.stdout.strip()})" in result.python
    report = sandbox.run_tests("def f(): return 1", "python", [CallTest(call="f", expected=1)])
    assert (report.tier, report.python) == (sandbox.tier, result.python)


def test_without_any_tier_there_is_one_line_and_no_program(
    unprobed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "BWRAP", Path("/nonexistent/bwrap"))
    monkeypatch.setattr(confine, "landlock_version", lambda: 0)
    with pytest.raises(ConfigError, match="cannot be isolated") as refusal:
        Sandbox(limits=SMALL)
    said = str(refusal.value)
    assert "\n" not in said
    assert "/nonexistent/bwrap is not installed" in said and "the kernel has no Landlock" in said


def test_without_bubblewrap_landlock_is_chosen(
    unprobed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not confine.landlock_version():
        pytest.skip("the kernel has no Landlock")
    monkeypatch.setattr(probing, "BWRAP", Path("/nonexistent/bwrap"))
    with Sandbox(limits=SMALL, workers=1) as sandbox:
        assert sandbox.tier == "landlock"
        assert sandbox.run(Program(source="print(1)")).stdout == "1\n"


def test_without_a_control_group_bubblewrap_alone_is_chosen(
    unprobed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise ConfigError("no control group: read-only file system")

    with opened("namespace"):
        pass
    monkeypatch.setattr(probing, "find_parent", none)
    with Sandbox(limits=SMALL, workers=1) as sandbox:
        assert sandbox.tier == "namespace"
    with pytest.raises(ConfigError, match="cgroup: no control group"):
        Sandbox(tier="cgroup", limits=SMALL)


def test_no_tier_is_taken_for_another(unprobed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One asked for by name is had or refused."""
    monkeypatch.setattr(probing, "BWRAP", Path("/nonexistent/bwrap"))
    for tier in ("cgroup", "namespace"):
        with pytest.raises(ConfigError, match=f"{tier}: /nonexistent/bwrap is not installed"):
            Sandbox(tier=tier, limits=SMALL)


def test_no_isolation_only_by_name() -> None:
    with pytest.raises(ConfigError, match="allow_unsafe"):
        Sandbox(tier="unsafe", limits=SMALL)
    with Sandbox(tier="unsafe", allow_unsafe=True, limits=SMALL, workers=1) as sandbox:
        result = sandbox.run(Program(source="import os; print(os.environ.get('HOME'))"))
        assert (result.tier, result.status) == ("unsafe", "ok"), result
        brief = SMALL.model_copy(update={"wall_s": 0.2})
        loop = sandbox.run(Program(source="while True: pass"), limits=brief)
        assert loop.status == "timeout"


def test_what_may_be_unsafe_is_safe_where_it_can_be() -> None:
    with opened("landlock"):
        pass
    with Sandbox(allow_unsafe=True, limits=SMALL, workers=1) as sandbox:
        assert sandbox.tier in TIERS


def test_a_missing_libseccomp_is_named(unprobed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(ConfigError, match="libseccomp2"):
        Sandbox(limits=SMALL)


def test_off_linux_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match="Linux only"):
        Sandbox(limits=SMALL)


def test_no_workers_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="0 workers"):
        Sandbox(workers=0)


def test_an_older_landlock_lets_no_signal_out(
    unprobed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before version 6 it scopes none, so that the filter bars them all."""
    with opened("landlock"):
        pass
    monkeypatch.setattr(confine, "landlock_version", lambda: 5)
    source = "import os\ntry: os.kill(os.getpid(), 0)\nexcept OSError as e: print(e.errno)"
    with Sandbox(tier="landlock", limits=SMALL, workers=1) as sandbox:
        assert sandbox.run(Program(source=source)).stdout == "38\n"


AS_NOBODY = """
import os, sys
from naga.config.base import ConfigError
from naga.sandbox import *
assert os.getuid() != 0
tests = parse_tests('''[{"call": "add", "args": [1, 2], "expected": 3},
                      {"check": "assert add(1, 2) == 3"}]''')
limits = Limits(wall_s=1.0, processes=16, memory_bytes=256 << 20)
try:
    with Sandbox(tier=sys.argv[1], limits=limits, workers=1) as sandbox:
        report = sandbox.run_tests("def add(a, b): return a + b", "python", tests)
        assert report.passed == 2, report
        attacks = ["open('/etc/passwd')", "open('/evil', 'w')", "os.kill(%d, 9)" % os.getpid(),
                   "__import__('socket').socket()", "open(f'/proc/{os.getppid()}/mem')"]
        for attack in attacks:
            result = sandbox.run(Program(source="import os\\n" + attack))
            assert result.status == "error" and "Error" in result.reason, (attack, result)
        bomb = sandbox.run(Program(source='''
import os, time
n = 0
try:
    while True:
        if not os.fork(): time.sleep(9); os._exit(0)
        n += 1
except OSError: print(n)'''))
        # Other processes of nobody count when the limit is set, and may have ended since.
        assert 5 <= int(bomb.stdout) <= 200, bomb
        print("held")
except ConfigError as error:
    print("skip", error)
"""


@contextmanager
def delegated() -> Iterator[list[str]]:
    """A group that nobody may make others in, and the words that put a command into it."""
    try:
        parent = find_parent()
    except ConfigError as error:
        pytest.skip(str(error))
    if parent.version == 2:
        pytest.skip("a group of the second version that holds processes gives none to others")
    group = parent.new_group()
    for folder in group.folders:
        for path in (folder, folder / "cgroup.procs"):
            os.chown(path, NOBODY, NOBODY)
    words = ""
    for number in range(len(group.entrances)):
        words += f'echo 0 > "${number + 1}" && '
    words += f"shift {len(group.entrances)} && exec " + '"$@"'
    try:
        yield ["/bin/sh", "-c", words, "sh", *map(str, group.entrances)]
    finally:
        for folder in group.folders:
            for left in [path for path in folder.iterdir() if path.is_dir()]:
                left.rmdir()
        group.remove()


@pytest.mark.skipif(os.getuid() != 0, reason="the whole suite runs unprivileged then")
@pytest.mark.parametrize("tier", TIERS)
def test_the_same_for_an_unprivileged_user(tier: Tier, tmp_path: Path) -> None:
    """With the system's Python, since nobody may read root's."""
    packages = [entry for entry in sys.path if entry.endswith("site-packages")]
    paths = ":".join([str(Path(naga.__file__).parent.parent), *packages])
    drop = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    python = [*drop, "/usr/bin/python3", "-W", "error"]
    environment = {"PYTHONPATH": paths, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    readable = subprocess.run(
        [*python, "-c", "import naga.sandbox"], env=environment, capture_output=True, cwd="/"
    )
    if readable.returncode:
        pytest.skip(f"nobody cannot read naga here: {readable.stderr.decode().splitlines()[-1]}")
    with delegated() if tier == "cgroup" else nullcontext([]) as enter:
        done = subprocess.run(
            [*enter, *python, "-c", AS_NOBODY, tier],
            env=environment,
            capture_output=True,
            cwd="/",
            text=True,
        )
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("skip"):
        pytest.skip(done.stdout.strip())
    assert done.stdout == "held\n"
