"""What a distillation found: counts, and what is thought about by difficulty; JSON and a table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from naga.config.distill import DistillConfig
from naga.distill.mix import Mixed
from naga.distill.types import Question, Quick, Sample, Slow
from naga.eval.thinking import Rate, Thought, auroc_of, by_difficulty, by_level, collapse_alarm


@dataclass(frozen=True, kw_only=True)
class DistillReport:
    questions: int
    unjudged: int
    """Questions none of whose quick answers could be judged: they are left out."""
    quick_answers: int
    quick_missing: int
    quick_right: int
    hard: int
    """Questions to think about."""
    solved: int
    """Of them and of the easy ones that were thought about as well, by the slow teacher."""
    slow_attempts: int
    slow_missing: int
    teacher: str
    rewritten: int
    rows: dict[str, int]
    repeats: dict[str, int]
    think_rate: float | None
    """Share of long samples among those that the model should do of itself."""
    auroc: float | None
    """Of being long by failure rate: 1 where every threshold is kept, by construction."""
    alarm: str | None
    by_level: tuple[Rate, ...]
    by_difficulty: tuple[Rate, ...]

    def table(self) -> Table:
        table = Table("questions", title=f"distilled, the slow teacher being {self.teacher}")
        for heading in ("samples", "long"):
            table.add_column(heading, justify="right")
        for row in (*self.by_level, *self.by_difficulty):
            table.add_row(row.name, f"{row.count}", f"{row.think_rate:.1%}")
        return table

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def make_report(
    config: DistillConfig,
    questions: Sequence[Question],
    quick: Sequence[Quick],
    slow: Sequence[Slow],
    samples: Sequence[Sample],
    mixed: Mixed,
) -> DistillReport:
    attempts = [attempt for each in quick for attempt in each.attempts]
    tries = [attempt for each in slow for attempt in each.attempts]
    decided = _decided(config, questions, quick, samples)
    rate = sum(each.thought for each in decided) / len(decided) if decided else None
    return DistillReport(
        questions=len(questions),
        unjudged=sum(each.difficulty(config.right_at) is None for each in quick),
        quick_answers=len(attempts),
        quick_missing=sum(attempt.score is None for attempt in attempts),
        quick_right=sum(attempt.is_right(config.right_at) for attempt in attempts),
        hard=sum(each.decided for each in slow),
        solved=sum(bool(each.answer) for each in slow),
        slow_attempts=len(tries),
        slow_missing=sum(attempt.score is None for attempt in tries),
        teacher="the model" if config.slow.teacher == "model" else "the gold trace",
        rewritten=sum(each.rewritten for each in slow),
        rows={**dict[str, int](mixed.counts.items()), "extra": mixed.extra},
        repeats=dict[str, int](mixed.repeats.items()),
        think_rate=rate,
        auroc=auroc_of([each.difficulty for each in decided], decided),
        alarm=None if rate is None else collapse_alarm(rate),
        by_level=by_level(decided),
        by_difficulty=by_difficulty(decided),
    )


def _decided(
    config: DistillConfig,
    questions: Sequence[Question],
    quick: Sequence[Quick],
    samples: Sequence[Sample],
) -> list[Thought]:
    """The samples of the automatic mode, as if a model had answered so."""
    levels = {question.key: question.example for question in questions}
    difficulties = {each.key: each.difficulty(config.right_at) for each in quick}
    return [
        Thought(
            family=levels[sample.key].family,
            level=levels[sample.key].level,
            difficulty=difficulties[sample.key],
            thought=sample.kind == "long",
            tokens=0,
            score=1.0,
        )
        for sample in samples
        if sample.decided
    ]
