"""Look one key up in a long list of keys and values: lines, JSON, or a run of pairs.

Some keys differ from the one asked for in a single letter. The trace copies the pair (`-` if the
key is not there); the answer is the value, or "not found".
"""

import json
from collections.abc import Sequence
from random import Random
from typing import ClassVar, final

from naga.config.base import ConfigError
from naga.tasks.example import Example, Generator, Language, Level, Verdict, conversation
from naga.tasks.retrieval.haystack import draw_codes
from naga.tasks.retrieval.needles import grade_codes
from naga.tasks.retrieval.words import ASK_VALUE, LAYOUTS, NOT_FOUND, OTHERWISE

PAIRS: dict[Level, tuple[int, int]] = {"easy": (4, 10), "medium": (20, 60), "hard": (100, 300)}
PAIR_CHARACTERS = 16
LETTERS = "abcdefghijklmnopqrstuvwxyz"
KEY_LENGTH = 6
ABSENT_SHARE = 0.1
SIMILAR_SHARE = 0.3


@final
class KeyValues(Generator):
    name: ClassVar[str] = "key_values"
    straight: ClassVar[bool] = True

    def __init__(self, length: int | None = None, depth: float | None = None) -> None:
        """`length`: characters of the list, about; `depth`: of the pair, from 0 to 1."""
        if length is not None and length < 2 * PAIR_CHARACTERS:
            raise ConfigError(f"length {length}: use {2 * PAIR_CHARACTERS} or more")
        if depth is not None and not 0 <= depth <= 1:
            raise ConfigError(f"depth {depth}: use a number from 0 (the beginning) to 1 (the end)")
        self.length = length
        self.depth = depth

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        drawn = random.randint(*PAIRS[level])
        num_pairs = drawn if self.length is None else self.length // PAIR_CHARACTERS
        keys = draw_keys(random, num_pairs + 1)
        values = draw_codes(random, num_pairs)
        absent = random.random() < ABSENT_SHARE
        key, others = keys[0], keys[1:]
        depth = random.random() if self.depth is None else self.depth
        place = round(depth * (num_pairs - 1))
        listed = others if absent else [*others[:place], key, *others[place : num_pairs - 1]]
        pairs = list(zip(listed, values, strict=True))
        question = random.choice(ASK_VALUE[language]).format(key=key)
        if absent or random.random() < 0.5:
            question += random.choice(OTHERWISE[language])
        text = random.choice(LAYOUTS[language]).format(
            document=_written(random, pairs), question=question
        )
        answer = NOT_FOUND[language] if absent else values[place]
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{key} in {' '.join(f'{k}={v}' for k, v in pairs)}",
            messages=conversation(text, "-" if absent else f"{key}: {answer}", answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_codes(reply, example.answer)


def draw_keys(random: Random, count: int) -> list[str]:
    """Different ones, the first followed by others of which some are much like it."""
    first = "".join(random.choices(LETTERS, k=KEY_LENGTH))
    keys = {first: None}
    while len(keys) < count:
        letters = random.choices(LETTERS, k=KEY_LENGTH)
        if random.random() < SIMILAR_SHARE and len(keys) < KEY_LENGTH * len(LETTERS) // 2:
            letters = list(first)
            letters[random.randrange(KEY_LENGTH)] = random.choice(LETTERS)
        keys["".join(letters)] = None
    _, *others = keys
    random.shuffle(others)
    return [first, *others]


def _written(random: Random, pairs: Sequence[tuple[str, str]]) -> str:
    form = random.choice(("lines", "json", "run"))
    if form == "json":
        return json.dumps(dict(pairs))
    separator = "\n" if form == "lines" else ", "
    return separator.join(f"{key}: {value}" for key, value in pairs)
