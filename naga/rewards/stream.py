"""Rows of JSONL, judged as they come: in order, several at once, none lost.

A line that is no row goes through with a score of null and the reason, the text itself under
`malformed`. A bounded number of rows is held, so files may be larger than memory. Empty lines are
not rows.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from naga.data.messages import read_object, to_json
from naga.disk import hidden_of, sync
from naga.rewards.score import Scorer, as_fields
from naga.tasks import Verdict

AHEAD = 4
"""Rows held for each thread."""

Progress = Callable[["Counts"], None]


@dataclass(frozen=True, kw_only=True)
class Counts:
    rows: int = 0
    missing: int = 0
    total: float = 0.0
    """Sum of the scores there are."""

    @property
    def mean(self) -> float | None:
        judged = self.rows - self.missing
        return self.total / judged if judged else None

    def plus(self, row: dict[str, object]) -> "Counts":
        score = row["score"]
        judged = isinstance(score, float)
        return Counts(
            rows=self.rows + 1,
            missing=self.missing + (not judged),
            total=self.total + (score if isinstance(score, float) else 0.0),
        )


def score_lines(
    scorer: Scorer, lines: Iterable[str], progress: Progress = lambda counts: None
) -> Iterator[str]:
    """A line for each row, in order; `progress` is told after each."""
    counts = Counts()
    waiting: deque[Future[dict[str, object]]] = deque()
    with ThreadPoolExecutor(max_workers=scorer.config.threads) as pool:
        try:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                waiting.append(pool.submit(_judged, scorer, number, line))
                if len(waiting) >= AHEAD * scorer.config.threads:
                    row = waiting.popleft().result()
                    counts = counts.plus(row)
                    progress(counts)
                    yield to_json(row)
            while waiting:
                row = waiting.popleft().result()
                counts = counts.plus(row)
                progress(counts)
                yield to_json(row)
        finally:
            for future in waiting:
                future.cancel()


def write_scores(
    scorer: Scorer, lines: Iterable[str], out: TextIO, progress: Progress = lambda counts: None
) -> Counts:
    """Writes them as they are judged; how many there were."""
    last = Counts()

    def told(counts: Counts) -> None:
        nonlocal last
        last = counts
        progress(counts)

    for line in score_lines(scorer, lines, told):
        out.write(line + "\n")
    return last


def score_file(
    scorer: Scorer, lines: Iterable[str], target: Path, progress: Progress = lambda counts: None
) -> Counts:
    """Writes beside `target` and renames, so that a run that is ended leaves no half of it.

    OSError names the path that cannot be written.
    """
    beside = hidden_of(target)
    with beside.open("w", encoding="utf-8") as out:
        counts = write_scores(scorer, lines, out, progress)
    sync(beside)
    beside.replace(target)
    return counts


@contextmanager
def open_rows(source: Path | None) -> Iterator[Iterable[str]]:
    """The lines of a file, or of standard input; what is not UTF-8 is replaced."""
    if source is not None:
        with source.open(encoding="utf-8", errors="replace") as lines:
            yield lines
        return
    yield TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")


def _judged(scorer: Scorer, number: int, line: str) -> dict[str, object]:
    try:
        record = read_object(line)
    except ValueError as error:
        reason = f"line {number}: not a row: {error}"
        return {"malformed": line.rstrip("\n"), **as_fields(Verdict(score=None, reason=reason))}
    return scorer.score(record)
