"""The Caesar cipher: every letter moved along the alphabet by a number, or moved back.

The trace gives each letter its place (a 1 ... z 26), adds or subtracts, brings the place back into
1 to 26, and names the letter there.
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
from naga.tasks.text.strings import LETTERS, draw_string

SHIFTS: dict[Level, tuple[int, int]] = {"easy": (1, 3), "medium": (2, 10), "hard": (3, 25)}

ENCODE_EN = (
    'Shift every letter of "{text}" forward by {shift} in the alphabet.',
    'Encrypt "{text}" with a Caesar cipher of shift {shift}.',
    "Apply a Caesar shift of {shift} to {text}.",
    "Replace each letter of {text} by the one {shift} places later in the alphabet (after z: a).",
)
ENCODE_ZH = (
    "把“{text}”的每个字母在字母表中向后移 {shift} 位。",
    "用位移为 {shift} 的凯撒密码加密“{text}”。",
    "对 {text} 做位移 {shift} 的凯撒加密。",
    "将 {text} 中的字母都换成字母表里后面第 {shift} 个字母（z 之后回到 a）。",
)
DECODE_EN = (
    'Shift every letter of "{text}" back by {shift} in the alphabet.',
    'Decrypt "{text}", which was encrypted with a Caesar cipher of shift {shift}.',
    "Undo a Caesar shift of {shift}: {text}",
    "Replace each letter of {text} by the one {shift} places earlier in the alphabet.",
)
DECODE_ZH = (
    "把“{text}”的每个字母在字母表中向前移 {shift} 位。",
    "“{text}”是用位移为 {shift} 的凯撒密码加密的，请解密。",
    "还原位移 {shift} 的凯撒密码：{text}",
    "将 {text} 中的字母都换成字母表里前面第 {shift} 个字母。",
)


@final
class Caesar(Generator):
    name: ClassVar[str] = "caesar"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        text, shift = draw_string(random, level), random.randint(*SHIFTS[level])
        forwards = level == "easy" or random.random() < 0.5
        wordings = (ENCODE_EN, ENCODE_ZH) if forwards else (DECODE_EN, DECODE_ZH)
        reasoning, answer = caesar_trace(text, shift if forwards else -shift)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{text} {shift if forwards else -shift:+}",
            messages=conversation(
                pick(random, *wordings, language).format(text=text, shift=shift), reasoning, answer
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def caesar_trace(text: str, shift: int) -> tuple[str, str]:
    """`c 3+3=6 f / y 25+3=28, 28-26=2 b / fb`, one line each."""
    lines, answer = [], ""
    for letter in text:
        place = LETTERS.index(letter) + 1
        moved = place + shift
        back = -26 if moved > 26 else 26 if moved < 1 else 0
        wrap = f", {moved}{back:+}={moved + back}" if back else ""
        new = LETTERS[moved + back - 1]
        lines.append(f"{letter} {place}{shift:+}={moved}{wrap} {new}")
        answer += new
    return "\n".join([*lines, answer]), answer
