"""A calculator: + - * / // % ** over numbers and brackets, exactly, by a walk over the syntax tree.

Names, calls, comparisons and everything else are refused, and so is what would take long or grow
long: the expression may come from a model. Nothing is handed to Python's own evaluation.
"""

import ast
from collections.abc import Callable, Mapping
from fractions import Fraction

LONGEST = 200
DEEPEST = 40
LARGEST = 10**40
LARGEST_POWER = 100
PLACES = 6
ALLOWED = frozenset("0123456789.+-*/%() ")


class ToolError(ValueError):
    """A call that cannot be answered, in words for the one who called."""


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or not 0 <= exponent <= LARGEST_POWER or abs(base) > 10**6:
        raise ToolError("this power is not supported")
    return Fraction(base ** int(exponent))


OPERATORS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: lambda a, b: a % b,
    ast.Pow: _power,
}


def calculate(expression: str) -> str:
    """The value, with at most PLACES decimals; ToolError says what is wrong with the expression."""
    if not expression.strip() or len(expression) > LONGEST or not set(expression) <= ALLOWED:
        raise ToolError("write numbers, + - * / // % ** and brackets only")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolError("this is not an expression") from None
    return _written(_value(tree.body, DEEPEST))


def _value(node: ast.expr, depth: int) -> Fraction:
    if depth == 0:
        raise ToolError("too many brackets")
    match node:
        case ast.Constant(value=int() | float() as number):
            return _checked(Fraction(str(number)) if abs(number) < 10**15 else Fraction(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth - 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _apply(op, _value(left, depth - 1), _value(right, depth - 1))
        case _:
            raise ToolError("write numbers, + - * / // % ** and brackets only")


def _apply(op: ast.operator, left: Fraction, right: Fraction) -> Fraction:
    try:
        return _checked(OPERATORS[type(op)](left, right))
    except ZeroDivisionError:
        raise ToolError("division by zero") from None


def _checked(value: Fraction) -> Fraction:
    if abs(value) > LARGEST or value.denominator > LARGEST:
        raise ToolError("the number is too large")
    return value


def _written(value: Fraction) -> str:
    scaled = round(value * 10**PLACES)
    whole, part = divmod(abs(scaled), 10**PLACES)
    text = f"{whole}.{part:0{PLACES}}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text
