"""Turns the assertions that published code sets come with into tests whose outcomes stay outside.

`assert f(1) == 2` becomes a function without arguments that returns f(1) in its JSON form, and the
expected value 2, which the program never sees. What cannot be parted so (`abs(f(1) - 2) < 1e-6`, a
check with loops) stays Python that asserts, for the judge to run apart from the program. Runs
nothing.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from naga.tasks.public.judges import CheckTest, FunctionTest
from naga.tasks.public.parsing import PLAIN, is_literal, literal, parse_module, plain


@dataclass(frozen=True, kw_only=True)
class Harness:
    """`text` stands behind the program; its functions are what the function tests call."""

    text: str
    tests: tuple[FunctionTest | CheckTest, ...]


def of_assertions(lines: Sequence[str], setup: str) -> Harness | None:
    """One test for each line; None if one of them is not a single assertion, or setup no Python."""
    conditions = []
    for line in lines:
        module = parse_module(line.replace("\r\n", "\n").strip())
        if module is None or len(module.body) != 1 or not isinstance(module.body[0], ast.Assert):
            return None
        conditions.append(module.body[0].test)
    if parse_module(setup) is None:
        return None

    def check(condition: ast.expr) -> CheckTest:
        return CheckTest(check=f"{setup}\nassert {ast.unparse(condition)}".strip())

    return _joined([PLAIN, setup], conditions, check)


def of_check(source: str, function: str) -> Harness | None:
    """Of a program that defines `check(candidate)`; None if it does not.

    A check that is all assertions is as many tests, any other is one.
    """
    module = parse_module(source)
    if module is None:
        return None
    checks = [n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    if len(checks) != 1:
        return None
    conditions = _conditions(checks[0].body)
    if conditions is None:
        return Harness(text="", tests=(CheckTest(check=source, entry_point=function),))
    others = [n for n in module.body if n is not checks[0]]
    before = ast.unparse(ast.Module(body=others, type_ignores=[]))

    def check(condition: ast.expr) -> CheckTest:
        text = f"{before}\n\n\ndef check(candidate):\n    assert {ast.unparse(condition)}".strip()
        return CheckTest(check=text, entry_point=function)

    return _joined([PLAIN, before, f"candidate = {function}"], conditions, check)


def of_call(call: str, expected: object) -> Harness:
    """One test: a call, as source text, whose result is the value of a literal."""
    name, text = _function(0, call)
    return Harness(
        text=f"{PLAIN.strip()}\n\n\n{text}\n",
        tests=(FunctionTest(call=name, expected=plain(expected)),),
    )


def _conditions(body: Sequence[ast.stmt]) -> list[ast.expr] | None:
    """Those of a body that only asserts; what is true in any case is left out."""
    conditions = []
    for statement in body:
        if isinstance(statement, ast.Assert):
            conditions.append(statement.test)
        elif not _does_nothing(statement):
            return None
    return [c for c in conditions if not isinstance(c, ast.Constant)] or None


def _does_nothing(statement: ast.stmt) -> bool:
    """`pass`, or a text that only explains."""
    explains = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return explains or isinstance(statement, ast.Pass)


def _parted(condition: ast.expr) -> tuple[str, object] | None:
    """Of a comparison with a literal the other side, as source text, and the literal's value."""
    if not isinstance(condition, ast.Compare) or [type(o) for o in condition.ops] != [ast.Eq]:
        return None
    left, right = condition.left, condition.comparators[0]
    if is_literal(left):
        left, right = right, left
    return (ast.unparse(left), literal(right)) if is_literal(right) else None


def _joined(
    setup: Sequence[str], conditions: Sequence[ast.expr], check: Callable[[ast.expr], CheckTest]
) -> Harness:
    texts = [part.strip("\n") for part in setup if part.strip()]
    tests = list[FunctionTest | CheckTest]()
    for number, condition in enumerate(conditions):
        parted = _parted(condition)
        if parted is None:
            tests.append(check(condition))
            continue
        name, text = _function(number, parted[0])
        texts.append(text)
        tests.append(FunctionTest(call=name, expected=plain(parted[1])))
    return Harness(text="\n\n\n".join(texts) + "\n", tests=tuple(tests))


def _function(number: int, expression: str) -> tuple[str, str]:
    name = f"_naga_test_{number}"
    return name, f"def {name}():\n    return _naga_plain({expression})"
