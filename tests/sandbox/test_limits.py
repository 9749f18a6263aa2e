"""Attacks on what a machine has: processor, memory, processes, files, output, time."""

import os
import time
from pathlib import Path

import pytest
from sandbox.conftest import SMALL, opened

from naga.sandbox import CallTest, Limits, Program, RunResult, Sandbox, Status

LIMITS = SMALL.model_copy(update={"wall_s": 1.0, "cpu_s": 1})
MEBIBYTE = 1 << 20


def run(sandbox: Sandbox, source: str, language: str = "python", **changes: object) -> RunResult:
    limits = LIMITS.model_copy(update=changes)
    return sandbox.run(Program(source=source, language=language), limits=limits)


def own_processes(mark: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in words:
            found.append(process.name)
    return found


ENDED: dict[str, tuple[str, set[Status]]] = {
    "a loop": ("while True: pass", {"timeout"}),
    "a sleep": ("import time; time.sleep(100)", {"timeout"}),
    "a wait for input": ("import os; os.read(os.pipe()[0], 1)", {"timeout"}),
    "ignores every signal": (
        "import signal, time\nfor n in range(1, 64):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        {"timeout"},
    ),
    "blocks every signal": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass",
        {"timeout"},
    ),
    "stops itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {"timeout"}),
    "stands the clock on its head": (
        "import time\ntime.monotonic = time.time = lambda: 0\n"
        "time.sleep = lambda s: None\nwhile True: pass",
        {"timeout"},
    ),
    "a pattern without end": ("import re; re.match(r'(a+)+$', 'a' * 50 + 'b')", {"timeout"}),
    "a power without end": ("9 ** 9 ** 9", {"timeout", "memory"}),
    "memory": ("x = bytearray(1 << 40)", {"memory"}),
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(1 << 20))", {"memory"}),
    "memory of many": (
        "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n"
        "        x = bytearray(b'x') * (60 << 20)\n        time.sleep(100)\ntime.sleep(100)",
        {"memory"},
    ),
    "output": ("while True: print('x' * 1000)", {"output"}),
    "errors": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", {"output"}),
    "output of a child": (
        "import os\nif os.fork() == 0:\n    while True: os.write(1, b'x' * 4096)\n"
        "os.wait()",
        {"output"},
    ),
    "recursion": (
        "import sys, threading\nsys.setrecursionlimit(10**9)\nclass A:\n"
        "    def __repr__(self): return repr(self)\nrepr(A())",
        {"error", "memory", "timeout"},
    ),
    "a segfault": ("import ctypes; ctypes.string_at(0)", {"error"}),
    "an exception": ("1 / 0", {"error"}),
}  # fmt: skip


@pytest.mark.parametrize("attack", ENDED.values(), ids=ENDED)
def test_it_is_ended(sandbox: Sandbox, attack: tuple[str, set[Status]]) -> None:
    source, expected = attack
    begun = time.monotonic()
    changes = {"wall_s": 0.25} if "timeout" in expected else {}
    result = run(sandbox, source, **changes)
    assert result.status in expected, result
    assert result.exit is None or result.exit != 0
    assert time.monotonic() - begun < 20


def test_processor_time_is_limited_apart_from_wall_time(sandbox: Sandbox) -> None:
    result = run(sandbox, "while True: pass", wall_s=10.0, cpu_s=1)
    assert (result.status, result.reason) == ("timeout", "out of processor time"), result
    assert 0.7 < result.wall_s < 9


def test_a_processor_limit_cannot_be_ignored(strongest: Sandbox) -> None:
    source = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    result = run(strongest, source, wall_s=10.0, cpu_s=1)
    assert result.status == "timeout", result


def test_forks_end(sandbox: Sandbox) -> None:
    source = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        count += 1
except OSError as error:
    print(count, error.errno)
"""
    result = run(sandbox, source)
    count, error = map(int, result.stdout.split())
    assert 5 <= count <= LIMITS.processes + 5 and error == 11, result


def test_threads_end(sandbox: Sandbox) -> None:
    source = """
import threading, time
try:
    for count in range(1000):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
except RuntimeError:
    print(count)
"""
    # Addresses enough, or a thread starts and has none left to say so.
    result = run(sandbox, source, memory_bytes=1 << 30)
    assert 5 <= int(result.stdout) <= LIMITS.processes + 5, result


def test_a_fork_bomb_in_bash_ends(sandbox: Sandbox) -> None:
    result = run(sandbox, "bomb() { bomb | bomb & }; bomb; sleep 30", "bash", wall_s=0.3)
    assert result.status in ("timeout", "error", "ok"), result
    assert sandbox.run(Program(source="print(1)")).stdout == "1\n"


@pytest.mark.parametrize(
    "leave",
    [
        "import os, time\nif os.fork() == 0: time.sleep({mark})",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: "
        "time.sleep({mark})\n    os._exit(0)",
        "import subprocess\nsubprocess.Popen(['/usr/bin/sleep', '{mark}'])",
        "import subprocess\nsubprocess.Popen(['/usr/bin/setsid', '/usr/bin/sleep', '{mark}'])",
        "import subprocess\nsubprocess.Popen(['/usr/bin/sleep', '{mark}'], stdout=-3, stderr=-3, "
        "stdin=-3, start_new_session=True)",
        "import os, atexit, time\natexit.register(lambda: os.fork() or time.sleep({mark}))",
    ],
)
def test_what_outlives_the_program_is_ended_with_it(sandbox: Sandbox, leave: str) -> None:
    mark = str(100000 + os.getpid())
    begun = time.monotonic()
    result = run(sandbox, leave.format(mark=mark), wall_s=5.0)
    assert result.status == "ok", result
    assert result.wall_s < 4 and time.monotonic() - begun < 4.5
    assert own_processes(mark) == []


def test_a_daemon_that_holds_the_output_delays_nothing(sandbox: Sandbox) -> None:
    source = "import os, time\nprint('done', flush=True)\nif os.fork() == 0:\n"
    source += "    os.setsid()\n    time.sleep(30)"
    result = run(sandbox, source, wall_s=10.0)
    assert (result.status, result.stdout) == ("ok", "done\n") and result.wall_s < 5


def test_a_child_that_is_killed_for_memory_is_told_though_the_exit_is_0() -> None:
    """Neither child meets a limit of its own; together they do, and the parent ends well."""
    source = """
import os, time
for _ in range(2):
    if os.fork() == 0:
        held = bytearray(b'x') * (90 << 20)
        time.sleep(0.3)
        os._exit(0)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2))[0])
"""
    with opened("cgroup") as sandbox:
        result = run(sandbox, source)
    assert (result.status, result.exit, result.stdout) == ("memory", 0, "-9\n"), result


def test_scratch_is_small(bubble: Sandbox) -> None:
    """Both folders that a program may write to: neither fills the machine's memory."""
    source = """
import os
for folder in ('/tmp', '/dev/shm'):
    written = 0
    try:
        for number in range(100):
            with open(f'{folder}/{number}', 'wb') as file:
                written += file.write(b'x' * (1 << 20))
    except OSError as error:
        print(written >> 20, error.errno)
    for name in os.listdir(folder):
        os.unlink(f'{folder}/{name}')
"""
    result = run(bubble, source)
    lines = [tuple(map(int, line.split())) for line in result.stdout.splitlines()]
    assert len(lines) == 2 and all(size <= 16 and error == 28 for size, error in lines), result


def test_a_file_is_small(bubble: Sandbox) -> None:
    source = "open('/tmp/x', 'wb').write(b'x' * (5 << 20))"
    result = run(bubble, source)
    assert result.status == "error" and "File too large" in result.reason, result


def test_a_sparse_file_is_small(bubble: Sandbox) -> None:
    source = "import os\nfile = open('/tmp/x', 'wb')\nos.truncate('/tmp/x', 1 << 40)"
    assert "File too large" in run(bubble, source).reason


def test_files_without_bytes_end(bubble: Sandbox) -> None:
    """Names take memory too: the file system gives so many and no more, or memory ends."""
    source = """
import os
try:
    for number in range(10**7):
        os.close(os.open(f'/tmp/{number}', os.O_CREAT | os.O_WRONLY))
except OSError as error:
    print('ended', error.errno)
"""
    result = run(bubble, source, wall_s=0.5)
    assert result.status in ("ok", "memory", "timeout"), result
    assert run(bubble, "print(1)").stdout == "1\n"


def test_open_files_end(sandbox: Sandbox) -> None:
    source = "import os\nheld = []\nwhile True: held.append(os.pipe())"
    result = run(sandbox, source)
    assert "Too many open files" in result.reason, result


def test_an_archive_that_explodes_meets_the_limits(bubble: Sandbox) -> None:
    source = """
import io, zipfile, zlib
packed = zlib.compress(zlib.compress(bytes(1 << 26), 9), 9)
held = []
while True:
    held.append(zlib.decompress(zlib.decompress(packed)))
"""
    assert run(bubble, source).status == "memory"


def test_what_was_printed_before_the_end_is_kept(sandbox: Sandbox) -> None:
    result = run(sandbox, "print('before', flush=True)\nwhile True: pass", wall_s=0.4)
    assert (result.status, result.stdout) == ("timeout", "before\n")


def test_output_is_cut_near_the_limit(sandbox: Sandbox) -> None:
    result = run(sandbox, "while True: print('x' * 1000)")
    assert LIMITS.output_bytes <= len(result.stdout) <= 4 * LIMITS.output_bytes


def test_output_up_to_the_limit_is_whole(sandbox: Sandbox) -> None:
    result = run(sandbox, "print('x' * 60000)")
    assert (result.status, len(result.stdout)) == ("ok", 60001)


def test_output_of_any_bytes_is_shown(sandbox: Sandbox) -> None:
    source = r"import os; os.write(1, b'a\0b\xff\xfe\xed\xa0\x80\r\x1b[2J'); os.write(2, b'\x80')"
    result = run(sandbox, source)
    assert result.status == "ok" and result.stdout.startswith("a\0b�")
    assert result.stderr == "�"
    result.stdout.encode()


def test_input_that_is_not_read_harms_nobody(sandbox: Sandbox) -> None:
    long = "x" * MEBIBYTE
    result = sandbox.run(Program(source="print(1)", stdin=long), limits=LIMITS)
    assert (result.status, result.stdout) == ("ok", "1\n")
    result = sandbox.run(Program(source="import sys; sys.stdin.close(); print(1)", stdin=long))
    assert (result.status, result.stdout) == ("ok", "1\n")
    result = sandbox.run(Program(source="print(len(input()))", stdin=long))
    assert result.stdout == f"{MEBIBYTE}\n"


def test_closing_everything_is_an_end_like_others(sandbox: Sandbox) -> None:
    result = run(sandbox, "import os\nos.closerange(0, 1000)\nos._exit(3)")
    assert (result.status, result.exit) == ("error", 3)


def test_the_whole_of_a_programs_tests_is_limited(strongest: Sandbox) -> None:
    tests = [CallTest(call="f", args=(), expected=1)] * 50
    limits = Limits(wall_s=0.2, total_s=0.5)
    begun = time.monotonic()
    report = strongest.run_tests("def f():\n    while True: pass", "python", tests, limits=limits)
    assert time.monotonic() - begun < 10
    assert (report.passed, report.total, report.status) == (0, 50, "timeout")
    assert report.outcomes[-1].reason == "not reached"
