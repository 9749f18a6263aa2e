"""What an evaluation found: scores with intervals and kept samples, as a table and as JSON.

A value is that of a problem, the mean of its answers that were judged; a problem without any is
missing and in no score. Runs nothing (run.py) and draws nothing (pages.py).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.table import Table

from naga.disk import write_atomic
from naga.eval.estimators import Score, canonical, majority_at, pass_at, powers_up_to
from naga.eval.samples import Cell, Sample
from naga.tasks import Language, Level, Split
from naga.tasks.contamination import Contamination

RIGHT = 1.0


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """One task at one level, or in one cell of a grid."""

    task: str
    level: Level | None
    samples: tuple[Sample, ...]
    cell: Cell | None = None

    @cached_property
    def problems(self) -> Mapping[str, tuple[Sample, ...]]:
        """The judged answers of each problem that has any."""
        found: dict[str, tuple[Sample, ...]] = {}
        for sample in self.samples:
            if sample.score is not None:
                found[sample.question] = (*found.get(sample.question, ()), sample)
        return found

    @property
    def score(self) -> Score:
        return self._score(lambda samples: True)

    @property
    def by_language(self) -> dict[Language, Score]:
        """Of the languages that occur."""
        languages = sorted({samples[0].language for samples in self.problems.values()})
        return {language: self._of_language(language) for language in languages}

    def _of_language(self, language: Language) -> Score:
        return self._score(lambda samples: samples[0].language == language)

    def without(self, questions: frozenset[str]) -> Score:
        """Of the other problems."""
        return self._score(lambda samples: samples[0].question not in questions)

    @property
    def pass_at(self) -> dict[int, Score]:
        """By k, of the problems with so many judged answers; an answer with a full score passes."""
        return self._at(
            lambda k, samples: pass_at(k, sum(s.score == RIGHT for s in samples), len(samples))
        )

    @property
    def majority_at(self) -> dict[int, Score]:
        def value(k: int, samples: tuple[Sample, ...]) -> float:
            votes = [canonical(sample.response) for sample in samples]
            return majority_at(k, votes, [sample.score or 0.0 for sample in samples])

        return self._at(value)

    @property
    def truncated(self) -> int:
        """Answers that ran into the token limit."""
        return sum(sample.finish_reason == "length" for sample in self.samples)

    @property
    def missing(self) -> int:
        """Answers that did not come."""
        return sum(bool(sample.error) for sample in self.samples)

    @property
    def unjudged(self) -> int:
        """Answers that nobody could judge."""
        return sum(sample.score is None and not sample.error for sample in self.samples)

    @property
    def mean_tokens(self) -> float | None:
        """Tokens of an answer, where they are known."""
        known = [s.completion_tokens for s in self.samples if s.completion_tokens is not None]
        return sum(known) / len(known) if known else None

    @property
    def think_rate(self) -> float:
        """Share of the answers with any thought before them."""
        came = [sample for sample in self.samples if not sample.error]
        return sum(bool(s.reasoning.strip()) for s in came) / len(came) if came else 0.0

    def _score(self, wanted: Callable[[tuple[Sample, ...]], bool]) -> Score:
        return Score(
            values=tuple(
                sum(sample.score or 0.0 for sample in samples) / len(samples)
                for samples in self.problems.values()
                if wanted(samples)
            )
        )

    def _at(self, value: Callable[[int, tuple[Sample, ...]], float]) -> dict[int, Score]:
        most = max(map(len, self.problems.values()), default=0)
        return {
            k: Score(
                values=tuple(
                    value(k, samples) for samples in self.problems.values() if len(samples) >= k
                )
            )
            for k in (powers_up_to(most) if most else ())
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    model: str
    split: Split
    seed: int
    thinking: bool
    num_samples: int
    settings: tuple[tuple[str, str], ...]
    prompt_hash: str
    """Equal hashes, equal questions asked."""
    tasks: tuple[TaskReport, ...]
    contamination: Contamination | None
    questions: tuple[str, ...]
    """Of all problems in order, as `contamination` has them."""

    @property
    def contaminated(self) -> frozenset[str]:
        """Questions of which the training files have anything."""
        if self.contamination is None:
            return frozenset()
        pairs = zip(self.questions, self.contamination.overlaps, strict=True)
        return frozenset(question for question, overlap in pairs if overlap.num_found)

    @property
    def title(self) -> str:
        thinking = "on" if self.thinking else "off"
        return f"{self.model}: {self.split} split, seed {self.seed}, thinking {thinking}"

    def table(self) -> Table:
        table = Table(title=self.title, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in ("task", "level"):
            table.add_column(heading, no_wrap=True)
        for heading in ("n", "accuracy", "95 % interval", "en", "zh", "tokens", "cut", "missing"):
            table.add_column(heading, justify="right", no_wrap=heading != "missing")
        for row in self.tasks:
            table.add_row(*cells(row))
        return table

    def to_json(self) -> str:
        """The numbers, without the samples."""
        head = {
            "model": self.model,
            "split": self.split,
            "seed": self.seed,
            "thinking": self.thinking,
            "samples": self.num_samples,
            "settings": dict(self.settings),
            "prompt_hash": self.prompt_hash,
        }
        body = {**head, "tasks": [self._row(task) for task in self.tasks]}
        if self.contamination is not None:
            body["contamination"] = self._contamination(self.contamination)
        return json.dumps(body, ensure_ascii=False, indent=1)

    def _row(self, task: TaskReport) -> dict[str, object]:
        row = _row(task)
        if self.contamination is not None:
            row["not_in_training_files"] = numbers(task.without(self.contaminated))
        return row

    def _contamination(self, found: Contamination) -> dict[str, object]:
        return {
            "problems": len(found.overlaps),
            "found": found.num_found,
            "cannot_say": found.num_unknown,
            "bytes": found.num_bytes,
            "examples": [
                {"question": question, "share": round(overlap.share, 4), "file": f"{overlap.file}"}
                for question, overlap in zip(self.questions, found.overlaps, strict=True)
                if overlap.num_found
            ],
        }


def cells(row: TaskReport) -> tuple[str, ...]:
    """Of a table: task, level, n, accuracy, interval, en, zh, tokens, cut, missing."""
    languages = row.by_language
    missing = f"{row.missing}" + (f" + {row.unjudged} unjudged" if row.unjudged else "")
    return (
        *(row.task, place_of(row), f"{row.score.count}", shown(row.score), interval_of(row.score)),
        *(shown(languages[name]) if name in languages else "-" for name in ("en", "zh")),
        *("-" if row.mean_tokens is None else f"{row.mean_tokens:.0f}", f"{row.truncated}"),
        missing,
    )


def place_of(row: TaskReport) -> str:
    """The level, or the cell of a grid."""
    if row.cell is not None:
        return f"{row.cell.length} @ {row.cell.depth:g}"
    return row.level or "-"


def shown(score: Score) -> str:
    return f"{score.accuracy:.3f}" if score.count else "-"


def interval_of(score: Score) -> str:
    low, high = score.interval
    return f"{low:.3f}–{high:.3f}" if score.count else "-"


def numbers(score: Score) -> dict[str, object]:
    """As JSON has them; an accuracy of nothing is null."""
    low, high = score.interval
    return {
        "count": score.count,
        "accuracy": round(score.accuracy, 4) if score.count else None,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def write_samples(report: Report, path: Path) -> None:
    """One JSON object per line and sample, atomically."""
    samples = (sample for task in report.tasks for sample in task.samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(sample.model_dump_json() + "\n" for sample in samples))


def _row(report: TaskReport) -> dict[str, object]:
    tokens = report.mean_tokens
    row: dict[str, object] = {
        "task": report.task,
        "level": report.level,
        **numbers(report.score),
        "by_language": {language: numbers(score) for language, score in report.by_language.items()},
        "mean_completion_tokens": None if tokens is None else round(tokens, 1),
        "think_rate": round(report.think_rate, 4),
        "truncated": report.truncated,
        "missing": report.missing,
        "unjudged": report.unjudged,
    }
    if report.cell is not None:
        row["cell"] = report.cell.model_dump()
    if len(report.pass_at) > 1:
        row["pass_at"] = {f"{k}": numbers(score) for k, score in report.pass_at.items()}
        row["majority_at"] = {f"{k}": numbers(score) for k, score in report.majority_at.items()}
    return row
