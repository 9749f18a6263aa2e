"""How often a letter occurs in a string, or any vowel.

The trace spells the string and writes the count so far behind each letter.
"""

from random import Random
from typing import ClassVar, final

from naga.tasks.answers import grade_number
from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    conversation,
    pick,
)
from naga.tasks.text.strings import LETTERS, VOWELS, draw_repetitive, draw_string

LETTER_EN = (
    'How many times does the letter "{letter}" occur in "{text}"?',
    "How many {letter}'s are in {text}?",
    "Count the letter {letter} in the string {text}.",
    'In "{text}", how often does {letter} appear?',
)
LETTER_ZH = (
    "“{text}”中字母“{letter}”出现了几次？",
    "{text} 里有几个 {letter}？",
    "数一数字符串 {text} 中有多少个字母 {letter}。",
    "字母 {letter} 在 {text} 中出现多少次？",
)
VOWEL_EN = (
    'How many vowels (a, e, i, o, u) are in "{text}"?',
    "Count the vowels in {text} (a, e, i, o and u).",
    "How many of the letters of {text} are a, e, i, o or u?",
)
VOWEL_ZH = (
    "“{text}”中有几个元音字母（a、e、i、o、u）？",
    "数一数 {text} 里元音字母（a、e、i、o、u）的个数。",
    "{text} 的字母中有多少个是 a、e、i、o 或 u？",
)


@final
class Letters(Generator):
    name: ClassVar[str] = "letters"
    straight: ClassVar[bool] = True

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        vowels = random.random() < 0.3
        text = draw_string(random, level) if vowels else draw_repetitive(random, level)
        letter = _letter(random, text)
        english = VOWEL_EN if vowels else LETTER_EN
        chinese = VOWEL_ZH if vowels else LETTER_ZH
        wanted = VOWELS if vowels else letter
        answer = str(sum(item in wanted for item in text))
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{wanted} in {text}",
            messages=conversation(
                pick(random, english, chinese, language).format(text=text, letter=letter),
                letter_trace(text, wanted),
                answer,
            ),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_number(reply, example.answer)


def _letter(random: Random, text: str) -> str:
    """One that occurs not at all, once, twice, ...: each number that there is as likely."""
    by_count: dict[int, list[str]] = {}
    for letter in LETTERS:
        by_count.setdefault(text.count(letter), []).append(letter)
    return random.choice(by_count[random.choice(list(by_count))])


def letter_trace(text: str, wanted: str) -> str:
    """`b0 a1 n1 a2 n2 a3` for the letter a in banana."""
    counts = (sum(item in wanted for item in text[: i + 1]) for i in range(len(text)))
    return " ".join(f"{item}{count}" for item, count in zip(text, counts, strict=True))
