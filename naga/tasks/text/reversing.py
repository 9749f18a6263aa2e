"""A string backwards.

The trace numbers the letters, then lists them from the last number to the first.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    grade_exact,
    pick,
)
from naga.tasks.text.strings import draw_string, numbered

ENGLISH = (
    'Reverse the string "{text}".',
    'Write "{text}" backwards.',
    "Spell {text} backwards.",
    'What is "{text}" in reverse order?',
    "Reverse the letters of {text}.",
)
CHINESE = (
    "把字符串“{text}”倒过来写。",
    "将 {text} 反转。",
    "“{text}”倒序是什么？",
    "把 {text} 的字母从后往前写。",
)


@final
class Reversing(Generator):
    name: ClassVar[str] = "reversing"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        text = draw_string(random, level)
        while text == text[::-1]:
            text = draw_string(random, level)
        answer = text[::-1]
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=text,
            messages=conversation(
                pick(random, ENGLISH, CHINESE, language).format(text=text),
                reverse_trace(text),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def reverse_trace(text: str) -> str:
    """`1c 2a 3b / 3b 2a 1c / bac`, one line each."""
    letters = numbered(text)
    return "\n".join([" ".join(letters), " ".join(reversed(letters)), text[::-1]])
