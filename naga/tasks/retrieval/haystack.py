"""Long texts to find things in: filler sentences with a few others among them, at given depths.

Filler is made by the sentence maker of quoting (documents.py), or cut from texts that are given.
Length is counted in characters; a depth of 0 is the beginning of the text, 1 its end.
"""

from collections.abc import Sequence
from random import Random

from naga.config.base import ConfigError
from naga.tasks.chinese import CHINESE
from naga.tasks.documents import made_story
from naga.tasks.english import ENGLISH
from naga.tasks.example import Language, Level
from naga.tasks.material import Material
from naga.tasks.retrieval.words import ADJECTIVES, THINGS
from naga.tasks.sentences import is_chinese, sentence_runs

MATERIAL: dict[Language, Material] = {"en": ENGLISH, "zh": CHINESE}
CHARACTERS: dict[Level, tuple[int, int]] = {
    "easy": (150, 500),
    "medium": (1000, 3000),
    "hard": (6000, 16000),
}
# A Chinese character says about as much as three English letters.
DENSITY: dict[Language, int] = {"en": 1, "zh": 3}
BATCH = 20
Thing = tuple[int, int]
"""(adjective, thing), by number."""


class Haystacks:
    """Makes filler, by level or of a fixed length, and puts sentences into it."""

    def __init__(
        self,
        length: int | None = None,
        depth: float | None = None,
        documents: Sequence[str] = (),
    ) -> None:
        """`length`: characters of every text, None: by its level; `depth`: of what is looked for,
        None: anywhere; `documents`: real texts to take filler from where they are of the language.
        """
        if length is not None and length < 0:
            raise ConfigError(f"length {length}: a text cannot be shorter than nothing")
        if depth is not None and not 0 <= depth <= 1:
            raise ConfigError(f"depth {depth}: use a number from 0 (the beginning) to 1 (the end)")
        self.length = length
        self.depth = depth
        self.runs: dict[Language, list[tuple[str, ...]]] = {"en": [], "zh": []}
        for text in documents:
            self.runs["zh" if is_chinese(text) else "en"] += sentence_runs(text, shortest=3)

    def size(self, random: Random, level: Level) -> int:
        """Characters of English, or as much as that in Chinese."""
        return random.randint(*CHARACTERS[level]) if self.length is None else self.length

    def filler(self, random: Random, size: int, language: Language) -> list[str]:
        """Sentences of about so many characters in all."""
        wanted = size // DENSITY[language] if self.length is None else size
        sentences: list[str] = []
        while wanted > 0:
            for sentence in self._some(random, language):
                if wanted > 0:
                    sentences.append(sentence)
                    wanted -= len(sentence) + len(MATERIAL[language].gap)
        return sentences

    def _some(self, random: Random, language: Language) -> Sequence[str]:
        if self.runs[language]:
            return random.choice(self.runs[language])
        return [made.text for made in made_story(random, MATERIAL[language], BATCH)]

    def bury(
        self, random: Random, filler: Sequence[str], wanted: Sequence[str], other: Sequence[str]
    ) -> list[str]:
        """The filler with all these sentences in it: those wanted, in random order, at the depth,
        the others anywhere."""
        sentences = list(filler)
        for sentence in other:
            sentences.insert(random.randint(0, len(sentences)), sentence)
        depths = [random.random() if self.depth is None else self.depth for _ in wanted]
        places = [round(depth * len(sentences)) for depth in depths]
        random.shuffle(places)
        for place, sentence in sorted(zip(places, wanted, strict=True), reverse=True):
            sentences.insert(place, sentence)
        return sentences


def join(random: Random, sentences: Sequence[str], language: Language) -> str:
    """As one paragraph, or a line for each sentence."""
    return random.choice((MATERIAL[language].gap, "\n")).join(sentences)


def draw_things(random: Random, count: int) -> list[Thing]:
    """Different ones."""
    every = len(ADJECTIVES["en"]) * len(THINGS["en"])
    return [divmod(n, len(THINGS["en"])) for n in random.sample(range(every), count)]


def named(thing: Thing, language: Language) -> str:
    gap = MATERIAL[language].gap
    return f"{ADJECTIVES[language][thing[0]]}{gap}{THINGS[language][thing[1]]}"


def draw_codes(random: Random, count: int) -> list[str]:
    """Different ones of five digits."""
    return [str(code) for code in random.sample(range(10_000, 100_000), count)]
