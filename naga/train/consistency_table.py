"""What the classifier of answers gets wrong, beside the rules alone and the two together.

Thresholds come from validation pairs, the table from pairs of the other held-out sets. A response
that matches and gets 0 is a false negative, one that does not and gets 1 a false positive; None is
neither, and is counted as missing. Trains nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from naga.engine.chat import open_engine
from naga.rewards.consistency import (
    ENGINE,
    ConsistencyModel,
    Thresholds,
    choose_thresholds,
    open_consistency,
)
from naga.tasks.pairs import LABELS, Label, Pair, PairSet, make_pairs
from naga.verify import match, rules_abstain

Judge = Literal["rules", "classifier", "both"]
JUDGES: tuple[Judge, ...] = ("rules", "classifier", "both")
MEASURED: tuple[PairSet, ...] = ("heldout", "forms", "families")


@dataclass(frozen=True, kw_only=True)
class Errors:
    wrong: int = 0
    missing: int = 0

    def plus(self, label: Label, score: float | None) -> "Errors":
        right = 1.0 if label == "match" else 0.0
        wrong = score is not None and score != right
        return Errors(wrong=self.wrong + wrong, missing=self.missing + (score is None))


@dataclass(frozen=True, kw_only=True)
class Line:
    chosen: PairSet
    label: Label
    kind: str
    count: int
    errors: Mapping[Judge, Errors]


def calibrate_consistency(
    folder: Path, *, count: int, seed: int, false_positives: float, false_negatives: float
) -> Thresholds:
    """Choose thresholds on validation pairs and write them beside the weights."""
    pairs = list(make_pairs("validation", seed=seed, count=count))
    with open_engine(folder, ENGINE) as engine:
        likely = match_probabilities(ConsistencyModel(engine=engine), pairs)
    found = list(zip(pairs, likely, strict=True))
    thresholds = choose_thresholds(
        [value for pair, value in found if pair.label == "match"],
        [value for pair, value in found if pair.label != "match"],
        false_positives=false_positives,
        false_negatives=false_negatives,
    )
    thresholds.save(folder)
    return thresholds


def match_probabilities(model: ConsistencyModel, pairs: Sequence[Pair]) -> list[float]:
    asked = [(pair.problem, pair.reference, pair.response) for pair in pairs]
    return [opinion.match for opinion in model.opinions(asked)]


def measure_consistency(
    folder: Path, *, count: int, seed: int, sets: Sequence[PairSet] = MEASURED
) -> list[Line]:
    """`count` pairs of each set, by label and kind; the same ones for all three judges."""
    with open_consistency(folder) as model:
        return [line for chosen in sets for line in _measure_set(model, chosen, count, seed)]


def _measure_set(model: ConsistencyModel, chosen: PairSet, count: int, seed: int) -> list[Line]:
    pairs = list(make_pairs(chosen, seed=seed, count=count))
    asked = [(pair.problem, pair.reference, pair.response) for pair in pairs]
    assert model.thresholds is not None, "open_consistency loads them"
    read = [model.thresholds.score(opinion) for opinion in model.opinions(asked)]
    groups: dict[tuple[Label, str], list[Mapping[Judge, float | None]]] = defaultdict(list)
    for pair, score in zip(pairs, read, strict=True):
        groups[pair.label, pair.kind].append(judged(pair, score))
    return [
        Line(
            chosen=chosen,
            label=label,
            kind=kind,
            count=len(scores),
            errors={judge: _errors(label, (s[judge] for s in scores)) for judge in JUDGES},
        )
        for (label, kind), scores in sorted(
            groups.items(), key=lambda group: (LABELS.index(group[0][0]), group[0][1])
        )
    ]


def judged(pair: Pair, read: float | None) -> Mapping[Judge, float | None]:
    """Scores by the rules, by the classifier (`read`), and by it where the rules abstain."""
    ruled = match(pair.response, pair.reference, problem=pair.problem)
    both = read if rules_abstain(ruled) else ruled.score
    return {"rules": ruled.score, "classifier": read, "both": both}


def _errors(label: Label, scores: Iterable[float | None]) -> Errors:
    errors = Errors()
    for score in scores:
        errors = errors.plus(label, score)
    return errors


def summed(lines: Sequence[Line], chosen: PairSet, label: Label) -> Line:
    """All kinds of one label in one set."""
    mine = [line for line in lines if line.chosen == chosen and line.label == label]
    errors = {
        judge: Errors(
            wrong=sum(line.errors[judge].wrong for line in mine),
            missing=sum(line.errors[judge].missing for line in mine),
        )
        for judge in JUDGES
    }
    total = sum(line.count for line in mine)
    return Line(chosen=chosen, label=label, kind="all", count=total, errors=errors)


def as_markdown(lines: Sequence[Line]) -> str:
    """A summary of labels by sets, then one line for each kind; `wrong` (+ `missing`) of count."""
    rows = [
        "| set | label | kind | pairs | rules | classifier | both |",
        "|---|---|---|---|---|---|---|",
    ]
    chosen = list(dict.fromkeys(line.chosen for line in lines))
    sums = [summed(lines, one, label) for one in chosen for label in LABELS]
    for line in (*(found for found in sums if found.count), *lines):
        cells = (_cell(line.errors[judge], line.count) for judge in JUDGES)
        rows.append(
            f"| {line.chosen} | {line.label} | {line.kind} | {line.count} | "
            + " | ".join(cells)
            + " |"
        )
    return "\n".join(rows) + "\n"


def _cell(errors: Errors, count: int) -> str:
    missing = f" (+{errors.missing})" if errors.missing else ""
    return f"{errors.wrong}{missing}, {100 * errors.wrong / count:.1f} %"
