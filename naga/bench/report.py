"""What comparisons found: rows and ratios, as JSON, as a table for a terminal, as a Markdown page.

A speed is the median over the rounds, of all pairs the contender was in; a ratio is the median of
the rounds' own ratios. Measures nothing (rounds.py).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from naga.bench.limits import Kv, Precision
from naga.bench.machine import Machine
from naga.bench.rounds import Case, Comparison, Name, Times, Work
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.model.account import account


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender on one case."""

    work: Work
    model: str
    engine: str
    version: str
    precision: Precision
    kv: Kv | None
    """Of keys and values; None: the compute dtype, llama.cpp's is float16."""
    threads: int
    batch: int
    context: int
    """Tokens of each sequence: the prompt, or the row that is trained on."""
    tokens_per_s: float
    """All sequences together."""
    of_limit: float | None
    """Share of the machine's limit; None where that was not measured."""
    rounds: tuple[float, ...]
    """Tokens/s by round."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Our speed over theirs, in the same rounds."""

    work: Work
    model: str
    batch: int
    context: int
    precision: Precision
    over: str
    """The other engine."""
    over_precision: Precision
    ratio: float
    ratio_min: float
    ratio_max: float
    rounds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The checkpoint."""

    model: str
    layout: str
    parameters: int
    active_parameters: int


@dataclass(frozen=True, kw_only=True)
class Report:
    title: str
    notes: tuple[str, ...]
    """Markdown: how it was measured."""
    command: str
    subject: Subject
    machine: Machine
    comparisons: tuple[Comparison, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Ours first in each case."""
        found: dict[tuple[Case, Name], list[Times]] = {}
        for ours in (True, False):
            for one in self.comparisons:
                times = one.ours if ours else one.theirs
                found.setdefault((one.case, times.name), []).append(times)
        cases = [one.case for one in self.comparisons]
        ordered = sorted(found.items(), key=lambda item: cases.index(item[0][0]))
        return tuple(self._row(case, name, times) for (case, name), times in ordered)

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        return tuple(self._ratio(one) for one in self.comparisons)

    @property
    def num_rounds(self) -> int:
        return len(self.comparisons[0].ours.seconds)

    def to_json(self) -> str:
        data = {
            "schema": "naga.bench.1",
            "command": self.command,
            "subject": asdict(self.subject),
            "machine": asdict(self.machine),
            "num_rounds": self.num_rounds,
            "rows": [asdict(row) for row in self.rows],
            "ratios": [asdict(ratio) for ratio in self.ratios],
        }
        return json.dumps(data, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        """Without the ranges, for which 80 columns are too few."""
        title = f"{self.subject.model}, {self.num_rounds} rounds"
        table = Table(title=title, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in HEADINGS[:-1]:
            table.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
        for line in self._lines():
            table.add_row(*line[:-1])
        return table

    def to_markdown(self) -> str:
        """A page with the table, how it came about, and the command that repeats it."""
        head = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
        lines = ["| " + " | ".join(line) + " |" for line in self._lines()]
        parts = [f"# {self.title}", "", *self._head(), "", *head, *lines, "", *self._foot()]
        return "\n".join(parts) + "\n"

    def _row(self, case: Case, name: Name, times: Sequence[Times]) -> Row:
        rounds = [case.timed_tokens / seconds for one in times for seconds in one.seconds]
        shares = [share for one in times for share in one.shares]
        return Row(
            work=case.work,
            model=self.subject.model,
            engine=name.engine,
            version=name.version,
            precision=name.precision,
            kv=name.kv,
            threads=self.machine.threads,
            batch=case.batch,
            context=case.context,
            tokens_per_s=median(rounds),
            of_limit=median(shares) if shares else None,
            rounds=tuple(rounds),
        )

    def _ratio(self, found: Comparison) -> Ratio:
        return Ratio(
            work=found.case.work,
            model=self.subject.model,
            batch=found.case.batch,
            context=found.case.context,
            precision=found.ours.name.precision,
            over=found.theirs.name.engine,
            over_precision=found.theirs.name.precision,
            ratio=found.ratio,
            ratio_min=min(found.ratios),
            ratio_max=max(found.ratios),
            rounds=found.ratios,
        )

    def _lines(self) -> list[tuple[str, ...]]:
        return [_cells(found) for found in self.comparisons]

    def _head(self) -> list[str]:
        subject, threads = self.subject, self.machine.threads
        return [
            f"`{subject.model}`: layout {subject.layout}, {subject.parameters:,} parameters "
            f"({subject.active_parameters:,} active per token), on "
            f"{_counted(threads, 'CPU thread')}.",
            "",
            f"After a warm-up there were {_counted(self.num_rounds, 'round')} of each line; in a "
            "round both sides did the same work on the same fresh random tokens, one right after "
            "the other, and who went first alternated. Tokens/s are medians; the ratio (naga over "
            "the other) is the median of the rounds' own ratios, beside the smallest and the "
            "largest. Below 1, naga is the slower one.",
            "",
            *(f"- {note}" for note in self.notes),
        ]

    def _foot(self) -> list[str]:
        machine = self.machine
        names = dict.fromkeys(one.theirs.name for one in self.comparisons)
        engines = dict.fromkeys(f"{name.engine} {name.version}" for name in names)
        busy = ", so **something else may have taken its share**" if machine.busy else ""
        return [
            "These are the numbers of one machine and one model, with random tokens; other sizes, "
            "lengths and batches differ.",
            "",
            f"- {machine.cpu}, {_counted(machine.cores, 'core')}, no GPU used; load average of the "
            f"minute before {machine.load_at_start}{busy}",
            f"- naga {machine.naga}"
            + (f" at commit {machine.commit}" if machine.commit else "")
            + f", torch {machine.torch}, Python {machine.python}",
            *(f"- {engine}" for engine in engines),
            "",
            "```",
            self.command,
            "```",
        ]


HEADINGS = (
    *("work", "batch", "context", "naga", "tokens /s", "of limit"),
    *("beside", "tokens /s", "of limit", "ratio", "min–max"),
)


def describe_subject(model: Path, layout: str, config: ModelConfig) -> Subject:
    total = account(config)
    return Subject(
        model=str(model),
        layout=layout,
        parameters=total.parameters,
        active_parameters=total.active_parameters,
    )


def make_room(file: Path | None) -> None:
    """Find out before a run whether a file can be written; ConfigError says why not."""
    if file is None:
        return
    if file.is_dir():
        raise ConfigError(f"{file}: is a folder; give a file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from None


def _cells(found: Comparison) -> tuple[str, ...]:
    case, ratios = found.case, found.ratios
    return (
        case.work,
        str(case.batch),
        str(case.context),
        found.ours.name.format,
        *_speed(case, found.ours),
        str(found.theirs.name),
        *_speed(case, found.theirs),
        f"{found.ratio:.2f}",
        f"{min(ratios):.2f}–{max(ratios):.2f}",
    )


def _speed(case: Case, times: Times) -> tuple[str, str]:
    # As in the rows: of an even number of rounds the median of the times is another speed.
    value = median(case.timed_tokens / took for took in times.seconds)
    share = "–" if times.of_limit is None else f"{times.of_limit:.0%}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}", share


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
