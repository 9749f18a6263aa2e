"""The strings that the text families work on, and how a trace spells them.

Strings are lower-case letters, the same in both languages: half of them syllables that look like
words, half anything. Spelled with its place before each letter, a string is a row of facts to look
up.
"""

from random import Random

from naga.tasks.example import Level

LENGTHS: dict[Level, tuple[int, int]] = {"easy": (3, 5), "medium": (6, 9), "hard": (10, 16)}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CONSONANTS = "bcdfghjklmnprstvwz"
VOWELS = "aeiou"


def draw_string(random: Random, level: Level) -> str:
    length = random.randint(*LENGTHS[level])
    if random.random() < 0.5:
        return "".join(random.choices(LETTERS, k=length))
    syllables = (random.choice(CONSONANTS) + random.choice(VOWELS) for _ in range(length))
    return "".join(syllables)[:length]


def draw_repetitive(random: Random, level: Level) -> str:
    """Of few different letters, so that most occur more than once."""
    kinds = random.sample(LETTERS, random.randint(3, 6))
    return "".join(random.choices(kinds, k=random.randint(*LENGTHS[level])))


def numbered(text: str) -> list[str]:
    """1c, 2a, 3t."""
    return [f"{i}{letter}" for i, letter in enumerate(text, start=1)]
