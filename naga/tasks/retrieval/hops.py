"""Follow notes through a long text: each names where the next one lies, the last one has a code.

Notes of one chain stand anywhere in the text, and there are other chains with other codes, so that
a code found anyhow is seldom the one. The trace names the stations; the answer is the code.
"""

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import ClassVar, final

from naga.tasks.example import Example, Generator, Language, Level, Verdict, conversation
from naga.tasks.retrieval.haystack import (
    Haystacks,
    Thing,
    draw_codes,
    draw_things,
    join,
    named,
)
from naga.tasks.retrieval.needles import grade_codes
from naga.tasks.retrieval.words import ASK_END, ENDS, LAYOUTS, LEADS

NOTES: dict[Level, tuple[int, int]] = {"easy": (2, 2), "medium": (3, 4), "hard": (4, 6)}
CHAINS: dict[Level, tuple[int, int]] = {"easy": (4, 5), "medium": (5, 6), "hard": (6, 8)}


@final
class Hops(Generator):
    name: ClassVar[str] = "hops"

    def __init__(
        self,
        length: int | None = None,
        depth: float | None = None,
        documents: Sequence[str] = (),
    ) -> None:
        """See Haystacks; at a depth stand all notes of the chain that is asked for."""
        self.haystacks = Haystacks(length, depth, documents)

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        num_notes, num_chains = random.randint(*NOTES[level]), random.randint(*CHAINS[level])
        things = draw_things(random, num_notes * num_chains)
        chains = [things[i : i + num_notes] for i in range(0, len(things), num_notes)]
        codes = draw_codes(random, num_chains)
        size = self.haystacks.size(random, level)
        notes = [_notes(random, c, code, language) for c, code in zip(chains, codes, strict=True)]
        filler = self.haystacks.filler(random, size, language)
        others = [note for chain in notes[1:] for note in chain]
        text = self.haystacks.bury(random, filler, notes[0], others)
        question = random.choice(LAYOUTS[language]).format(
            document=join(random, text, language),
            question=random.choice(ASK_END[language]).format(what=named(chains[0][0], language)),
        )
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem="; ".join(
                _way(chain, code, "en") for chain, code in zip(chains, codes, strict=True)
            ),
            messages=conversation(question, _way(chains[0], codes[0], language), codes[0]),
            answer=codes[0],
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_codes(reply, example.answer)


def _notes(random: Random, chain: Sequence[Thing], code: str, language: Language) -> list[str]:
    """The sentences of a chain, in its order."""
    names = [named(thing, language) for thing in chain]
    leads = [
        random.choice(LEADS[language]).format(what=here, next=there)
        for here, there in pairwise(names)
    ]
    return [*leads, random.choice(ENDS[language]).format(what=names[-1], code=code)]


def _way(chain: Sequence[Thing], code: str, language: Language) -> str:
    return " > ".join([*(named(thing, language) for thing in chain), code])
