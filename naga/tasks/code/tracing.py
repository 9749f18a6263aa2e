"""What does this small program print: programs made up from templates, run step by step.

The trace has a line for each step, with the program's line number: what a name becomes, how a
condition comes out (`4 T`), what is printed (`6 >13`). Programs are run by our own interpreter
(interpreter.py); nothing that a model writes is. The answer is all that is printed, exactly. A
program whose output could be read off it is not taken.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.code.interpreter import Interpreter
from naga.tasks.code.programs import draw_program
from naga.tasks.example import (
    QUOTE_MARKS,
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)

STEPS: dict[Level, tuple[int, int]] = {"easy": (4, 14), "medium": (10, 30), "hard": (24, 70)}
LONGEST = 10_000
WORDINGS_EN = (
    "What does this Python program print?\n```python\n{source}```",
    "Give the exact output of this program.\n```python\n{source}```",
    "```python\n{source}```\nWhat is printed? Answer with the output only.",
    "Run this in your head and write what it prints:\n\n{source}",
)
WORDINGS_ZH = (
    "下面的 Python 程序输出什么？\n```python\n{source}```",
    "写出这段程序的准确输出。\n```python\n{source}```",
    "```python\n{source}```\n输出是什么？只写输出。",
    "在心里运行这段程序，写出它打印的内容：\n\n{source}",
)


@final
class ProgramTracing(Generator):
    name: ClassVar[str] = "program_tracing"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        source, run = draw_run(random, level)
        output = "\n".join(run.printed)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=source,
            messages=conversation(
                pick(random, WORDINGS_EN, WORDINGS_ZH, language).format(source=source),
                "\n".join(run.steps),
                output,
            ),
            answer=output,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """Line by line equal, but for blanks at the ends of lines and quote marks around all."""
        said = _unquoted(reply) if len(reply) <= LONGEST else ""
        given = [line.strip() for line in said.splitlines()]
        right = float(given == [line.strip() for line in example.answer.splitlines()])
        return Verdict(score=right, parts={"exact": right}, matched_by="exact" if right else "")


def _unquoted(reply: str) -> str:
    """Without blanks, a code fence, or quote marks around it."""
    text = reply.strip()
    lines = text.splitlines()
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1] == "```":
        return "\n".join(lines[1:-1])
    bare = text.strip(QUOTE_MARKS).strip()
    return bare or text


def draw_run(random: Random, level: Level) -> tuple[str, Interpreter]:
    """A program of a fitting number of steps whose output does not stand in it, and its run."""
    while True:
        source = draw_program(random, level)
        try:
            run = Interpreter(source)
        except (ValueError, ZeroDivisionError, IndexError):
            continue
        fewest, most = STEPS[level]
        if fewest <= len(run.steps) <= most and "\n".join(run.printed) not in source:
            return source, run
