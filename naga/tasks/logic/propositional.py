"""Propositional logic: truth values of formulas, what follows from premises, and all models.

Each question asks several things at once, or for a list, so that guessing hardly pays: four to
eight truth values, three to six conclusions that are each true, false or unknown, or every
assignment that satisfies some formulas (`none` if there is none). The traces put values in and
reduce; chain through the premises, each line citing the one used; or go through the truth table,
naming the first formula that fails. Formulas are in symbols in both languages.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import ClassVar, Literal, final

from naga.tasks.example import Example, Generator, Language, Level, Verdict, conversation
from naga.tasks.logic.formulas import (
    LETTERS,
    Formula,
    assignments,
    draw,
    join,
    literal,
    models,
    reduction,
    spell,
)
from naga.tasks.logic.propositional_words import ANSWERS, ASKS, GIVEN, MEANING, NONE, read_answer
from naga.tasks.logic.replies import read_words

Kind = Literal["values", "entailment", "models"]
KINDS: tuple[Kind, ...] = ("values", "entailment", "models")
NAMES = ("p", "q", "r", "s", "t", "u", "v", "w")
ATOMS: dict[Kind, dict[Level, int]] = {
    "values": {"easy": 2, "medium": 3, "hard": 4},
    "entailment": {"easy": 4, "medium": 6, "hard": 8},
    "models": {"easy": 3, "medium": 3, "hard": 4},
}
FORMULAS: dict[Level, int] = {"easy": 4, "medium": 6, "hard": 8}
DEPTHS: dict[Level, tuple[int, int]] = {"easy": (1, 1), "medium": (1, 2), "hard": (2, 3)}
CONCLUSIONS: dict[Level, int] = {"easy": 3, "medium": 4, "hard": 6}
MOST_MODELS: dict[Level, int] = {"easy": 2, "medium": 3, "hard": 4}
UNSATISFIABLE_SHARE = 0.08


@dataclass(frozen=True, kw_only=True)
class Question:
    given: str
    """In symbols and the same in every language: the problem."""
    asked: str
    trace: str
    answer: tuple[str, ...]
    """Words of English."""


@final
class Propositional(Generator):
    name: ClassVar[str] = "propositional"

    def __init__(self, kinds: Sequence[Kind] = KINDS) -> None:
        self.kinds = tuple(kinds)

    def generate(self, random: Random, level: Level, language: Language) -> Example:
        kind = random.choice(self.kinds)
        make = {"values": make_values, "entailment": make_entailment, "models": make_models}[kind]
        question = make(random, level)
        said = [ANSWERS[language].get(word, word) for word in question.answer]
        ask = random.choice(ASKS[language][kind]).format(asked=question.asked)
        given = random.choice(GIVEN[language][kind]).format(given=question.given)
        return Example(
            family=self.name,
            level=level,
            language=language,
            problem=f"{kind}: {question.given}; {question.asked}".replace("\n", "; "),
            messages=conversation(
                f"{given}\n{random.choice(MEANING[language])}\n{ask}",
                question.trace,
                ", ".join(said) or NONE[language],
            ),
            answer=json.dumps({"kind": kind, "answer": question.answer}),
        )

    def grade(self, example: Example, reply: str) -> Verdict:
        """Every value in its place; of models all, each once, in any order."""
        gold = json.loads(example.answer)
        expected = [read_answer(word.casefold()) for word in gold["answer"]]
        given = [read_answer(word) for word in read_words(reply)]
        if gold["kind"] == "models":
            expected, given = sorted(expected or ["none"]), sorted(given)
        right = float(given == expected)
        same = sum(a == b for a, b in zip(given, expected, strict=False))
        share = same / len(expected) if len(given) == len(expected) else 0.0
        return Verdict(
            score=right,
            parts={"items": share},
            matched_by="exact" if right else "",
            reason="" if right else f"{same} of {len(expected)} are right",
        )


def make_values(random: Random, level: Level) -> Question:
    """Truth values of formulas under an assignment; both values occur."""
    num_atoms = ATOMS["values"][level]
    values = [random.random() < 0.5 for _ in range(num_atoms)]
    while True:
        formulas = _formulas(random, FORMULAS[level], num_atoms, level)
        truths = [formula.value(values) for formula in formulas]
        if 0 < sum(truths) < len(truths):
            break
    lines = (f"{i}. {' = '.join(reduction(f, values))}" for i, f in enumerate(formulas, 1))
    return Question(
        given=", ".join(f"{NAMES[i]}={LETTERS[value]}" for i, value in enumerate(values)),
        asked=_listed(formulas),
        trace="\n".join(lines),
        answer=tuple(LETTERS[truth] for truth in truths),
    )


def _formulas(random: Random, count: int, num_atoms: int, level: Level) -> list[Formula]:
    """Different ones that are not single letters."""
    chosen: list[Formula] = []
    while len(chosen) < count:
        formula = draw(random, num_atoms, random.randint(*DEPTHS[level]))
        if formula not in chosen and len(formula.atoms()) > 1:
            chosen.append(formula)
    return chosen


def _listed(formulas: Sequence[Formula]) -> str:
    return "\n".join(f"{i}. {spell(formula, NAMES)}" for i, formula in enumerate(formulas, 1))


def make_models(random: Random, level: Level) -> Question:
    """All assignments that satisfy some formulas: a few, seldom none."""
    num_atoms = ATOMS["models"][level]
    fewest = 0 if random.random() < UNSATISFIABLE_SHARE else 1
    most = MOST_MODELS[level] if fewest else 0
    while True:
        formulas = _formulas(random, random.randint(2, 3), num_atoms, level)
        found = models(formulas, num_atoms)
        if fewest <= len(found) <= most:
            break
    rows = list[str]()
    for values in assignments(num_atoms):
        failing = next((i for i, f in enumerate(formulas, 1) if not f.value(values)), None)
        rows.append(f"{_row(values)} {'ok' if failing is None else f'!{failing}'}")
    return Question(
        given=_listed(formulas),
        asked=", ".join(NAMES[:num_atoms]),
        trace="\n".join(rows),
        answer=tuple(_row(values) for values in found),
    )


def _row(values: Sequence[bool]) -> str:
    return "".join(LETTERS[value] for value in values)


def make_entailment(random: Random, level: Level) -> Question:
    """Which of some literals follow from facts and rules, are refuted, or neither.

    Chaining through the premises finds all that follows: the truth table says the same.
    """
    num_atoms = ATOMS["entailment"][level]
    while True:
        premises = _premises(random, num_atoms)
        known, lines = chain(premises, num_atoms)
        fitting = models(premises, num_atoms)
        fixed = {i for i in range(num_atoms) if len({values[i] for values in fitting}) == 1}
        if fitting and fixed == set(known) and num_atoms // 2 < len(known) < num_atoms:
            break
    asked = random.sample(range(num_atoms), CONCLUSIONS[level])
    conclusions = [literal(i, random.random() < 0.6) for i in asked]
    answers = list[str]()
    for i, (index, conclusion) in enumerate(zip(asked, conclusions, strict=True), 1):
        value = known.get(index)
        answers.append("unknown" if value is None else _truth(conclusion == literal(index, value)))
        shown = "?" if value is None else LETTERS[value]
        lines.append(f"{i}. {spell(conclusion, NAMES)}: {NAMES[index]}={shown}")
    return Question(
        given=", ".join(spell(premise, NAMES) for premise in premises),
        asked=_listed(conclusions),
        trace="\n".join(lines),
        answer=tuple(answers),
    )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _premises(random: Random, num_atoms: int) -> list[Formula]:
    """One or two facts, and rules with one or two conditions or a choice, in random order."""
    facts = random.sample(range(num_atoms), random.randint(1, 2))
    premises = [literal(i, random.random() < 0.7) for i in facts]
    while len(premises) < num_atoms + 1:
        signed = [
            literal(i, random.random() < 0.7)
            for i in random.sample(range(num_atoms), min(3, num_atoms))
        ]
        shape = random.choice(("rule", "rule", "two", "choice", "both"))
        if shape == "rule":
            premise = join("implies", *signed[:2])
        elif shape == "two":
            premise = join("implies", join("and", *signed[:2]), signed[2])
        else:
            premise = join("or" if shape == "choice" else "and", *signed[:2])
        if shape != "both" or len(premises) == num_atoms:
            premises.append(premise)
    random.shuffle(premises)
    return premises


def chain(premises: Sequence[Formula], num_atoms: int) -> tuple[dict[int, bool], list[str]]:
    """What single premises fix, given what is fixed, until nothing more; a line for each use."""
    known: dict[int, bool] = {}
    lines: list[str] = []
    again = True
    while again:
        again = False
        for premise in premises:
            fitting = _fitting(premise, known, num_atoms)
            new = {
                i: fitting[0][i]
                for i in sorted(premise.atoms() - known.keys())
                if len({values[i] for values in fitting}) == 1
            }
            if new:
                again = True
                known |= new
                said = " ".join(f"{NAMES[i]}={LETTERS[value]}" for i, value in new.items())
                lines.append(f"{spell(premise, NAMES)}: {said}")
    return known, lines


def _fitting(premise: Formula, known: dict[int, bool], num_atoms: int) -> list[list[bool]]:
    """Values that make the premise true and agree with what is known, False where neither asks.

    All values there are, if there would be none: premises that contradict one another fix nothing.
    """
    atoms = sorted(premise.atoms())
    every, fitting = list[list[bool]](), list[list[bool]]()
    for chosen in product((True, False), repeat=len(atoms)):
        values = [False] * num_atoms
        for i, value in zip(atoms, chosen, strict=True):
            values[i] = value
        every.append(values)
        if premise.value(values) and all(values[i] == known[i] for i in atoms if i in known):
            fitting.append(values)
    return fitting or every
