"""Arithmetic expressions as trees: read without executing anything, written, worked step by step.

Four operations on exact rationals. Reading goes through Python's own parser and then a list of the
few nodes that are allowed, so text from a model may be read; what is longer than LONGEST or has any
other sign is refused before.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from naga.tasks.working import worked, written

LONGEST = 200
PLAIN_SIGNS = re.compile(r"(?!.*[0-9][a-zA-Z])[0-9a-zA-Z+*/() -]+")
STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}
OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True, kw_only=True)
class Operation:
    operator: str
    left: "Term"
    right: "Term"


Term = Fraction | Operation


def read_term(text: str, values: Mapping[str, Fraction] | None = None) -> Term | None:
    """The tree of `text`; names stand for their `values`. None: not such an expression."""
    if len(text) > LONGEST or not PLAIN_SIGNS.fullmatch(text):
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _converted(tree.body, values or {})


def _converted(node: ast.expr, values: Mapping[str, Fraction]) -> Term | None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        return None
    left, right = _converted(node.left, values), _converted(node.right, values)
    if left is None or right is None:
        return None
    return Operation(operator=OPERATORS[type(node.op)], left=left, right=right)


def value_of(term: Term) -> Fraction | None:
    """None where it divides by zero."""
    if isinstance(term, Fraction):
        return term
    left, right = value_of(term.left), value_of(term.right)
    if left is None or right is None:
        return None
    return applied(left, term.operator, right)


def applied(left: Fraction, operator: str, right: Fraction) -> Fraction | None:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    return left / right if right else None


def leaves(term: Term) -> Iterator[Fraction]:
    if isinstance(term, Fraction):
        yield term
    else:
        yield from leaves(term.left)
        yield from leaves(term.right)


def term_text(term: Term) -> str:
    """With no more parentheses than it needs; a negative number has its own unless it leads."""
    if isinstance(term, Fraction):
        return written(term)
    strength = STRENGTH[term.operator]
    left, right = term_text(term.left), term_text(term.right)
    if isinstance(term.left, Operation) and STRENGTH[term.left.operator] < strength:
        left = f"({left})"
    if isinstance(term.right, Operation):
        loose = STRENGTH[term.right.operator] <= strength
    else:
        loose = term.right < 0
    right = f"({right})" if loose else right
    return f"{left}{term.operator}{right}"


def work_out(term: Term, head: str = "") -> list[str]:
    """One line for each operation: its working, a colon, and what is left, behind `head`."""
    lines = []
    while isinstance(term, Operation):
        working, term = _step(term)
        lines.append(f"{working}: {head}{term_text(term)}")
    return lines


def _step(term: Operation) -> tuple[str, Term]:
    """The first operation whose two sides are numbers, done."""
    if isinstance(term.left, Operation):
        working, left = _step(term.left)
        return working, Operation(operator=term.operator, left=left, right=term.right)
    if isinstance(term.right, Operation):
        working, right = _step(term.right)
        return working, Operation(operator=term.operator, left=term.left, right=right)
    result = applied(term.left, term.operator, term.right)
    if result is None:
        raise ValueError("division by zero in an expression of a task")
    return worked(term.left, term.operator, term.right), result
