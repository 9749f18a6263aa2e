"""The value of an arithmetic expression such as `(3 + 5) * 4 / 2`, computed exactly and in bounds.

Only numbers, + - * / // % **, signs and parentheses: a whitelist over Python's syntax tree, so a
name, a call, an attribute or anything else is refused and nothing is ever executed. For graders of
answers that are expressions (countdown) and for the calculator tool. Not for LaTeX.
"""

import ast
from collections import Counter
from fractions import Fraction

MAX_LENGTH = 300
MAX_DEPTH = 40
MAX_EXPONENT = 1000
MAX_BITS = 4096
"""Of any numerator or denominator on the way."""


class ArithmeticRefused(ValueError):
    """The text is not an expression of this kind, or its value has no bound we accept."""


def evaluate(text: str) -> Fraction:
    """Exact value; ArithmeticRefused says why there is none."""
    return _value(parse(text), MAX_DEPTH)


def parse(text: str) -> ast.expr:
    """The syntax tree, with only the length looked at so far."""
    text = text.translate(str.maketrans("×÷−·（）", "*/-*()")).replace("^", "**").strip()
    if not text or len(text) > MAX_LENGTH:
        raise ArithmeticRefused(f"expression of {len(text)} characters; 1 to {MAX_LENGTH} allowed")
    if not set(text) <= set("0123456789.+-*/%() \t"):
        raise ArithmeticRefused("only numbers, + - * / % ** and parentheses are allowed")
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ArithmeticRefused("not an arithmetic expression") from None


def numbers_in(text: str) -> Counter[Fraction]:
    """How often each number is written in the expression, whatever is done with it."""
    return Counter(
        _constant(node) for node in ast.walk(parse(text)) if isinstance(node, ast.Constant)
    )


def _value(node: ast.expr, depth: int) -> Fraction:
    if depth == 0:
        raise ArithmeticRefused(f"nested deeper than {MAX_DEPTH}")
    if isinstance(node, ast.Constant):
        return _constant(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _value(node.operand, depth - 1)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, depth - 1), _value(node.right, depth - 1)
        return _bounded(_apply(node.op, left, right))
    raise ArithmeticRefused(f"{type(node).__name__} is not allowed")


def _constant(node: ast.Constant) -> Fraction:
    if type(node.value) is int:
        return _bounded(Fraction(node.value))
    if type(node.value) is float:
        # What float() rounded is read again from its shortest decimal: 0.1 is one tenth.
        return _bounded(Fraction(repr(node.value))) if abs(node.value) < 1e300 else _too_large()
    raise ArithmeticRefused(f"{node.value!r} is not a number")


def _apply(operator: ast.operator, left: Fraction, right: Fraction) -> Fraction:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.Pow):
        return _power(left, right)
    if right == 0:
        raise ArithmeticRefused("division by zero")
    if isinstance(operator, ast.Div):
        return left / right
    if isinstance(operator, ast.FloorDiv):
        return Fraction(left // right)
    if isinstance(operator, ast.Mod):
        return left % right
    raise ArithmeticRefused(f"{type(operator).__name__} is not allowed")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
        raise ArithmeticRefused(f"exponents are whole numbers up to {MAX_EXPONENT}")
    if base == 0 and exponent < 0:
        raise ArithmeticRefused("division by zero")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent)
    return Fraction(base ** int(exponent)) if bits <= MAX_BITS else _too_large()


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        return _too_large()
    return value


def _too_large() -> Fraction:
    raise ArithmeticRefused(f"a number of more than {MAX_BITS} bits")
