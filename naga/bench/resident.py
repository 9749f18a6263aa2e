"""`naga bench memory`: bytes that one more conversation of a given length keeps in memory.

naga: its pools for two conversations less those for one, beside what account.py says. llama.cpp:
resident memory of its worker with room for two less that for one; its caches are written when they
are made. Nothing is generated.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from naga import __version__
from naga.bench.gguf_files import gguf_file
from naga.bench.limits import Kv
from naga.bench.ours import USUAL
from naga.bench.peers import Installed
from naga.bench.process import open_worker
from naga.checkpoint.config import read_model_config
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.model.account import account
from naga.model.state import StatePool
from naga.runtime import make_runtime


@dataclass(frozen=True, kw_only=True)
class Resident:
    engine: str
    version: str
    context: int
    measured: int
    """Bytes."""
    formula: int
    """Bytes: recurrent states, and keys and values of every token, as account.py counts them."""


@dataclass(frozen=True, kw_only=True)
class ResidentReport:
    model: str
    rows: tuple[Resident, ...]

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.bench.memory.1", **asdict(self)}, indent=1)

    def table(self) -> Table:
        table = Table(title=f"{self.model}: bytes of one conversation")
        table.add_column("engine")
        for heading in ("context", "measured", "formula"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(
                f"{row.engine} {row.version}",
                f"{row.context:,}",
                f"{row.measured:,}",
                f"{row.formula:,}",
            )
        return table


def measure_resident(
    model: Path,
    peers: Sequence[Installed],
    context: int,
    threads: int,
    kv: Kv | None = None,
) -> ResidentReport:
    """ConfigError for a peer that does not hold its caches from the start."""
    config = read_model_config(model)
    costs = account(config, kv=kv)
    formula = costs.state_bytes + context * costs.kv_bytes_per_token
    grown = pool_bytes(config, 2, context, kv) - pool_bytes(config, 1, context, kv)
    rows = [("naga", __version__, grown)]
    for found in peers:
        if found.peer.name != "llama.cpp":
            raise ConfigError(
                f"{found.peer.name} takes memory as a conversation grows, which this does not "
                "measure; use --peers llama.cpp"
            )
        rows.append((found.peer.name, found.version, _grown(model, found, context, threads, kv)))
    return ResidentReport(
        model=str(model),
        rows=tuple(
            Resident(
                engine=engine, version=version, context=context, measured=count, formula=formula
            )
            for engine, version, count in rows
        ),
    )


def pool_bytes(config: ModelConfig, sequences: int, context: int, kv: Kv | None) -> int:
    """Of the engine's pools in bfloat16, with room for so many."""
    page = USUAL.page_size
    pool = StatePool.create(
        config,
        make_runtime("cpu", "bfloat16"),
        num_slots=sequences,
        num_pages=sequences * -(-context // page),
        page_size=page,
        kv=kv,
    )
    kept = (pool.keys, pool.values, pool.key_scales, pool.value_scales)
    parts = (*pool.by_slot.values(), *kept)
    return sum(part.nbytes for part in parts if part is not None)


def _grown(model: Path, found: Installed, context: int, threads: int, kv: Kv | None) -> int:
    """Of llama.cpp, by a second conversation."""
    held = []
    for sequences in (1, 2):
        file = gguf_file(model, "bf16")
        with open_worker(found.peer.name, found.python, found.peer.worker, threads) as worker:
            worker.ask("open", model=str(file), kv=kv, threads=threads)
            worker.ask("make_room", sequences=sequences, length=context)
            held.append(worker.private_bytes())
    return held[1] - held[0]
