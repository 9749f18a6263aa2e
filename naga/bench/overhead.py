"""`naga bench overhead`: Python's share of a decoded token in the engine.

The engine decodes one sequence on its own thread; what native calls took (they count their own
time) is taken off. Scheduling, detokenising, stop strings and the hand-over to the client are
Python's. Opens each precision in this process, one after the other. Compares with nobody.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

from naga.bench.limits import Precision
from naga.bench.ours import USUAL, EngineSequences, open_sequences

PROMPT = [1, 2, 3, 4]
# Tokens of a round.
TOKENS = 32


@dataclass(frozen=True, kw_only=True)
class OverheadRow:
    model: str
    precision: Precision
    tokens_per_s: float
    python_share: float
    """Of a token's time; all three are medians over the rounds."""
    python_us_per_token: float
    rounds: int


@dataclass(frozen=True, kw_only=True)
class OverheadReport:
    command: str
    rows: tuple[OverheadRow, ...]

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.bench.overhead.1", **asdict(self)}, indent=1)

    def table(self) -> Table:
        table = Table(title="Python's share of a decoded token, batch 1")
        table.add_column("model")
        for heading in ("precision", "tokens/s", "Python", "µs a token"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(
                row.model,
                row.precision,
                f"{row.tokens_per_s:.1f}",
                f"{row.python_share:.1%}",
                f"{row.python_us_per_token:.0f}",
            )
        return table


def measure_overhead(
    model: Path, precisions: Sequence[Precision], rounds: int, command: str
) -> OverheadReport:
    rows = [_measure(model, precision, rounds) for precision in precisions]
    return OverheadReport(command=command, rows=tuple(rows))


def _measure(model: Path, precision: Precision, rounds: int) -> OverheadRow:
    tokens, page = len(PROMPT) + (rounds + 1) * TOKENS + 2, USUAL.page_size
    whole = -(-tokens // page) * page
    sequences = open_sequences(
        model=str(model), precision=precision, kv=None, sequences=1, tokens=whole
    )
    try:
        found = list(_rounds(sequences, rounds))
    finally:
        sequences.close()
    return OverheadRow(
        model=str(model),
        precision=precision,
        tokens_per_s=TOKENS / median(total for total, _ in found),
        python_share=median(python / total for total, python in found),
        python_us_per_token=1e6 * median(python for _, python in found) / TOKENS,
        rounds=rounds,
    )


def _rounds(sequences: EngineSequences, rounds: int) -> Iterator[tuple[float, float]]:
    """Seconds of a round, and Python's among them; a first round is not counted."""
    sequences.start([PROMPT], (rounds + 1) * TOKENS)
    for number in range(rounds + 1):
        before = sequences.native_seconds
        total = sequences.advance(TOKENS)
        if number:
            yield total, total - (sequences.native_seconds - before)
