"""What an evaluation found: scores with intervals, kept samples, as a table and as JSON.

Intervals are Wilson's at 95 % (Wilson 1927), which stay sensible near 0 and 1 and for few samples.
Does not run anything (run.py).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

from rich.table import Table

from naga.disk import write_atomic
from naga.tasks import Language, Level, Split

Z_95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Score:
    points: float
    """Sum of the verdicts' scores: the number of right answers where each is 0 or 1."""
    count: int

    @property
    def accuracy(self) -> float:
        return self.points / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        spread = Z_95**2 / self.count
        centre = self.accuracy + spread / 2
        half = sqrt(spread * (self.accuracy * (1 - self.accuracy) + spread / 4))
        low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
        return max(0.0, low), min(1.0, high)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One question, what was answered and how it was judged."""

    task: str
    level: Level | None
    language: Language
    question: str
    expected: str
    content: str
    reasoning: str
    finish_reason: str
    completion_tokens: int
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    task: str
    level: Level | None
    samples: tuple[Sample, ...]

    @property
    def score(self) -> Score:
        return _score(self.samples)

    @property
    def by_language(self) -> dict[Language, Score]:
        """Of the languages that occur."""
        groups: dict[Language, list[Sample]] = {}
        for sample in self.samples:
            groups.setdefault(sample.language, []).append(sample)
        return {language: _score(groups[language]) for language in sorted(groups)}

    @property
    def truncated(self) -> int:
        """Answers that ran into the token limit."""
        return sum(sample.finish_reason == "length" for sample in self.samples)

    @property
    def mean_tokens(self) -> float:
        """Tokens generated per answer."""
        return sum(sample.completion_tokens for sample in self.samples) / len(self.samples)


@dataclass(frozen=True, kw_only=True)
class Report:
    model: str
    split: Split
    seed: int
    thinking: bool
    tasks: tuple[TaskReport, ...]

    def table(self) -> Table:
        thinking = "on" if self.thinking else "off"
        title = f"{self.model}: {self.split} split, seed {self.seed}, thinking {thinking}"
        table = Table("task", "level", title=title)
        for heading in ("n", "accuracy", "95 % interval", "en", "zh", "tokens", "cut"):
            table.add_column(heading, justify="right")
        for row in self.tasks:
            low, high = row.score.interval
            languages = [
                f"{row.by_language[language].accuracy:.3f}" if language in row.by_language else "-"
                for language in ("en", "zh")
            ]
            table.add_row(
                *(row.task, row.level, f"{row.score.count}", f"{row.score.accuracy:.3f}"),
                *(f"{low:.3f}–{high:.3f}", *languages),
                *(f"{row.mean_tokens:.0f}", f"{row.truncated}"),
            )
        return table

    def to_json(self) -> str:
        """The table's numbers, without the samples."""
        rows = [_row(task) for task in self.tasks]
        head = {
            "model": self.model,
            "split": self.split,
            "seed": self.seed,
            "thinking": self.thinking,
        }
        return json.dumps({**head, "tasks": rows}, ensure_ascii=False, indent=1)


def write_samples(report: Report, path: Path) -> None:
    """One JSON object per line and sample, atomically."""
    samples = (sample for task in report.tasks for sample in task.samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (json.dumps(asdict(sample), ensure_ascii=False) + "\n" for sample in samples)
    write_atomic(path, "".join(rows))


def _score(samples: "tuple[Sample, ...] | list[Sample]") -> Score:
    return Score(points=sum(sample.score for sample in samples), count=len(samples))


def _row(report: TaskReport) -> dict[str, object]:
    low, high = report.score.interval
    return {
        "task": report.task,
        "level": report.level,
        "count": report.score.count,
        "accuracy": round(report.score.accuracy, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "by_language": {
            language: {"count": score.count, "accuracy": round(score.accuracy, 4)}
            for language, score in report.by_language.items()
        },
        "mean_completion_tokens": round(report.mean_tokens, 1),
        "truncated": report.truncated,
    }
