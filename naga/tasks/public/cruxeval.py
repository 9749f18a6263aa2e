"""CRUXEval: {code, input, output, id}: what a function returns, or with what it returns that.

A predicted output is compared as a literal's value, here. A predicted input is parsed, must be
made of literals and a few plain functions, and is run by the judge: any that gives the output is
right.

Gu et al. 2024, arXiv 2401.03065.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, final

from naga.config.base import ConfigError
from naga.tasks.example import Example, Verdict
from naga.tasks.public.base import PublicSet, make_example, unpacked
from naga.tasks.public.code import NO_JUDGE, ProgramAnswer, judge_program
from naga.tasks.public.harness import of_call
from naga.tasks.public.judges import RunsTests, graded, unjudged
from naga.tasks.public.parsing import (
    fenced,
    is_literal,
    literal,
    parse_expression,
    parse_module,
    plain,
)
from naga.tasks.public.rows import Row, read_some_rows

FUNCTION = "f"
TAGGED = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)
OUTPUT_PROMPT = (
    "What does this call return? Answer with the assertion, ?? replaced by a literal, between "
    "[ANSWER] and [/ANSWER].\n\n```python\n{code}\n\nassert f({input}) == ??\n```"
)
INPUT_PROMPT = (
    "Find arguments with which the assertion holds; any will do. Answer with the assertion, ?? "
    "replaced by literals, between [ANSWER] and [/ANSWER].\n\n"
    "```python\n{code}\n\nassert f(??) == {output}\n```"
)
OPERATIONS = (ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator, ast.BoolOp, ast.boolop)
COMPARISONS = (ast.Compare, ast.cmpop, ast.Subscript, ast.Slice)
FUNCTIONS = (ast.Call, ast.keyword, ast.Lambda, ast.arguments, ast.arg)
VALUES = (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Load)
HARMLESS = (*OPERATIONS, *COMPARISONS, *FUNCTIONS, *VALUES)
HARMLESS_NAMES = ("dict", "list", "set", "frozenset", "tuple", "range", "str", "int", "float")
CALL = "_naga_arguments"
"""Stands for the predicted call in the tests of an input; it is put in when there is one."""


@final
class CruxEvalOutput(PublicSet):
    name: ClassVar[str] = "cruxeval_output"

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            code, given, output = _fields(row)
            yield make_example(
                self.name,
                problem=f"{code}\nf({given})",
                prompt=OUTPUT_PROMPT.format(code=code, input=given),
                content=f"[ANSWER]assert f({given}) == {output}[/ANSWER]",
                answer=output,
            )

    def grade(self, example: Example, reply: str) -> Verdict:
        wanted = parse_expression(example.answer)
        if wanted is None or not is_literal(wanted):
            raise ConfigError(f"answer of {self.name!r}: must be a literal of Python")
        given = _side(_answered(reply), "output")
        if given is None or not is_literal(given):
            return graded(False, matched_by="", reason="the answer is no Python literal")
        same = repr(plain(literal(given))) == repr(plain(literal(wanted)))
        reason = f"the answer is {ast.unparse(given)[:80]}"
        return graded(same, matched_by="literal", reason=reason)


@final
class CruxEvalInput(PublicSet):
    name: ClassVar[str] = "cruxeval_input"

    def __init__(self, run: RunsTests | None = None) -> None:
        self._run = run

    def read(self, path: Path) -> Iterator[Example]:
        for row in read_some_rows(path):
            code, given, output = _fields(row)
            wanted = parse_expression(output)
            assert wanted is not None
            harness = of_call(f"{CALL}()", literal(wanted))
            answer = ProgramAnswer(
                function=FUNCTION, begun=code, harness=harness.text, tests=harness.tests
            )
            yield make_example(
                self.name,
                problem=f"{code}\n{output}",
                prompt=INPUT_PROMPT.format(code=code, output=output),
                content=f"[ANSWER]assert f({given}) == {output}[/ANSWER]",
                answer=answer.model_dump_json(),
            )

    def grade(self, example: Example, reply: str) -> Verdict:
        if self._run is None:
            return unjudged(NO_JUDGE)
        call = _side(_answered(reply), "input")
        if call is None or not _is_plain_call(call):
            return graded(False, matched_by="", reason="the answer is no plain call of f")
        begun = unpacked(example, ProgramAnswer).begun
        program = f"{begun}\n\n\ndef {CALL}():\n    return {ast.unparse(call)}"
        return judge_program(self._run, example, program)


def _fields(row: Row) -> tuple[str, str, str]:
    """Code, input and output, which must be Python, the output a literal."""
    code, given, output = row.text("code"), row.optional_text("input"), row.text("output")
    module = parse_module(code)
    if module is None or not any(_is_function(statement) for statement in module.body):
        row.fail("'code' is no Python that defines f")
    call, value = parse_expression(f"f({given})"), parse_expression(output)
    if call is None or value is None or not is_literal(value):
        row.fail("'input' must be arguments, and 'output' a literal, in Python")
    return code, given, output


def _is_function(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.FunctionDef) and statement.name == FUNCTION


def _answered(reply: str) -> str:
    """Between the last tags, else the last fenced block, else the last line."""
    tagged = TAGGED.findall(reply)
    if tagged:
        blocks = fenced(tagged[-1])
        return (blocks or tagged)[-1].strip()
    blocks = fenced(reply)
    lines = reply.strip().splitlines()
    return (blocks[-1] if blocks else lines[-1] if lines else "").strip()


def _side(text: str, side: str) -> ast.expr | None:
    """Of an assertion or comparison the side of the output or the input, else the expression."""
    expression = parse_expression(text.removeprefix("assert ").strip())
    if isinstance(expression, ast.Compare) and [type(o) for o in expression.ops] == [ast.Eq]:
        return expression.comparators[0] if side == "output" else expression.left
    if side == "input" and not isinstance(expression, ast.Call):
        return parse_expression(f"{FUNCTION}({text})")
    return expression


def _is_plain_call(node: ast.expr) -> bool:
    """f(...) whose arguments cannot reach anything of the program that checks it."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    parts = [part for value in values for part in ast.walk(value)]
    bound = {part.arg for part in parts if isinstance(part, ast.arg)}
    return node.func.id == FUNCTION and all(_is_harmless(part, bound) for part in parts)


def _is_harmless(part: ast.AST, bound: set[str]) -> bool:
    if isinstance(part, ast.Name):
        return part.id in HARMLESS_NAMES or part.id in bound
    if isinstance(part, ast.Attribute):
        return not part.attr.startswith("_") and not part.attr.startswith("format")
    return isinstance(part, HARMLESS)
