"""`naga bench load`: seconds from starting a process to the first token of a short prompt.

A fresh process for each try, one engine after the other in every round, files in the page cache.
The importing of the engine's libraries is in it, and also told by itself.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from naga.bench.compare import plan_pairs
from naga.bench.engines import Job, Opening, our_opening, peer_opening
from naga.bench.gguf_files import make_gguf
from naga.bench.limits import Precision
from naga.bench.peers import Installed
from naga.bench.process import open_worker
from naga.bench.rounds import Case, Name, RoundsProgress
from naga.checkpoint.config import read_model_config

# Tokens.
PROMPT = 16


@dataclass(frozen=True, kw_only=True)
class LoadRow:
    engine: str
    version: str
    precision: Precision
    seconds: float
    """Median."""
    importing: float
    """Of them, median."""
    ratio: float
    """Theirs over naga's in the same round, median; 1 in naga's own row."""
    rounds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    model: str
    command: str
    rows: tuple[LoadRow, ...]

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.bench.load.1", **asdict(self)}, indent=1)

    def table(self) -> Table:
        table = Table(title=f"{self.model}: load to first token")
        table.add_column("engine")
        for heading in ("precision", "seconds", "importing", "over naga's"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(
                f"{row.engine} {row.version}",
                row.precision,
                f"{row.seconds:.2f}",
                f"{row.importing:.2f}",
                f"{row.ratio:.2f}",
            )
        return table


@dataclass(frozen=True, kw_only=True)
class _Try:
    seconds: float
    importing: float


def run_loading(
    model: Path,
    converted: Path,
    precision: Precision,
    peers: Sequence[Installed],
    *,
    rounds: int,
    threads: int,
    command: str,
    console: Console,
) -> LoadReport:
    """naga loads `converted`, the peers `model`; each peer in `precision` if it has it."""
    case = Case(work="prefill", batch=1, context=PROMPT)
    config = read_model_config(model)
    jobs = [
        Job(model=folder, config=config, cases=(case,), rounds=1, threads=threads)
        for folder in (converted, model)
    ]
    openings = [our_opening(jobs[0], precision)]
    for _, found, theirs in plan_pairs([precision], peers):
        if found.peer.name == "llama.cpp":
            make_gguf(model, theirs, console)
        openings.append(peer_opening(jobs[1], found, theirs))
    tries = try_all(openings, config.vocab_size, rounds, threads, console)
    return LoadReport(model=str(model), command=command, rows=tuple(rows_of(tries)))


def try_all(
    openings: Sequence[Opening], vocab_size: int, rounds: int, threads: int, console: Console
) -> dict[Name, list[_Try]]:
    """Every engine, naga first, `rounds` times after a warm-up."""
    tries: dict[Name, list[_Try]] = {opening.name: [] for opening in openings}
    generator = np.random.default_rng(0)
    with RoundsProgress(console, "load", rounds + 1) as progress:
        for number in range(rounds + 1):
            prompt = generator.integers(vocab_size, size=PROMPT).tolist()
            for opening in openings:
                found = _load(opening, prompt, threads)
                if number:
                    tries[opening.name].append(found)
            progress.step()
    return tries


def rows_of(tries: Mapping[Name, Sequence[_Try]]) -> Iterator[LoadRow]:
    mine = next(iter(tries.values()))
    for name, found in tries.items():
        yield LoadRow(
            engine=name.engine,
            version=name.version,
            precision=name.precision,
            seconds=median(one.seconds for one in found),
            importing=median(one.importing for one in found),
            ratio=median(a.seconds / b.seconds for a, b in zip(found, mine, strict=True)),
            rounds=tuple(one.seconds for one in found),
        )


def _load(opening: Opening, prompt: list[int], threads: int) -> _Try:
    started = perf_counter()
    with open_worker(opening.name.engine, opening.python, opening.module, threads) as worker:
        importing = float(worker.ask("open", **opening.arguments))
        worker.ask("start", prompts=[prompt], new_tokens=1)
        seconds = perf_counter() - started
    return _Try(seconds=seconds, importing=importing)
