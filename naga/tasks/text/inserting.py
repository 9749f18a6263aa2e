"""Letters put in at given places of a string, or taken out.

Places are counted from one in the string as given. The trace numbers its letters, and then again
with the change; there are more changes at the higher levels.
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
from naga.tasks.text.strings import LETTERS, draw_string, numbered

CHANGES: dict[Level, int] = {"easy": 1, "medium": 2, "hard": 3}

INSERT_EN = (
    'Insert the letter "{letter}" into "{text}" after position {places}.',
    "In {text}, put {letter} after letter number {places}.",
    "Write {text} with an extra {letter} after position {places} (counting from 1).",
)
INSERT_MANY_EN = (
    'Insert the letter "{letter}" into "{text}" after each of the positions {places}.',
    "In {text}, put {letter} after the letters number {places}.",
    "Write {text} with an extra {letter} after what are now positions {places} (from 1).",
)
INSERT_ZH = (
    "在“{text}”的第 {places} 个字母后面插入“{letter}”。",
    "把 {letter} 插到字符串 {text} 原来的第 {places} 位之后。",
    "在 {text} 原来的第 {places} 个字母之后各加上一个 {letter}（从 1 数起）。",
)
DELETE_EN = (
    'Delete letter number {places} from "{text}".',
    "Remove the letter at position {places} of {text} (counting from 1).",
    "Write {text} without its letter number {places}.",
)
DELETE_MANY_EN = (
    'Delete the letters number {places} from "{text}".',
    "Remove the letters at positions {places} of {text} (counting from 1).",
    "Write {text} without its letters number {places}.",
)
DELETE_ZH = (
    "删去“{text}”的第 {places} 个字母。",
    "把字符串 {text} 的第 {places} 位去掉（从 1 数起）。",
    "写出 {text} 去掉第 {places} 个字母之后的样子。",
)


@final
class Inserting(Generator):
    name: ClassVar[str] = "inserting"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        text = draw_string(random, level)
        places = sorted(random.sample(range(1, len(text) + 1), CHANGES[level]))
        letter = random.choice(LETTERS) if random.random() < 0.5 else ""
        many = len(places) > 1
        english = INSERT_EN if letter else DELETE_EN
        if many:
            english = INSERT_MANY_EN if letter else DELETE_MANY_EN
        question = pick(random, english, INSERT_ZH if letter else DELETE_ZH, language)
        listed = (", " if language == "en" else "、").join(map(str, places))
        reasoning, answer = insert_trace(text, places, letter)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{text} {letter or '-'} {' '.join(map(str, places))}",
            messages=conversation(
                question.format(text=text, letter=letter, places=listed), reasoning, answer
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_exact(reply, example.answer)


def insert_trace(text: str, places: list[int], letter: str) -> tuple[str, str]:
    """`1c 2a 3t / 1c 2a o 3t / caot`; without a letter `1c 2a 3t / 1c 3t / ct`."""
    changed, answer = [], ""
    for i, item in enumerate(numbered(text), start=1):
        if letter or i not in places:
            changed.append(item)
            answer += text[i - 1]
        if letter and i in places:
            changed.append(letter)
            answer += letter
    return "\n".join([" ".join(numbered(text)), " ".join(changed), answer]), answer
