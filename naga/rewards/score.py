"""A row in, a verdict out: gate, rules, sandbox, consistency, judge, aggregation, in this order.

1. Structure: only what follows the last </think> is judged, and a malformed response is wrong.
2. The row's task grades; where the task is nobody's, rules compare with `answer`, and where there
   is none, with the final answer of `gold`.
3. Where rules abstain, the consistency classifier reads, if there is one.
4. A rubric in `answer`, a task without rules, and what is left of rows with `gold` and no `answer`
   is the generative judge's.
5. Secondary terms take their share (aggregate.py).

Missing is not wrong: what nobody could judge has no score, and the reason. Reads no files
(stream.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from naga.config.base import Config, ConfigError
from naga.rewards.aggregate import AggregateConfig, aggregate, of_tests, secondary_terms
from naga.rewards.generative import Judge, Matter
from naga.rewards.graders import RUNNERS, running_tasks
from naga.rewards.rubric import is_rubric, judge_by_rubric, read_rubric
from naga.rewards.types import Consistency, Row, read_row
from naga.rewards.workers import Grades, Here, Workers
from naga.sandbox import Limits
from naga.tasks import Judging, Verdict
from naga.tasks.judging import ABSTAINED
from naga.verify.structure import check_structure

JUDGED = ("mt_bench",)
"""Tasks that have no rule."""


class ScoreConfig(Config):
    thinking: Literal["on", "off", "auto"] = "auto"
    """Whether a response must think, must not, or may."""
    consistency_at: float = Field(default=0.5, gt=0, le=1)
    """From this P(match) on an answer in other words is right."""
    threads: int = Field(default=4, gt=0)
    """Rows judged at once."""
    aggregate: AggregateConfig = AggregateConfig()


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Threads may share one."""

    reads: Grades
    """Grades what can be judged by reading."""
    runs: Grades
    """Grades programs."""
    consistency: Consistency | None = None
    judge: Judge | None = None
    config: ScoreConfig = field(default_factory=ScoreConfig)

    def score(self, record: Mapping[str, object]) -> dict[str, object]:
        """The row with score, parts, matched_by and reason; a malformed one has no score."""
        try:
            verdict = self.verdict(read_row(record))
        except ConfigError as error:
            verdict = Verdict(score=None, reason=str(error))
        return {**record, **as_fields(verdict)}

    def score_many(self, records: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
        """In order, side by side."""
        with ThreadPoolExecutor(max_workers=self.config.threads) as pool:
            return list(pool.map(self.score, records))

    def verdict(self, row: Row) -> Verdict:
        """ConfigError for a rubric or a constraint that is none."""
        found = self._until_judge(row)
        if isinstance(found, Verdict):
            return found
        return self._aggregated(row, self._by_judge(row, found))

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        """In order, side by side; a mistake in a row is its missing score."""
        with ThreadPoolExecutor(max_workers=self.config.threads) as pool:
            return list(pool.map(self._safely, rows))

    def group(self, rows: Sequence[Row]) -> list[Verdict]:
        """Responses to one prompt: open ones are compared with each other, by a pivot."""
        first = rows[0]
        if self.judge is None or len(rows) < 2 or not _may_be_open(first):
            return self.verdicts(rows)
        with ThreadPoolExecutor(max_workers=self.config.threads) as pool:
            known = list(pool.map(self._until_judge, rows))
        matter = Matter(question=first.question, reference=first.reference)
        replies = [found for found in known if isinstance(found, str)]
        judged = iter(self.judge.group(matter, replies) if replies else [])
        return [
            self._aggregated(row, next(judged)) if isinstance(found, str) else found
            for row, found in zip(rows, known, strict=True)
        ]

    def _safely(self, row: Row) -> Verdict:
        try:
            return self.verdict(row)
        except ConfigError as error:
            return Verdict(score=None, reason=str(error))

    def _reply(self, row: Row) -> str | Verdict:
        """What is judged, or the verdict on a response that is not built as it should be."""
        form = check_structure(row.response, self.config.thinking, finished=row.finished)
        if form.failures:
            reason = f"structure: {', '.join(form.failures)}"
            return Verdict(score=0.0, parts={"structure": 0.0}, reason=reason)
        return form.answer

    def _until_judge(self, row: Row) -> Verdict | str:
        """The verdict, or the reply where only a judge can say."""
        reply = self._reply(row)
        if isinstance(reply, Verdict):
            return reply
        if is_rubric(row.answer) or row.task in JUDGED:
            return reply
        grades = self.runs if row.task in RUNNERS and row.answer else self.reads
        verdict = of_tests(grades(row, reply), self.config.aggregate)
        if ABSTAINED in verdict.parts:
            if self.consistency is not None:
                verdict = self._read(self.consistency, row, reply, verdict)
            elif self.judge is not None and not row.answer:
                return reply
        return self._aggregated(row, verdict)

    def _by_judge(self, row: Row, reply: str) -> Verdict:
        if is_rubric(row.answer):
            rubric = read_rubric(row.answer)
            if self.judge is None:
                return Verdict(score=None, reason="a rubric needs a judge, and there is none")
            return judge_by_rubric(self.judge, rubric, row.question, reply)
        if self.judge is None:
            return Verdict(score=None, reason="an open question needs a judge; there is none")
        matter = Matter(question=row.question, reference=row.reference)
        return self.judge.against_reference(matter, reply)

    def _read(self, reads: Consistency, row: Row, reply: str, ruled: Verdict) -> Verdict:
        opinion = reads(row.question, row.reference, reply)
        right = opinion.match >= self.config.consistency_at
        said = {
            "consistency": opinion.match,
            "no_match": opinion.no_match,
            "invalid": opinion.invalid,
        }
        return Verdict(
            score=float(right),
            parts={**ruled.parts, **said},
            matched_by="consistency" if right else "",
            reason="" if right else "read as another answer",
        )

    def _aggregated(self, row: Row, primary: Verdict) -> Verdict:
        length = len(row.response) if row.length is None else row.length
        terms = secondary_terms(row.response, length, self.config.aggregate)
        return aggregate(primary, terms)


@contextmanager
def open_scorer(
    config: ScoreConfig | None = None,
    *,
    consistency: Consistency | None = None,
    judge: Judge | None = None,
    limits: Limits | None = None,
    grader_timeout_s: float = 30.0,
) -> Iterator[Scorer]:
    """With graders in children that can be killed, and a sandbox as soon as it is needed.

    `limits` are those of programs.
    """
    with Judging(limits=limits) as judging, Workers(timeout_s=grader_timeout_s) as workers:
        yield Scorer(
            reads=workers,
            runs=Here(running_tasks(judging)),
            consistency=consistency,
            judge=judge,
            config=config or ScoreConfig(),
        )


def as_fields(verdict: Verdict) -> dict[str, object]:
    return {
        "score": None if verdict.score is None else float(verdict.score),
        "parts": dict(verdict.parts),
        "matched_by": verdict.matched_by,
        "reason": verdict.reason,
    }


def _may_be_open(row: Row) -> bool:
    """A question that rules may leave to a judge, as against a rubric."""
    return row.task in JUDGED or not row.answer
