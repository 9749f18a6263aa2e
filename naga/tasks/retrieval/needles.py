"""Find one or two codes that a long text mentions, among codes of other things, or say "not found".

Length and depth are parameters of the family, or of chance. The trace copies the sentence that
tells (`-` if there is none); the answer is the code.
"""

from collections.abc import Sequence
from random import Random
from typing import ClassVar, final

from naga.tasks.example import (
    Example,
    Generator,
    Language,
    Level,
    Verdict,
    bare,
    conversation,
)
from naga.tasks.retrieval.haystack import (
    Haystacks,
    Thing,
    draw_codes,
    draw_things,
    join,
    named,
)
from naga.tasks.retrieval.words import (
    AND,
    ASK_CODES,
    HAS_CODE,
    IN_ORDER,
    LAYOUTS,
    NOT_FOUND,
    OTHERWISE,
    THE,
)

OTHERS: dict[Level, tuple[int, int]] = {"easy": (4, 6), "medium": (6, 12), "hard": (8, 20)}
ABSENT_SHARE = 0.1
TWO_SHARE: dict[Level, float] = {"easy": 0.0, "medium": 0.3, "hard": 0.5}


@final
class Needles(Generator):
    name: ClassVar[str] = "needles"
    straight: ClassVar[bool] = True

    def __init__(
        self,
        length: int | None = None,
        depth: float | None = None,
        documents: Sequence[str] = (),
    ) -> None:
        """See Haystacks."""
        self.haystacks = Haystacks(length, depth, documents)

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        absent = random.random() < ABSENT_SHARE
        num_asked = 2 if not absent and random.random() < TWO_SHARE[level] else 1
        things = draw_things(random, num_asked + random.randint(*OTHERS[level]))
        codes = draw_codes(random, len(things))
        size = self.haystacks.size(random, level)
        told = [_told(random, t, c, language) for t, c in zip(things, codes, strict=True)]
        asked, others = told[:num_asked], told[num_asked:]
        filler = self.haystacks.filler(random, size, language)
        text = self.haystacks.bury(random, filler, [] if absent else asked, others)
        question = random.choice(LAYOUTS[language]).format(
            document=join(random, text, language),
            question=_question(random, things[:num_asked], absent, language),
        )
        answer = NOT_FOUND[language] if absent else ", ".join(codes[:num_asked])
        pairs = [f"{named(t, 'en')} {c}" for t, c in zip(things, codes, strict=True)]
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{' and '.join(pairs[:num_asked])}{' absent' * absent} among "
            + ", ".join(sorted(pairs[num_asked:])),
            messages=conversation(question, "-" if absent else "\n".join(asked), answer),
            answer=answer,
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        return grade_codes(reply, example.answer)


def grade_codes(reply: str, answer: str) -> Verdict:
    """The codes in their order, with any comma between them; or that there is none."""
    given = bare(reply).removesuffix(".").removesuffix("。") if len(reply) < 1000 else ""
    parts = [part.strip() for part in given.replace("，", ",").replace("、", ",").split(",")]
    right = float(", ".join(parts).casefold() == answer.casefold())
    return Verdict(score=right, parts={"exact": right}, matched_by="exact" if right else "")


def _told(random: Random, thing: Thing, code: str, language: Language) -> str:
    return random.choice(HAS_CODE[language]).format(what=named(thing, language), code=code)


def _question(random: Random, things: Sequence[Thing], absent: bool, language: Language) -> str:
    what = AND[language].join(THE[language].format(named(thing, language)) for thing in things)
    text = random.choice(ASK_CODES[language]).format(what=what)
    if len(things) > 1:
        text += IN_ORDER[language]
    # Where it may be missing this is said, and in as many questions again where it is not.
    if absent or random.random() < 0.5:
        text += random.choice(OTHERWISE[language])
    return text
