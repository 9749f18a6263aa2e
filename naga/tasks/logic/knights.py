"""Knights and knaves: who always tells the truth and who always lies, from what each one says.

There is one solution, counted by trying all assignments. The trace supposes something of one person
where nothing follows (`Ann=knight?`), then cites speaker by speaker what their words leave open
(`Bob: Cid=knave`); a speaker whose words cannot be (`Cid: !`) overturns what was supposed. The
answer names everybody, so that guessing is right once in 2^N.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
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
    pick,
)
from naga.tasks.logic.formulas import Formula, atom, join, literal, models, negation
from naga.tasks.logic.knights_words import (
    ASKS,
    MARKUP,
    NAMES,
    RULES,
    SAYS,
    WORDS,
    Words,
    claim,
)

PEOPLE: dict[Level, tuple[int, int]] = {"easy": (3, 3), "medium": (4, 4), "hard": (5, 6)}
KINDS: dict[Level, tuple[str, ...]] = {
    "easy": ("one", "one", "iff"),
    "medium": ("one", "iff", "and", "or", "exactly"),
    "hard": ("one", "iff", "and", "or", "implies", "exactly"),
}
LONGEST_ROLES = 2000
SEPARATORS = re.compile(r"[,，、;；.。\n]|\band\b")
Known = dict[int, bool]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the trace."""

    speaker: int | None
    """Whose words are used; None: something is supposed, or overturned."""
    person: int | None
    """Of whom something follows; None: the speaker's words cannot be."""
    knight: bool = False
    supposed: bool = False


@final
class Knights(Generator):
    name: ClassVar[str] = "knights"

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        claims, steps, solution = make_people(random, level)
        chosen = random.sample(range(len(NAMES["en"])), len(claims))
        names = [NAMES[language][i] for i in chosen]
        words = WORDS[language]
        said = (
            pick(random, SAYS["en"], SAYS["zh"], language).format(
                name=names[i], claim=claim(words, formula, i, names)
            )
            for i, formula in enumerate(claims)
        )
        question = "\n".join([
            pick(random, RULES["en"], RULES["zh"], language).format(
                names=words.comma.join(names[:-1]) + words.last + names[-1]
            ),
            *said,
            pick(random, ASKS["en"], ASKS["zh"], language),
        ])  # fmt: skip
        roles = {name: words.role(solution[i]) for i, name in enumerate(names)}
        english = [NAMES["en"][i] for i in chosen]
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem="; ".join(
                f"{english[i]}: {claim(WORDS['en'], formula, i, english)}"
                for i, formula in enumerate(claims)
            ),
            messages=conversation(
                question,
                "\n".join(write_step(step, names, words) for step in steps),
                words.comma.join(f"{name}{words.colon}{role}" for name, role in roles.items()),
            ),
            answer=json.dumps(roles, ensure_ascii=False),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """Everybody named once with the right role, and nothing else said."""
        gold: dict[str, str] = json.loads(example.answer)
        chinese = WORDS["zh"]
        is_chinese = {chinese.knight, chinese.knave} & set(gold.values())
        given = read_roles(reply, gold, chinese if is_chinese else WORDS["en"])
        right = sum(given.get(name) == role for name, role in gold.items())
        whole = float(right == len(gold))
        return Verdict(
            score=whole,
            parts={"people": right / len(gold)},
            matched_by="exact" if whole else "",
            reason="" if whole else f"{right} of {len(gold)} people are right",
        )


def read_roles(reply: str, names: Mapping[str, str], words: Words) -> dict[str, str]:
    """`Ann: knight, Bob is a knave` as names and roles; empty if anything is left over or twice."""
    if len(reply) > LONGEST_ROLES:
        return {}
    text = bare(MARKUP.sub("", reply)).strip(" .。")
    roles: dict[str, str] = {}
    for piece in filter(None, map(str.strip, SEPARATORS.split(text))):
        found = words.piece.fullmatch(piece)
        name = next((n for n in names if found and n.casefold() == found[1].casefold()), None)
        if found is None or name is None or name in roles:
            return {}
        roles[name] = words.knight if found[2].casefold() == words.knight else words.knave
    return roles


def make_people(random: Random, level: Level) -> tuple[list[Formula], list[Step], tuple[bool, ...]]:
    """What each one says, the way to the solution, and the one solution (True: a knight)."""
    while True:
        num_people = random.randint(*PEOPLE[level])
        claims = [draw_claim(random, i, num_people, level) for i in range(num_people)]
        solutions = solve_all(claims)
        if len(solutions) != 1:
            continue
        steps = find_steps(claims)
        if steps is not None and len(steps) > num_people:
            return claims, steps, solutions[0]


def solve_all(claims: Sequence[Formula]) -> list[tuple[bool, ...]]:
    """All assignments in which knights' claims are true and knaves' are false."""
    puzzle = [join("iff", atom(i), said) for i, said in enumerate(claims)]
    return models(puzzle, len(claims))


def draw_claim(random: Random, speaker: int, num_people: int, level: Level) -> Formula:
    others = [i for i in range(num_people) if i != speaker]
    kind = random.choice(KINDS[level])
    if kind == "one":
        return literal(random.choice(others), random.random() < 0.5)
    if kind == "exactly":
        people = tuple(atom(i) for i in range(num_people))
        return Formula(operator="exactly", parts=people, count=random.randrange(num_people))
    if kind == "iff":
        first, second = random.sample([speaker, *others] if level != "easy" else others, 2)
        same = join("iff", atom(min(first, second)), atom(max(first, second)))
        return same if random.random() < 0.5 else negation(same)
    first, second = random.sample(others, 2)
    parts = (literal(first, random.random() < 0.5), literal(second, random.random() < 0.5))
    return join("and" if kind == "and" else "or" if kind == "or" else "implies", *parts)


def find_steps(claims: Sequence[Formula]) -> list[Step] | None:
    """From words alone, then by supposing something of one person; None if that is not enough."""
    known: Known = {}
    steps, possible = follow(claims, known)
    if not possible or len(known) == len(claims):
        return steps if possible else None
    for person, knight in product([i for i in range(len(claims)) if i not in known], (True, False)):
        branch = {**known, person: knight}
        tried, possible = follow(claims, branch)
        supposed = Step(speaker=None, person=person, knight=knight, supposed=True)
        if possible and len(branch) == len(claims):
            return [*steps, supposed, *tried]
        if not possible:
            settled = {**known, person: not knight}
            rest, _ = follow(claims, settled)
            overturned = Step(speaker=None, person=person, knight=not knight)
            if len(settled) == len(claims):
                return [*steps, supposed, *tried, overturned, *rest]
    return None


def follow(claims: Sequence[Formula], known: Known) -> tuple[list[Step], bool]:
    """What follows from single claims, added to `known`; False at the first that cannot be."""
    steps = list[Step]()
    again = True
    while again:
        again = False
        for speaker, said in enumerate(claims):
            fitting = _fitting(claims, speaker, known)
            if not fitting:
                return [*steps, Step(speaker=speaker, person=None)], False
            for person in sorted(said.atoms() | {speaker}):
                values = {values[person] for values in fitting}
                if person not in known and len(values) == 1:
                    known[person] = values.pop()
                    steps.append(Step(speaker=speaker, person=person, knight=known[person]))
                    again = True
    return steps, True


def _fitting(claims: Sequence[Formula], speaker: int, known: Known) -> list[tuple[bool, ...]]:
    """The assignments of everybody in which the known holds and so does this one claim."""
    choices = [(known[i],) if i in known else (True, False) for i in range(len(claims))]
    return [
        values for values in product(*choices) if claims[speaker].value(values) == values[speaker]
    ]


def write_step(step: Step, names: Sequence[str], words: Words) -> str:
    """`Ann=knight?`, `Bob: Cid=knave`, `Cid: !`, `Ann=knave`."""
    speaker = "" if step.speaker is None else f"{names[step.speaker]}: "
    if step.person is None:
        return f"{speaker}!"
    said = f"{speaker}{names[step.person]}={words.role(step.knight)}"
    return f"{said}?" if step.supposed else said
