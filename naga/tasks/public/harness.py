"""Turns the assertions that published code sets come with into tests whose outcomes stay outside.

`assert f(1) == 2` becomes a function without arguments that returns f(1) in its JSON form, and the
expected value 2, which the program never sees. What cannot be parted so (`abs(f(1) - 2) < 1e-6`, a
check with loops) becomes a function that returns whether it holds, expected to be true: there the
program could read what is expected of it. Runs nothing.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from naga.tasks.public.judges import FunctionTest
from naga.tasks.public.parsing import PLAIN, is_literal, literal, parse_module, plain

CHECKED = """
def _naga_checked(function):
    def call(*arguments, **options):
        result = function(*arguments, **options)
        _naga_plain(result)
        return result

    return call
"""


@dataclass(frozen=True, kw_only=True)
class Harness:
    """`text` stands behind the program; its functions are what the tests call."""

    text: str
    tests: tuple[FunctionTest, ...]


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
    return _joined([PLAIN, setup], [_of_condition(condition) for condition in conditions])


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
    others = [n for n in module.body if n is not checks[0]]
    before = ast.unparse(ast.Module(body=others, type_ignores=[]))
    candidate = f"candidate = _naga_checked({function})"
    conditions = _conditions(checks[0].body)
    if conditions is not None:
        setup = [PLAIN, CHECKED, before, candidate]
        return _joined(setup, [_of_condition(condition) for condition in conditions])
    whole = ("check(candidate)\n    return True", True)
    return _joined([PLAIN, CHECKED, before, ast.unparse(checks[0]), candidate], [whole])


def of_call(call: str, expected: object) -> Harness:
    """One test: a call, as source text, whose result is the value of a literal."""
    return _joined([PLAIN], [(f"return _naga_plain({call})", plain(expected))])


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


def _of_condition(condition: ast.expr) -> tuple[str, object]:
    """The body of the test function, and what it must return."""
    if isinstance(condition, ast.Compare) and [type(op) for op in condition.ops] == [ast.Eq]:
        left, right = condition.left, condition.comparators[0]
        if is_literal(left):
            left, right = right, left
        if is_literal(right):
            return f"return _naga_plain({ast.unparse(left)})", plain(literal(right))
        sides = f"_naga_plain({ast.unparse(left)}) == _naga_plain({ast.unparse(right)})"
        return f"return {sides}", True
    return f"return bool({ast.unparse(condition)})", True


def _joined(setup: Sequence[str], bodies: Sequence[tuple[str, object]]) -> Harness:
    texts, tests = [part.strip("\n") for part in setup if part.strip()], []
    for number, (body, expected) in enumerate(bodies):
        name = f"_naga_test_{number}"
        texts.append(f"def {name}():\n    {body}")
        tests.append(FunctionTest(call=name, expected=expected))
    return Harness(text="\n\n\n".join(texts) + "\n", tests=tuple(tests))
