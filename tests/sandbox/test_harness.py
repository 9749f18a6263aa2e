"""Attacks on the grading: a wrong program does not pass, whatever it does in its process."""

import json

import pytest
from sandbox.conftest import SMALL

from naga.sandbox import CallTest, CheckTest, ProgramTest, Sandbox, Test
from naga.sandbox.guest import pipes

ADD: list[Test] = [
    CallTest(call="add", args=(1, 2), expected=3),
    CallTest(call="add", args=(20, 22), expected=42),
]
CHECK: list[Test] = [
    CheckTest(
        check="def check(candidate):\n    assert candidate(1, 2) == 3\n"
        "    assert candidate(20, 22) == 42",
        entry_point="add",
    ),
    CheckTest(check="assert add(1, 2) == 3\nassert add(20, 22) == 42"),
]
PRINTED: list[Test] = [ProgramTest(stdin="1 2\n", expected_stdout="3\n")]

BRIEF = SMALL.model_copy(update={"wall_s": 0.4})

# Answers every call with something that says it is equal to everything.
ALWAYS_EQUAL = """
class Equal{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
def add(a, b): return Equal()
"""

CHEATS = {
    "exit at once": "import sys\nsys.exit(0)\ndef add(a, b): return a + b",
    "exit in the function": "import sys\ndef add(a, b): sys.exit(0)",
    "exit by the builtin": "def add(a, b): exit(0)",
    "end the process": "import os\ndef add(a, b): os._exit(0)",
    "end it while loading": "import os\nos._exit(0)",
    "raise SystemExit": "def add(a, b): raise SystemExit(0)",
    "raise KeyboardInterrupt": "def add(a, b): raise KeyboardInterrupt",
    "raise GeneratorExit": "def add(a, b): raise GeneratorExit",
    "say passed and die": "import os, signal\ndef add(a, b):\n    print('passed')\n"
    "    os.kill(os.getpid(), signal.SIGKILL)",
    "equal to everything": ALWAYS_EQUAL.format(base=""),
    "an int equal to everything": ALWAYS_EQUAL.format(base="(int)"),
    "a str equal to everything": ALWAYS_EQUAL.format(base="(str)"),
    "a list equal to everything": ALWAYS_EQUAL.format(base="(list)"),
    "a dict equal to everything": ALWAYS_EQUAL.format(base="(dict)"),
    "a float equal to everything": ALWAYS_EQUAL.format(base="(float)"),
    "a list of equals": ALWAYS_EQUAL.format(base="") + "def add(a, b): return [Equal()]",
    "a forged type": "class int(int):\n    def __eq__(s, o): return True\n"
    "def add(a, b): return int(0)",
    "a patched int": "import builtins\nbuiltins.int = builtins.type = lambda *a: True\n"
    "def add(a, b): return object()",
    "a mock": "from unittest.mock import ANY\ndef add(a, b): return ANY",
    "a patched assert": "import builtins\nbuiltins.AssertionError = type('A', (Exception,), {})\n"
    "def add(a, b): raise builtins.AssertionError",
    "patched json": "import json\njson.dumps = lambda *a, **k: '3'\ndef add(a, b): return 0",
    "patched modules": "import sys, types\nfor name in ('json', 'naga', 'math'):\n"
    "    sys.modules[name] = types.ModuleType(name)\ndef add(a, b): return 0",
    "an import hook": "import sys\nclass Hook:\n    def find_spec(self, *a): raise SystemExit(0)\n"
    "sys.meta_path.insert(0, Hook())\ndef add(a, b):\n    import decimal",
    "a patched unittest": "import unittest\nunittest.TestCase.run = lambda *a: None\n"
    "def add(a, b): return 0",
    "a trace": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\n"
    "def add(a, b): return 0",
    "an exit handler": "import atexit, os\natexit.register(lambda: os._exit(0))\n"
    "def add(a, b): raise SystemExit(1)",
    "an excepthook": "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\n"
    "def add(a, b): raise ValueError",
    "a thread that ends it": "import threading, os\nthreading.Timer(0.01, os._exit, (0,)).start()\n"
    "def add(a, b):\n    while True: pass",
    "a generator": "def add(a, b): yield a + b",
    "a coroutine": "async def add(a, b): return a + b",
    "a function of a function": "def add(a, b): return lambda: a + b",
    "true for one": "def add(a, b): return True",
    "a string": "def add(a, b): return str(a + b)",
    "a float": "def add(a, b): return a + b + 0.5",
    "nothing": "def add(a, b): pass",
    "another name": "def sum_of(a, b): return a + b",
    "not callable": "add = 3",
    "empty": "",
    "no Python": "def add(a, b) return a + b",
    "a NUL byte": "def add(a, b):\0 return a + b",
    "lone surrogates": "def add(a, b): return '\\ud800'",
    "nested without end": "def add(a, b):\n    x = []\n    x.append(x)\n    return x",
    "very deep": "def add(a, b):\n    x = []\n    for _ in range(100000): x = [x]\n    return x",
    "very large": "def add(a, b): return 10 ** 5000",
    "infinite": "def add(a, b): return float('nan')",
    "recursion": "def add(a, b): return add(a, b)",
    "recursion into the stack's end": "import sys\nsys.setrecursionlimit(10**9)\n"
    "def add(a, b): return add(a, b)",
    "a segfault": "import ctypes\ndef add(a, b): ctypes.string_at(0)",
    "closed pipes": "import os\nos.closerange(3, 100)\ndef add(a, b): return a + b + 1",
    "closed pipes in the call": "import os\ndef add(a, b):\n    os.closerange(0, 100)",
    "fork and return twice": "import os\ndef add(a, b):\n    return os.fork() + 1000",
    "change the arguments": "def add(*a):\n    for x in a: x = 3\n    return a",
}

# Each looks for what was expected, or for a nonce, wherever a process might find it.
SEARCHES = {
    "frames": """
import sys
def add(a, b):
    frame, seen = sys._getframe(), []
    while frame:
        seen.append(repr(frame.f_locals) + repr(frame.f_globals))
        frame = frame.f_back
    return ''.join(seen)
""",
    "garbage": """
import gc
def add(a, b):
    return ''.join(repr(o) for o in gc.get_objects() if type(o) in (dict, list, str))
""",
    "memory": """
def add(a, b):
    found = []
    for line in open('/proc/self/maps'):
        place, rights = line.split()[:2]
        if 'r' in rights and '[v' not in line:
            low, high = (int(part, 16) for part in place.split('-'))
            with open('/proc/self/mem', 'rb') as memory:
                memory.seek(low)
                found.append(memory.read(high - low))
    shifted = bytes((byte + 1) % 256 for byte in range(256))
    return 'yes' if b'fyqfdufe5353' in b''.join(found).translate(shifted) else 'no'
""",
    "files": """
import os
def add(a, b):
    seen = []
    for folder in ('/tmp', '/dev/shm', '/etc', '/home', '/opt', '/run', '/var', '.'):
        for root, _, names in os.walk(folder):
            for name in names:
                try: seen.append(open(os.path.join(root, name)).read(10000))
                except (OSError, UnicodeError): pass
    return ''.join(seen)
""",
    "processes": """
import os
def add(a, b):
    seen = []
    for process in range(1, 50):
        for name in ('cmdline', 'environ', 'status', 'stack', 'maps'):
            try: seen.append(open(f'/proc/{process}/{name}').read())
            except OSError: pass
    return ''.join(seen)
""",
}


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS)
def test_a_cheat_passes_nothing(strongest: Sandbox, cheat: str) -> None:
    tests = [*ADD[:1], *CHECK]
    report = strongest.run_tests(cheat, "python", tests, limits=BRIEF)
    assert (report.passed, report.total) == (0, 3), report
    assert [outcome.form for outcome in report.outcomes] == [None, "isolated", "isolated"]


@pytest.mark.parametrize("form", ["call", "check"])
def test_the_right_program_passes(sandbox: Sandbox, form: str) -> None:
    tests = ADD if form == "call" else CHECK
    report = sandbox.run_tests("def add(a, b):\n    return a + b\n", "python", tests)
    assert (report.passed, report.status, report.score) == (2, "ok", 1.0), report


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_what_is_expected_is_nowhere_in_the_sandbox(sandbox: Sandbox, search: str) -> None:
    """Nothing that the program finds holds the value, of this test or of the next."""
    found: list[str] = []
    for call in ("add", "add"):
        tests: list[Test] = [CallTest(call=call, args=(1, 2), expected="expected4242")]
        report = sandbox.run_tests(
            f"def noted(value):\n    print(value)\n    return value\n{search}\n"
            "seek = add\ndef add(a, b): return noted(str(seek(a, b))[-60000:])",
            "python",
            tests,
        )
        assert report.passed == 0
        found.append(report.stdout)
    assert "expected4242" not in "".join(found) and "yes\n" not in found


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_the_text_of_a_check_is_nowhere_near_the_program(sandbox: Sandbox, search: str) -> None:
    check = "SECRET = 'expected4242'\nassert SECRET not in str(add(1, 2))[-60000:]"
    check += "\nassert add(1, 2) != 'yes'"
    report = sandbox.run_tests(search, "python", [CheckTest(check=check)])
    # Refused (Landlock hides /proc) or found nothing: never the text.
    assert report.passed == 1 or "PermissionError" in report.reason, report


@pytest.mark.parametrize("search", ["frames", "memory"])
def test_the_searches_do_find_what_shares_their_process(strongest: Sandbox, search: str) -> None:
    """Else the two tests above would prove nothing."""
    check = "SECRET = 'expected4242'\nfound = add(1, 2)\nassert SECRET not in found != 'yes'"
    report = strongest.run_tests(
        SEARCHES[search], "python", [CheckTest(check=check, form="shared")]
    )
    assert report.outcomes[0].reason == "AssertionError", report


def test_an_answer_forged_before_the_question_is_refused(strongest: Sandbox) -> None:
    """On the very pipe that answers go by: it has not heard this call's nonce."""
    forged = pipes.pack({"nonce": "0" * 32, "value": "3", "after": []}).decode()
    source = f"import os\nos.write(4, {forged!r}.encode())\ndef add(a, b): return 0"
    report = strongest.run_tests(source, "python", ADD)
    assert report.passed == 0
    assert report.outcomes[0].reason == "it ended without an answer"


@pytest.mark.parametrize(
    "junk",
    ["b'zzzzzzzz'", "b'-0000001'", "b'7fffffff' + b'{'", "b'00000004nope'", "b'\\0' * 64",
     "b'00000002[]'", "b'00000004null'", "b'%08x' % 60000 + b'[' * 60000",
     "b'%08x' % 9000 + b'1' * 9000"],
)  # fmt: skip
def test_junk_on_the_answer_pipe_fails_and_breaks_nothing(strongest: Sandbox, junk: str) -> None:
    for tests in (ADD, CHECK):
        source = f"import os\nos.write(4, {junk})\ndef add(a, b): return 0"
        report = strongest.run_tests(source, "python", tests)
        assert report.passed == 0, report
    assert strongest.run_tests("def add(a, b): return a + b", "python", ADD).passed == 2


def test_an_answer_without_end_is_cut(strongest: Sandbox) -> None:
    source = "import os\ndef add(a, b):\n    while True: os.write(4, b'0' * 65536)"
    report = strongest.run_tests(source, "python", ADD[:1])
    assert report.passed == 0


def test_a_checker_is_neither_read_nor_ended_to_advantage(sandbox: Sandbox) -> None:
    """The program tries every process it can name, during a call."""
    source = """
import os, signal
def add(a, b):
    for process in range(1, 300):
        if process == os.getpid():
            continue
        try:
            with open(f'/proc/{process}/mem', 'r+b') as memory:
                return 'read'
        except OSError:
            pass
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            pass
    return 0
"""
    check = "assert add(1, 2) != 'read'\nassert add(1, 2) == 0"
    report = sandbox.run_tests(source, "python", [CheckTest(check=check)])
    # Ended with the checker, or found nothing to end.
    assert report.outcomes[0].reason != "AssertionError", report
    assert sandbox.run_tests(source, "python", CHECK[1:]).passed == 0


def test_a_stopped_checker_is_a_timeout(bubble: Sandbox) -> None:
    source = """
import os, signal
def add(a, b):
    for process in range(2, 100):
        if process != os.getpid():
            try: os.kill(process, signal.SIGSTOP)
            except OSError: pass
    return a + b
"""
    report = bubble.run_tests(source, "python", CHECK[1:], limits=BRIEF)
    assert (report.passed, report.status) == (0, "timeout"), report


def test_a_test_sees_nothing_of_the_test_before(strongest: Sandbox) -> None:
    source = "seen = []\ndef add(a, b):\n    seen.append(a)\n    return len(seen)"
    tests: list[Test] = [CallTest(call="add", args=(1, 2), expected=1) for _ in range(3)]
    assert strongest.run_tests(source, "python", tests).passed == 3


def test_one_wrong_test_costs_one(strongest: Sandbox) -> None:
    source = "import os\ndef add(a, b):\n    if a == 20: os._exit(0)\n    return a + b"
    report = strongest.run_tests(source, "python", ADD)
    assert (report.passed, report.score) == (1, 0.5)
    assert [outcome.status for outcome in report.outcomes] == ["ok", "error"]


def test_a_loop_in_one_test_leaves_the_others(strongest: Sandbox) -> None:
    source = "def add(a, b):\n    while a == 1: pass\n    return a + b"
    report = strongest.run_tests(source, "python", ADD, limits=BRIEF)
    assert [outcome.status for outcome in report.outcomes] == ["timeout", "ok"]
    assert (report.passed, report.status) == (1, "timeout")


def test_a_sentinel_printed_is_only_output(strongest: Sandbox) -> None:
    forged = json.dumps({"nonce": "0", "ended": "exit", "code": 0, "passed": True})
    source = f"import os, sys\nfor n in range(3, 64):\n    try: os.write(n, b'%08x' % {len(forged)}"
    source += f" + {forged.encode()!r})\n    except OSError: pass\nprint({forged!r})\nsys.exit(7)"
    report = strongest.run_tests(source, "python", PRINTED)
    assert (report.passed, report.exit) == (0, 7)
    assert forged in report.stdout


def test_a_right_output_with_a_failing_exit_fails(strongest: Sandbox) -> None:
    report = strongest.run_tests("print(3)\nraise SystemExit(1)", "python", PRINTED)
    assert report.passed == 0


def test_the_weak_form_is_named(strongest: Sandbox) -> None:
    """It serves tests whose values do not cross; a program beside it can forge what it likes."""
    check = "class_ = Counter()\nclass_.add(2)\nassert class_.total == 2"
    source = "class Counter:\n    total = 0\n    def add(self, n): self.total += n"
    report = strongest.run_tests(source, "python", [CheckTest(check=check, form="shared")])
    assert (report.passed, report.outcomes[0].form) == (1, "shared")
    wrong = source.replace("+= n", "= 5")
    assert strongest.run_tests(wrong, "python", [CheckTest(check=check, form="shared")]).passed == 0


def test_what_an_isolated_check_cannot_ask_is_missing_not_wrong(strongest: Sandbox) -> None:
    check = CheckTest(check="assert apply(lambda x: x + 1, 2) == 3")
    report = strongest.run_tests("def apply(f, x): return f(x)", "python", [check])
    assert (report.passed, report.score, report.status) == (None, None, "sandbox")
    assert "type function" in report.reason


def test_values_cross_with_their_types(strongest: Sandbox) -> None:
    check = """
assert echo((1, [2.5, {"a": {1, 2}}], b"x", None, True, 2j, frozenset({3}))) == (
    1, [2.5, {"a": {1, 2}}], b"x", None, True, 2j, frozenset({3}))
assert type(echo((1,))) is tuple and type(echo(True)) is bool
nan = echo(float("nan"))
assert nan != nan
given = {"b": [3]}
assert change(given) is None and given == {"b": [3], "a": 1}
try:
    fail(3)
except KeyError as error:
    assert "three" in str(error)
else:
    assert False
counter, numbers, generator, mapped = kinds(3)
assert counter == {"a": 2, "b": 1} and numbers == range(3)
assert generator != [0, 1, 2] and list(generator) == [0, 1, 2] and next(mapped) == 3
assert sum(3, 4) == 12
"""
    source = """
def echo(value): return value
def change(value): value["a"] = 1
def fail(value): raise KeyError("three")
def kinds(n):
    from collections import Counter
    return Counter("aab"), range(n), (x for x in range(n)), map(abs, [-n])
def sum(a, b): return a * b
"""
    report = strongest.run_tests(source, "python", [CheckTest(check=check, functions=("sum",))])
    assert report.passed == 1, report


def test_a_program_cannot_end_the_loop_that_checks_it(strongest: Sandbox) -> None:
    source = "def add(a, b): raise StopIteration"
    check = CheckTest(check="for found in map(add, [1], [2]):\n    assert found == 3")
    assert strongest.run_tests(source, "python", [check]).passed == 0


def test_a_program_cannot_replace_what_the_check_takes_from_python(strongest: Sandbox) -> None:
    source = "def abs(x): return 0\ndef isinstance(*a): return True\ndef add(a, b): return 100"
    check = CheckTest(check="assert isinstance(add(1, 2), int) and abs(add(1, 2) - 3) < 0.5")
    assert strongest.run_tests(source, "python", [check]).passed == 0
