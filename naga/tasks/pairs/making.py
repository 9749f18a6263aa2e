"""The stream of pairs: number i of a set depends on the set, the seed and i alone.

Nearly half match, a third do not, the rest are invalid. A response never says more of the label
than its answer does: frames, spellings and explanations are the same for right and wrong ones.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from naga.disk import write_atomic
from naga.tasks.pairs.facts import draw_fact
from naga.tasks.pairs.fooling import TRICKS
from naga.tasks.pairs.mistakes import CONTRADICTED, HEDGED, MISPLACED, MISTAKES, NEGATED
from naga.tasks.pairs.pair import Fact, Label, Pair, PairSet, Value
from naga.tasks.pairs.phrasing import explained, frame
from naga.tasks.pairs.spelling import forms_of, spell

MATCHING, MISTAKEN = 0.45, 0.35
TRIES = 20
HARD_SHARE = 0.3
"""Of the responses that do not match: those that name the right value and do not answer it."""
CORRECTED_SHARE = 0.08
"""Of the responses that match: those that take a wrong answer back first."""


def make_pairs(chosen: PairSet, *, seed: int, count: int, start: int = 0) -> Iterator[Pair]:
    """Pairs number start .. start + count - 1 of a set."""
    for index in range(start, start + count):
        random = Random(f"pairs {chosen} {seed} {index}")
        fact = draw_fact(random, chosen)
        while not forms_of(fact.value):
            fact = draw_fact(random, chosen)
        yield _pair(fact, random, chosen)


def write_pairs(pairs: Iterable[Pair], path: Path) -> int:
    """JSONL rows {problem, reference, response, label, kind, form, family, language}; atomic."""
    rows = [json.dumps(vars(pair), ensure_ascii=False) + "\n" for pair in pairs]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(rows))
    return len(rows)


def _pair(fact: Fact, random: Random, chosen: PairSet) -> Pair:
    fresh = chosen == "forms"
    kind = random.random()
    if kind < MATCHING:
        return _matching(fact, random, fresh)
    if kind < MATCHING + MISTAKEN:
        return _mistaken(fact, random, chosen)
    name = random.choice(list(TRICKS))
    response = TRICKS[name](fact, random, fresh)
    return _labelled(fact, random, response, "invalid", name, "")


def _matching(fact: Fact, random: Random, fresh: bool) -> Pair:
    answer, form = spell(fact.value, random, heldout=fresh, whole=False)
    if not fresh and random.random() < CORRECTED_SHARE:
        mistake = _wrong(fact, random)[0]
        wrong, _ = spell(mistake, random, heldout=False, whole=True)
        template = random.choice(CONTRADICTED[fact.language])
        response = template.format(first=wrong, last=answer)
        return _labelled(fact, random, response, "match", "corrected", form)
    response = _said(fact, answer, random, fresh)
    return _labelled(fact, random, response, "match", f"form: {form}", form)


def _mistaken(fact: Fact, random: Random, chosen: PairSet) -> Pair:
    fresh = chosen == "forms"
    wrong, name = _wrong(fact, random)
    if random.random() < 0.15:
        other = draw_fact(random, chosen)
        if other.value != fact.value and forms_of(other.value):
            wrong, name = other.value, "another problem's"
    answer, form = spell(wrong, random, heldout=fresh, whole=True)
    right, _ = spell(fact.value, random, heldout=fresh, whole=False)
    if random.random() < HARD_SHARE:
        name = random.choice(("negated", "hedged", "contradicted", "misplaced"))
        said = _not_answered(fact, name, right, answer, random)
        return _labelled(fact, random, said, "no match", name, form)
    return _labelled(fact, random, _said(fact, answer, random, fresh), "no match", name, form)


def _wrong(fact: Fact, random: Random) -> tuple[Value, str]:
    """A value that means something else, and the name of the mistake."""
    while True:
        name = random.choice(list(MISTAKES))
        found = MISTAKES[name](fact.value, random)
        if found is not None and found != fact.value and forms_of(found):
            return found, name


def _not_answered(fact: Fact, name: str, right: str, wrong: str, random: Random) -> str:
    """The right value stands there, and is not what the response answers."""
    language = fact.language
    if name == "negated":
        return random.choice(NEGATED[language]).format(right=right)
    if name == "hedged":
        one, two = random.sample((right, wrong), 2)
        return random.choice(HEDGED[language]).format(one=one, two=two)
    if name == "contradicted":
        return random.choice(CONTRADICTED[language]).format(first=right, last=wrong)
    return random.choice(MISPLACED[language]).format(right=right, wrong=wrong)


def _said(fact: Fact, answer: str, random: Random, fresh: bool) -> str:
    """In a frame, perhaps with working before it. A held-out spelling may stand in a known one."""
    framed = frame(answer, random, fact.language, heldout=fresh and random.random() < 0.7)
    return explained(framed, fact.working, random)


def _labelled(
    fact: Fact, random: Random, response: str, label: Label, kind: str, form: str
) -> Pair:
    reference = fact.reference
    if random.random() < 0.15:
        reference, _ = spell(fact.value, random, heldout=False, whole=True)
    return Pair(
        problem=fact.problem,
        reference=reference,
        response=response,
        label=label,
        kind=kind,
        form=form,
        family=fact.family,
        language=fact.language,
    )
