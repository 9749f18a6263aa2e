"""Tests of a program: what they ask, and, on the host alone, whether the answer is right.

Three kinds. A call test names a function, plain arguments and the plain value expected. A program
test has an input and the output expected. A check is a text that asserts (HumanEval, MBPP), for
which see guest/checker.py. Values are compared by exact type: `True` is not 1, 1 is not 1.0, but a
tuple may stand for the list that JSON can say. Output is compared line by line without the
whitespace at the end of each, and without empty lines at the end; the exit code must be 0.
"""

import json
import math
import secrets
from dataclasses import replace
from typing import Any

from pydantic import Field, JsonValue, ValidationError

from naga.config.base import Config, ConfigError
from naga.sandbox.guest import pipes, values
from naga.sandbox.session import Ended, Session
from naga.sandbox.types import Form, Outcome, Status

LONGEST_ANSWER = 1 << 24


class CallTest(Config):
    call: str
    """A function of the program."""
    args: tuple[JsonValue, ...] = ()
    kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    expected: JsonValue
    tolerance: float | None = None
    """Numbers may differ so much, absolutely or relatively, and be int or float."""


class ProgramTest(Config):
    stdin: str = ""
    expected_stdout: str


class CheckTest(Config):
    check: str
    """Python that asserts; what it names and does not define is the program's."""
    entry_point: str | None = None
    """The text then defines check(candidate), called with this function."""
    functions: tuple[str, ...] = ()
    """The program's though Python has some of that name too, such as its own `sum`."""
    form: Form = "isolated"


Test = CallTest | ProgramTest | CheckTest
KINDS: dict[str, type[CallTest] | type[ProgramTest] | type[CheckTest]] = {
    "call": CallTest,
    "expected_stdout": ProgramTest,
    "check": CheckTest,
}


def parse_tests(text: str) -> tuple[Test, ...]:
    """A JSON list of tests, of any kinds; ConfigError names the one that is none."""
    try:
        rows = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"tests: no JSON: {error}") from None
    if type(rows) is not list:
        raise ConfigError("tests: a JSON list is needed")
    return tuple(_parsed(row, number) for number, row in enumerate(rows))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not in JSON")


def _parsed(row: Any, number: int) -> Test:
    kinds = [kind for key, kind in KINDS.items() if type(row) is dict and key in row]
    if len(kinds) != 1:
        names = ", ".join(KINDS)
        raise ConfigError(f"tests[{number}]: an object with one of these keys is needed: {names}")
    try:
        return kinds[0].model_validate_json(json.dumps(row))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"tests[{number}]: {place}: {first['msg']}") from None


def run_test(session: Session, test: Test) -> tuple[Outcome, Ended]:
    if isinstance(test, ProgramTest):
        ended = session.run(test.stdin)
        right = ended.status == "ok" and same_output(ended.stdout, test.expected_stdout)
        reason = ended.reason or ("" if right else "the output differs")
        return _outcome(ended, right, reason), ended
    nonce = secrets.token_hex(16)
    if isinstance(test, CheckTest):
        ended = session.ask({"nonce": nonce, **_check(test)}, test.form)
        return _checked(ended, nonce, test.form), ended
    # Tagged as the guest reads values: a dict of the test's own would be taken for a tag.
    ended = session.ask({"nonce": nonce, **_question(test)})
    return _called(ended, nonce, test), ended


def _check(test: CheckTest) -> dict[str, Any]:
    functions = list(test.functions)
    return {"test": test.check, "entry_point": test.entry_point, "functions": functions}


def _question(test: CallTest) -> dict[str, Any]:
    args = [json.loads(values.write(value)) for value in test.args]
    kwargs = {key: json.loads(values.write(value)) for key, value in test.kwargs.items()}
    return {"call": test.call, "args": args, "kwargs": kwargs}


def _called(ended: Ended, nonce: str, test: CallTest) -> Outcome:
    answer = _answer(ended, nonce)
    if isinstance(answer, Outcome):
        return answer
    if "raised" in answer:
        raised = f"{answer['raised']}: {answer.get('message', '')}"[:200]
        status: Status = "memory" if answer["raised"] == "MemoryError" else "error"
        return Outcome(passed=False, status=status, reason=raised, wall_s=ended.wall_s)
    try:
        given = values.read(json.loads(answer["value"]))
    except (KeyError, ValueError, TypeError, RecursionError):
        return _outcome(ended, False, str(answer.get("failed", "no value"))[:200])
    right = same(test.expected, given, test.tolerance)
    return _outcome(ended, right, "" if right else "another value than expected")


def _checked(ended: Ended, nonce: str, form: Form) -> Outcome:
    answer = _answer(ended, nonce)
    if isinstance(answer, Outcome):
        return replace(answer, form=form)
    if "unable" in answer:
        reason = f"the test cannot be run isolated: {answer['unable']}"[:300]
        outcome = Outcome(passed=False, status="sandbox", reason=reason)
    else:
        right = answer.get("passed") is True
        outcome = _outcome(ended, right, str(answer.get("reason", ""))[:300])
    return replace(outcome, form=form)


def _answer(ended: Ended, nonce: str) -> dict[str, Any] | Outcome:
    """What it said when asked, if it did; a program that ended, or said something else, failed."""
    if ended.status != "ok":
        return _outcome(ended, False, ended.reason)
    try:
        found = pipes.unpack(ended.answer, LONGEST_ANSWER)
    except (ValueError, RecursionError):
        found = None
    answer = found[0] if found else None
    if type(answer) is not dict or answer.get("nonce") != nonce:
        reason = "it ended without an answer"
        return Outcome(passed=False, status="error", reason=reason, wall_s=ended.wall_s)
    return answer


def _outcome(ended: Ended, right: bool, reason: str) -> Outcome:
    return Outcome(passed=right, status=ended.status, reason=reason, wall_s=ended.wall_s)


def same(expected: Any, given: Any, tolerance: float | None = None) -> bool:
    """Equal, of exactly the same types, to any depth; never raises, whatever was given."""
    if tolerance is not None and _number(expected) and _number(given):
        return _close(expected, given, tolerance)
    if type(given) is tuple:
        given = list(given)
    if type(expected) is not type(given):
        return False
    if type(expected) is list:
        return len(expected) == len(given) and all(
            same(one, other, tolerance) for one, other in zip(expected, given, strict=True)
        )
    if type(expected) is dict:
        return expected.keys() == given.keys() and all(
            same(part, given[key], tolerance) for key, part in expected.items()
        )
    return bool(expected == given)


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _close(expected: float, given: float, tolerance: float) -> bool:
    try:
        return math.isclose(expected, given, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # an integer that no float can hold
        return expected == given


def same_output(stdout: bytes, expected: str) -> bool:
    return _lines(stdout) == _lines(expected.encode(errors="surrogatepass"))


def _lines(output: bytes) -> list[bytes]:
    return [line.rstrip() for line in output.rstrip().split(b"\n")]
