"""What a run and its tests report, for good programs of every language."""

import json
from typing import Any

import pytest
from sandbox.conftest import needs

from naga.config.base import ConfigError
from naga.sandbox import (
    LANGUAGES,
    CallTest,
    CheckTest,
    Program,
    ProgramTest,
    Sandbox,
    as_json,
    parse_tests,
)
from naga.sandbox.cases import same, same_output

SUMS = {
    "python": "print(sum(map(int, input().split())))",
    "c": '#include <stdio.h>\nint main(){int a,b;scanf("%d%d",&a,&b);printf("%d\\n",a+b);}',
    "c++": "#include <iostream>\nint main(){int a,b;std::cin>>a>>b;std::cout<<a+b<<std::endl;}",
    "bash": 'read a b\necho $((a + b))',
    "javascript": "const [a, b] = require('fs').readFileSync(0).toString().split(' ').map(Number);"
    "console.log(a + b)",
    "perl": 'my ($a, $b) = split / /, <STDIN>; print $a + $b, "\\n";',
    "ruby": "a, b = gets.split.map(&:to_i)\nputs a + b",
    "lua": 'local a, b = io.read("n", "n")\nprint(a + b)',
}  # fmt: skip
TESTS = [
    ProgramTest(stdin="1 2\n", expected_stdout="3"),
    ProgramTest(stdin="20 22\n", expected_stdout="42\n\n"),
    ProgramTest(stdin="1 1\n", expected_stdout="3"),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_of_every_language_is_tested(sandbox: Sandbox, language: str) -> None:
    needs(language)
    limits = sandbox._limits.model_copy(update={"memory_bytes": 512 << 20, "wall_s": 5.0})
    report = sandbox.run_tests(SUMS[language], language, TESTS, limits=limits)
    assert (report.passed, report.total, report.status) == (2, 3, "ok"), report
    assert [outcome.passed for outcome in report.outcomes] == [True, True, False]
    assert report.outcomes[2].reason == "the output differs"


def test_a_program_that_does_not_compile_says_why(sandbox: Sandbox) -> None:
    needs("c++")
    result = sandbox.run(Program(source="int main() { return x; }", language="c++"))
    assert result.status == "compile" and "main.cpp" in result.stderr, result
    report = sandbox.run_tests("int main( {", "c++", TESTS)
    assert (report.passed, report.total, report.status) == (0, 3, "compile")


def test_a_result_has_what_is_printed_as_json(strongest: Sandbox) -> None:
    source = (
        "import sys\nx = bytearray(b'x') * (20 << 20)\nprint('out')\nprint('err', file=sys.stderr)"
    )
    printed = json.loads(
        json.dumps(as_json(strongest.run(Program(source=source + "\nsys.exit(3)"))))
    )
    assert {"tier", "status", "stdout", "stderr", "exit", "wall_s", "max_rss"} <= set(printed)
    assert (printed["status"], printed["exit"]) == ("error", 3)
    assert (printed["stdout"], printed["stderr"]) == ("out\n", "err\n")
    assert (printed["passed"], printed["total"]) == (None, 0)
    assert 20 << 20 < printed["max_rss"] < 100 << 20 and 0 < printed["wall_s"] < 5


def test_a_report_has_what_is_printed_as_json(strongest: Sandbox) -> None:
    tests = parse_tests('[{"call": "add", "args": [1, 2], "expected": 3}]')
    printed = as_json(strongest.run_tests("def add(a, b): return a + b", "python", tests))
    assert (printed["passed"], printed["total"], printed["status"]) == (1, 1, "ok")


def test_a_traceback_begins_in_the_program(strongest: Sandbox) -> None:
    result = strongest.run(Program(source="def f():\n    return 1 / 0\nf()\n"))
    assert result.stderr.splitlines()[1] == '  File "main.py", line 3, in <module>'
    assert result.reason == "exit code 1: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("print(__name__)", "__main__"),
        ("import sys; print(sys.argv)", "['main.py']"),
        ("print(input() + input())", "ab"),
        ("import sys; print(sys.stdin.read().split())", "['a', 'b']"),
        ("exit()\nprint(1)", ""),
        ("import threading\nthreading.Timer(0.05, print, ('later',)).start()", "later"),
        ("import atexit; atexit.register(print, 'end'); print('begin')", "begin\nend"),
        ("import asyncio\nasync def f(): print(1)\nasyncio.run(f())", "1"),
        ("import subprocess; print(subprocess.run(['echo', '1'], capture_output=True).stdout)",
         "b'1\\n'"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\nprint(A(1))",
         "A(a=1)"),
        ("import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A)).__name__)", "A"),
        ("from concurrent.futures import *\nprint(*ThreadPoolExecutor(2).map(abs, [-1]))", "1"),
        ("import sys\nprint([m for m in sys.modules if 'naga' in m])", "[]"),
        ("print({'b', 'a', 'c'} == {'a', 'b', 'c'}, '你好')", "True 你好"),
    ],
)  # fmt: skip
def test_a_good_script_runs_as_it_would_elsewhere(
    sandbox: Sandbox, source: str, printed: str
) -> None:
    result = sandbox.run(Program(source=source, stdin="a\nb\n"))
    assert (result.status, result.stdout.strip()) == ("ok", printed), result


def test_the_same_program_does_the_same_twice(strongest: Sandbox) -> None:
    """Sets of strings have one order; elsewhere it changes from run to run."""
    program = Program(source="print({str(n) for n in range(50)})")
    assert strongest.run(program).stdout == strongest.run(program).stdout


def test_a_language_that_is_not_there_is_named(strongest: Sandbox) -> None:
    with pytest.raises(ConfigError, match="no language 'cobol'"):
        strongest.run(Program(source="", language="cobol"))
    with pytest.raises(ConfigError, match=r"tests\[1\]: c\+\+ has program tests"):
        tests = [TESTS[0], CallTest(call="add", expected=1)]
        strongest.run_tests("", "c++", tests)


def test_no_tests_are_no_score(strongest: Sandbox) -> None:
    report = strongest.run_tests("print(1)", "python", [])
    assert (report.passed, report.total, report.score, report.status) == (0, 0, None, "ok")


def test_tests_are_parsed() -> None:
    text = """[{"call": "f", "args": [1, [2.0]], "kwargs": {"k": null}, "expected": {"a": true}},
               {"stdin": "x", "expected_stdout": "y"}, {"check": "assert f() == 1"}]"""
    call, program, check = parse_tests(text)
    assert call == CallTest(call="f", args=(1, [2.0]), kwargs={"k": None}, expected={"a": True})
    assert program == ProgramTest(stdin="x", expected_stdout="y")
    assert check == CheckTest(check="assert f() == 1", form="isolated")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nope", "tests: no JSON"),
        ("{}", "tests: a JSON list"),
        ("[" * 100000, "tests: no JSON"),
        ("[3]", r"tests\[0\]: an object with one of"),
        ('[{"call": "f", "expected": 1}, {"stdin": "x"}]', r"tests\[1\]: an object with one of"),
        ('[{"call": "f"}]', r"tests\[0\]: expected: Field required"),
        ('[{"call": 3, "expected": 1}]', r"tests\[0\]: call: Input should be a valid string"),
        ('[{"call": "f", "expected": 1, "exepcted": 2}]', r"tests\[0\]: exepcted"),
        ('[{"call": "f", "expected": 1, "check": "x"}]', r"tests\[0\]: an object with one of"),
        ('[{"call": "f", "args": [], "expected": NaN}]', "tests: no JSON: NaN"),
        ('[{"check": "x", "form": "loose"}]', r"tests\[0\]: form"),
    ],
)
def test_a_test_that_is_none_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refusal:
        parse_tests(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("expected", "given", "right"),
    [
        (1, 1, True), (1, True, False), (True, 1, False), (1, 1.0, False), (0, False, False),
        (None, None, True), (None, False, False), ("1", 1, False), ("a", "a", True),
        ([1, 2], (1, 2), True), ([1, 2], [2, 1], False), ([1], [1, 2], False), ([], {}, False),
        ({"a": [1]}, {"a": (1,)}, True), ({"a": 1}, {"a": True}, False), ({"1": 2}, {1: 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False), ([1], {1}, False), ("a", b"a", False),
        ([[True]], [[1]], False), (0.3, 0.1 + 0.2, False), (float("1e400"), 1e400, True),
    ],
)  # fmt: skip
def test_values_are_equal_only_with_their_types(expected: Any, given: Any, right: bool) -> None:
    assert same(expected, given) is right


def test_a_tolerance_is_for_numbers_alone() -> None:
    assert same([0.3, 3], [0.1 + 0.2, 3.0], 1e-9)
    assert not same(0.3, 0.31, 1e-9)
    assert not same(1, True, 0.5)
    assert not same("a", "b", 1e9)
    assert not same(1.0, 10**400, 1e-9)


@pytest.mark.parametrize(
    ("printed", "expected", "right"),
    [
        (b"1\n2\n", "1\n2", True), (b"1 \n2\t\n\n\n", "1\n2", True), (b"1\r\n2\r\n", "1\n2", True),
        (b" 1\n", "1", False), (b"1\n\n2", "1\n2", False), (b"1 2", "1  2", False),
        (b"", "\n", True), (b"\xff", "\ufffd", False), ("你好\n".encode(), "你好", True),
        (b"\xed\xa0\x80", "\ud800", True),
    ],
)  # fmt: skip
def test_output_is_compared_but_for_space_at_the_ends_of_lines(
    printed: bytes, expected: str, right: bool
) -> None:
    assert same_output(printed, expected) is right
