"""When a model thinks, and what that costs: think-rates, AUROC, accuracy over tokens, an alarm.

A thought is one that says something: a think block that is empty or blank is none. Answers that
could not be judged are left out of accuracies and counted; think-rates and tokens have them all.
Difficulty is any number that grows with it: a level's place, or how often a model without thoughts
is wrong. The AUROC is the chance that of an answer with a thought and one without, the one with has
the harder question (ties count half): 0.5 says that thinking has nothing to do with difficulty.
Draws in thinking_plot.py; asks nothing itself (thinking_run.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rich.table import Table

from naga.eval.estimators import Score
from naga.tasks import LEVELS, Level

COLLAPSE_LOW, COLLAPSE_HIGH = 0.02, 0.98
BINS = 5
Mode = Literal["always", "never", "auto"]
MODES: tuple[Mode, ...] = ("always", "never", "auto")


@dataclass(frozen=True, kw_only=True)
class Thought:
    """One answer, as far as its thinking is concerned."""

    family: str
    level: Level | None
    difficulty: float | None
    """Of its question, from 0 to 1: the failure rate of a model that answers at once; None: not
    known."""
    thought: bool
    tokens: int
    """Generated, those of the thought included."""
    score: float | None
    """None: could not be judged."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Answers of one kind of question."""

    name: str
    count: int
    think_rate: float
    score: Score | None
    """None where none was judged."""
    mean_tokens: float


@dataclass(frozen=True, kw_only=True)
class ModeReport:
    """Answers to the same questions in one mode."""

    mode: str
    answers: tuple[Thought, ...]

    @property
    def whole(self) -> Rate:
        return rate(self.mode, self.answers)

    @property
    def missing(self) -> int:
        return sum(answer.score is None for answer in self.answers)

    @property
    def auroc_level(self) -> float | None:
        """Of thinking by level."""
        return auroc_of([_place(answer.level) for answer in self.answers], self.answers)

    @property
    def auroc_difficulty(self) -> float | None:
        return auroc_of([answer.difficulty for answer in self.answers], self.answers)


def rate(name: str, answers: Sequence[Thought]) -> Rate:
    """There must be at least one answer."""
    judged = [answer.score for answer in answers if answer.score is not None]
    return Rate(
        name=name,
        count=len(answers),
        think_rate=sum(answer.thought for answer in answers) / len(answers),
        score=Score(values=tuple(judged)) if judged else None,
        mean_tokens=sum(answer.tokens for answer in answers) / len(answers),
    )


def by_level(answers: Sequence[Thought]) -> tuple[Rate, ...]:
    """Of the levels that occur, easiest first."""
    groups = {level: [each for each in answers if each.level == level] for level in LEVELS}
    return tuple(rate(level, group) for level, group in groups.items() if group)


def by_family(answers: Sequence[Thought]) -> tuple[Rate, ...]:
    """By name."""
    ordered = sorted(answers, key=lambda answer: answer.family)
    return tuple(rate(name, list(group)) for name, group in groupby(ordered, lambda a: a.family))


def by_difficulty(answers: Sequence[Thought], bins: int = BINS) -> tuple[Rate, ...]:
    """In bins of equal width from 0 to 1, those that are empty left out."""
    groups: dict[int, list[Thought]] = {}
    for answer in answers:
        if answer.difficulty is not None:
            groups.setdefault(min(int(answer.difficulty * bins), bins - 1), []).append(answer)
    return tuple(
        rate(f"{place / bins:.1f}–{(place + 1) / bins:.1f}", groups[place])
        for place in sorted(groups)
    )


def auroc_of(difficulties: Sequence[float | None], answers: Sequence[Thought]) -> float | None:
    """Of the answers whose difficulty is known."""
    known = [
        (difficulty, answer.thought)
        for difficulty, answer in zip(difficulties, answers, strict=True)
        if difficulty is not None
    ]
    return auroc([d for d, _ in known], [thought for _, thought in known])


def auroc(values: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Area under the ROC curve by ranks (Mann–Whitney); None where all are of one kind."""
    num_positive = sum(positive)
    num_negative = len(positive) - num_positive
    if not num_positive or not num_negative:
        return None
    pairs = sorted(zip(values, positive, strict=True))
    ranks, place = 0.0, 0
    for _, tied in groupby(pairs, lambda pair: pair[0]):
        kinds = [kind for _, kind in tied]
        # Those that tie share the mean of their ranks place + 1 .. place + len(kinds).
        ranks += sum(kinds) * (place + (len(kinds) + 1) / 2)
        place += len(kinds)
    return (ranks - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative)


def collapse_alarm(
    think_rate: float, *, low: float = COLLAPSE_LOW, high: float = COLLAPSE_HIGH
) -> str | None:
    """One line if a model that decides itself hardly ever decides for one of both; else None."""
    if low <= think_rate <= high:
        return None
    much, kind = (f"below {low:.0%}", "no answer") if think_rate < low else (
        f"above {high:.0%}", "every answer",
    )  # fmt: skip
    return f"mode collapse: a think-rate of {think_rate:.1%} is {much}: {kind} thinks"


def pareto(reports: Sequence[ModeReport]) -> tuple[str, ...]:
    """The modes that no other one beats: none is at once as accurate and as short, and better."""
    points = {report.mode: _point(report) for report in reports}
    return tuple(
        mode
        for mode, (accuracy, tokens) in points.items()
        if not any(
            other_accuracy >= accuracy
            and other_tokens <= tokens
            and (other_accuracy, other_tokens) != (accuracy, tokens)
            for other_accuracy, other_tokens in points.values()
        )
    )


def thinking_table(reports: Sequence[ModeReport]) -> Table:
    """A row for each mode, then the rows of its levels and difficulties where it decides itself."""
    table = Table("mode", "questions", title="thinking: accuracy and what it costs")
    for heading in ("n", "accuracy", "95 % interval", "tokens", "think-rate", "AUROC", ""):
        table.add_column(heading, justify="right")
    best = pareto(reports)
    for report in reports:
        area = report.auroc_difficulty
        area = report.auroc_level if area is None else area
        note = "Pareto" if report.mode in best else ""
        _add(table, report.mode, "all", report.whole, "-" if area is None else f"{area:.3f}", note)
        for part in (*by_level(report.answers), *by_difficulty(report.answers)):
            _add(table, "", part.name, part, "", "")
    return table


def _add(table: Table, mode: str, name: str, row: Rate, area: str, note: str) -> None:
    low, high = row.score.interval if row.score else (0.0, 1.0)
    table.add_row(
        *(mode, name, f"{row.count}"),
        f"{row.score.accuracy:.3f}" if row.score else "-",
        *(f"{low:.3f}–{high:.3f}", f"{row.mean_tokens:.1f}", f"{row.think_rate:.1%}", area, note),
    )


def _place(level: Level | None) -> float | None:
    return None if level is None else float(LEVELS.index(level))


def _point(report: ModeReport) -> tuple[float, float]:
    whole = report.whole
    return (whole.score.accuracy if whole.score else 0.0), whole.mean_tokens
