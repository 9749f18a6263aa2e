"""Runs the small programs that this package makes up, and writes down every step.

It knows assignment, `+=` and the like, `for`, `while`, `if`, `print`, `append`; whole numbers,
texts, lists, arithmetic, comparisons, subscripts, len, sum, min, max, range. Anything else is a
ValueError, and so is a program that takes too many steps or grows too large: nothing is ever handed
to Python itself. A step is a line's number and what became of a name, what was printed, or how a
condition came out.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

MOST_STEPS = 500
LARGEST = 10**9
LONGEST = 200

BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": len,
    "sum": sum,
    "min": min,
    "max": max,
    "abs": abs,
    "str": str,
    "sorted": sorted,
}


@final
class Interpreter:
    """One run of one program."""

    letters: ClassVar[Mapping[bool, str]] = {True: "T", False: "F"}

    def __init__(self, source: str) -> None:
        self.names: dict[str, Any] = {}
        self.printed: list[str] = []
        self.steps: list[str] = []
        """`LINE NAME=VALUE`, `LINE T`, `LINE >PRINTED`."""
        self._block(ast.parse(source).body)

    def _note(self, node: ast.stmt, text: str) -> None:
        if len(self.steps) == MOST_STEPS:
            raise ValueError("too many steps")
        self.steps.append(f"{node.lineno} {text}")

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                self._bind(node, name, self._value(node.value))
            case ast.AugAssign(target=ast.Name(id=name)):
                changed = self._binary(node.op, self._name(name), self._value(node.value))
                self._bind(node, name, changed)
            case ast.For(target=ast.Name(id=name)):
                for item in self._items(node.iter):
                    self._bind(node, name, item)
                    self._block(node.body)
            case ast.While():
                while self._condition(node, node.test):
                    self._block(node.body)
            case ast.If():
                self._block(node.body if self._condition(node, node.test) else node.orelse)
            case ast.Expr(value=ast.Call() as call):
                self._call(node, call)
            case _:
                raise ValueError(f"line {node.lineno}: not in this language")

    def _bind(self, node: ast.stmt, name: str, value: Any) -> None:
        self.names[name] = value
        self._note(node, f"{name}={value!r}")

    def _condition(self, node: ast.stmt, test: ast.expr) -> bool:
        truth = bool(self._value(test))
        self._note(node, self.letters[truth])
        return truth

    def _items(self, node: ast.expr) -> list[Any]:
        match node:
            case ast.Call(func=ast.Name(id="range"), args=args):
                numbers = range(*(self._value(arg) for arg in args))
                return list(numbers[: MOST_STEPS + 1])
            case _:
                return list(self._value(node))

    def _call(self, node: ast.stmt, call: ast.Call) -> None:
        """`print(...)` or `NAME.append(...)`."""
        values = [self._value(arg) for arg in call.args]
        match call.func:
            case ast.Name(id="print"):
                self.printed.append(" ".join(map(str, values)))
                self._note(node, f">{self.printed[-1]}")
            case ast.Attribute(value=ast.Name(id=name), attr="append"):
                self._bind(node, name, _checked([*self._name(name), *values]))
            case _:
                raise ValueError(f"line {node.lineno}: not in this language")

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() | str() as value):
                return value
            case ast.Name(id=name):
                return self._name(name)
            case ast.List(elts=elements):
                return [self._value(element) for element in elements]
            case ast.UnaryOp(op=ast.USub()):
                return -self._value(node.operand)
            case ast.BinOp() if type(node.op) in BINARY:
                return self._binary(node.op, self._value(node.left), self._value(node.right))
            case ast.Compare(ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                return COMPARISONS[type(op)](self._value(node.left), self._value(right))
            case ast.Subscript(slice=ast.Slice() as cut):
                bounds = [
                    None if b is None else self._value(b) for b in (cut.lower, cut.upper, cut.step)
                ]
                return self._value(node.value)[slice(*bounds)]
            case ast.Subscript():
                return self._value(node.value)[self._value(node.slice)]
            case ast.Call(func=ast.Name(id=name), args=args) if name in FUNCTIONS:
                return FUNCTIONS[name](*(self._value(arg) for arg in args))
            case _:
                raise ValueError(f"line {node.lineno}: not in this language")

    def _name(self, name: str) -> Any:
        if name not in self.names:
            raise ValueError(f"{name} has no value")
        return self.names[name]

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if type(op) not in BINARY:
            raise ValueError("not an operator of this language")
        if isinstance(op, ast.Mult) and not (isinstance(left, int) and isinstance(right, int)):
            raise ValueError("only numbers are multiplied")
        return _checked(BINARY[type(op)](left, right))


def _checked(value: Any) -> Any:
    """The value, if it is not too large to be written down."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError("a number grew too large")
    if isinstance(value, str | list) and len(value) > LONGEST:
        raise ValueError("a text or a list grew too long")
    return value
