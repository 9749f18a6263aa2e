"""What a comparison found: rows, as JSON, as a table for a terminal, as a Markdown page.

A speed is the median over the rounds; a ratio is the median of the rounds' own ratios. Measures
nothing (rounds.py).
"""

import json
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final, Literal

from rich.table import Table

from naga.bench.machine import Machine
from naga.bench.rounds import Case, Comparison, Work

PEER: Final = "transformers"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case on one side."""

    work: Work
    engine: Literal["naga", "transformers"]
    version: str
    dtype: str
    threads: int
    batch: int
    context: int
    """Tokens of each sequence: the prompt, or the row that is trained on."""
    tokens_per_s: float
    """Median over the rounds, all sequences together."""
    ratio: float
    """Over transformers in the same round, median; 1 in transformers' own rows."""
    ratio_min: float
    ratio_max: float
    rounds: tuple[float, ...]
    """Tokens/s by round: the n-th of both sides are a pair."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The checkpoint, and what was asked of it."""

    model: str
    layout: str
    parameters: int
    active_parameters: int
    dtype: str
    decode_tokens: int
    prefill_chunk: int


@dataclass(frozen=True, kw_only=True)
class Report:
    command: str
    subject: Subject
    machine: Machine
    peer_version: str
    peer_kernels: tuple[str, ...]
    """Optional Mamba kernels the peer found installed."""
    comparisons: tuple[Comparison, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Ours and theirs of each case, in turn."""
        return tuple(row for found in self.comparisons for row in self._pair(found))

    @property
    def num_rounds(self) -> int:
        return len(self.comparisons[0].ours)

    def to_json(self) -> str:
        data = {
            "command": self.command,
            **asdict(self.subject),
            "machine": asdict(self.machine),
            "peer_kernels": list(self.peer_kernels),
            "rounds": self.num_rounds,
            "rows": [asdict(row) for row in self.rows],
        }
        return json.dumps(data, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        table = Table(title=f"{self.subject.model}: {self.subject.dtype}, {self.num_rounds} rounds")
        table.add_column("work")
        for heading in ("batch", "context", "naga tok/s", f"{PEER} tok/s", "ratio", "min–max"):
            table.add_column(heading, justify="right")
        for found in self.comparisons:
            table.add_row(*_cells(found))
        return table

    def to_markdown(self) -> str:
        """A page with the table, how it came about, and the command that repeats it."""
        return "\n".join([*self._head(), "", *self._lines(), "", *self._foot()]) + "\n"

    def _pair(self, found: Comparison) -> tuple[Row, Row]:
        ours = self._row(found.case, "naga", self.machine.naga, found.ours, found.ratios)
        ones = (1.0,) * len(found.theirs)
        return ours, self._row(found.case, PEER, self.peer_version, found.theirs, ones)

    def _row(
        self,
        case: Case,
        engine: Literal["naga", "transformers"],
        version: str,
        speeds: tuple[float, ...],
        ratios: tuple[float, ...],
    ) -> Row:
        return Row(
            work=case.work,
            engine=engine,
            version=version,
            dtype=self.subject.dtype,
            threads=self.machine.threads,
            batch=case.batch,
            context=case.context,
            tokens_per_s=median(speeds),
            ratio=median(ratios),
            ratio_min=min(ratios),
            ratio_max=max(ratios),
            rounds=speeds,
        )

    def _head(self) -> list[str]:
        subject = self.subject
        weights = "float32 weights" + ("" if subject.dtype == "float32" else " under autocast")
        return [
            "# Training, prefill and decode beside transformers",
            "",
            f"`{subject.model}`: layout {subject.layout}, {subject.parameters:,} parameters "
            f"({subject.active_parameters:,} active per token), computed in {subject.dtype} on "
            f"{_counted(self.machine.threads, 'CPU thread')}.",
            "",
            f"One process opened the checkpoint with naga and with {PEER} and gave both the same "
            f"random tokens, fresh each time. After a warm-up there were "
            f"{_counted(self.num_rounds, 'round')}; in each, both sides did every line of the "
            "table one right after the other, and who went first alternated. Tokens/s are medians; "
            f"the ratio (naga over {PEER}) is the median of the rounds' own ratios, beside the "
            "smallest and the largest. Below 1, naga is the slower one.",
            "",
            f"- **prefill**: naga's engine from submit to first token, in chunks of "
            f"{subject.prefill_chunk} tokens, scheduling and sampling included; {PEER}: one "
            "forward pass over the prompt and an argmax.",
            f"- **decode**: {_counted(subject.decode_tokens, 'greedy token')} per sequence after "
            "prompts of the given context. naga: its engine, with log-probabilities and "
            f"detokenising; {PEER}: a bare loop over its own cache, without `generate`.",
            "- **train**: one optimizer step (forward, backward, clipping, AdamW) on `batch` rows "
            f"of `context` tokens, no padding on either side; {PEER} in train mode with labels, "
            f"{weights}.",
        ]

    def _lines(self) -> list[str]:
        headings = ("work", "batch", "context", "naga tokens/s", f"{PEER} tokens/s")
        table = [
            "| " + " | ".join((*headings, "ratio", "min–max")) + " |",
            "|---|" + "---:|" * 6,
        ]
        return table + ["| " + " | ".join(_cells(found)) + " |" for found in self.comparisons]

    def _foot(self) -> list[str]:
        machine = self.machine
        kernels = ", ".join(self.peer_kernels) or "none of its optional Mamba kernels"
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
            f"- {PEER} {self.peer_version} with default settings; installed beside it: {kernels}",
            "",
            "```",
            self.command,
            "```",
        ]


def _cells(found: Comparison) -> tuple[str, ...]:
    case, ratios = found.case, found.ratios
    return (
        case.work,
        str(case.batch),
        str(case.context),
        _speed(median(found.ours)),
        _speed(median(found.theirs)),
        f"{found.ratio:.2f}",
        f"{min(ratios):.2f}–{max(ratios):.2f}",
    )


def _speed(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
