"""Contenders in worker processes: naga's engine with a meter of the machine's limits, and peers.

Each is opened with room for a job's longest and widest case, and ends with its context.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naga import __version__
from naga.bench.gguf_files import gguf_file
from naga.bench.limits import (
    NAGA_BITS,
    PRODUCTS,
    Arithmetic,
    Bits,
    Kv,
    Precision,
    Rates,
    decode_bytes,
    prefill_flops,
    weight_bytes,
)
from naga.bench.ours import EXTRA_TOKENS, USUAL
from naga.bench.peers import Installed
from naga.bench.process import Worker, open_worker
from naga.bench.rounds import Case, Contender, Name
from naga.bench.sequences import InferenceSide, RemoteSequences
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.engine.memory import read_memory, size
from naga.model.account import account

# Tokens of a step that leaves no expert out.
EVERY_EXPERT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every pair does."""

    model: Path
    config: ModelConfig
    cases: tuple[Case, ...]
    rounds: int
    """Warm-up included."""
    threads: int
    kv: Kv | None = None
    """Of naga and llama.cpp."""

    def steps(self, case: Case) -> int:
        """Tokens that a sequence of the case is asked for after its first."""
        return case.new_tokens * (self.rounds if case.continued else 1)

    def positions(self, case: Case) -> int:
        """Tokens that a sequence of the case may come to hold in our engine, which holds most."""
        return case.prompt_len + self.steps(case) + EXTRA_TOKENS

    @property
    def most_sequences(self) -> int:
        return max(case.batch for case in self.cases)

    @property
    def most_positions(self) -> int:
        return max(self.positions(case) for case in self.cases)

    @property
    def most_tokens(self) -> int:
        """Of all sequences of a case together, whole pages each."""
        page = USUAL.page_size
        return max(case.batch * -(-self.positions(case) // page) * page for case in self.cases)

    def refuse_lengths(self) -> None:
        if self.most_positions > self.config.max_positions:
            raise ConfigError(
                f"{self.model}: prompts and decoded tokens need {self.most_positions} positions, "
                f"its context is {self.config.max_positions}; take shorter ones, or fewer"
            )


@dataclass(frozen=True, kw_only=True)
class EngineMeter:
    """Our worker measures, between two works."""

    worker: Worker
    arithmetic: tuple[Arithmetic, ...]
    """What the products of the two sides are computed in."""

    def read(self, case: Case) -> Rates:
        if case.work == "prefill":
            return Rates(flops_per_s=self.worker.ask("product_peaks", names=self.arithmetic))
        return Rates(bytes_per_s=float(self.worker.ask("read_weights")))


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a contender's worker is started and its engine opened."""

    name: Name
    python: Path
    module: str
    arguments: Mapping[str, Any]
    bits: Bits


def our_opening(job: Job, precision: Precision) -> Opening:
    return Opening(
        name=Name(engine="naga", version=__version__, precision=precision, kv=job.kv),
        python=Path(sys.executable),
        module="naga.bench.ours",
        arguments={
            "model": str(job.model),
            "precision": precision,
            "kv": job.kv,
            "sequences": job.most_sequences,
            "tokens": job.most_tokens,
        },
        bits=NAGA_BITS[precision],
    )


def peer_opening(job: Job, found: Installed, precision: Precision) -> Opening:
    settings = _settings(job, found.peer.name, precision)
    kv = job.kv if found.peer.name == "llama.cpp" else None
    return Opening(
        name=Name(engine=found.peer.name, version=found.version, precision=precision, kv=kv),
        python=found.python,
        module=found.peer.worker,
        arguments={"threads": job.threads, **settings},
        bits=found.peer.bits[precision],
    )


def require_room(job: Job, openings: Iterable[Opening]) -> None:
    """ConfigError where the weights of all do not fit into memory together, with the numbers."""
    needs = {
        opening.name: weight_bytes(job.config, opening.bits, EVERY_EXPERT) for opening in openings
    }
    available = read_memory().available
    if sum(needs.values()) > available:
        listed = ", ".join(f"{name} {size(int(need))}" for name, need in needs.items())
        raise ConfigError(
            f"{job.model}: weights of both sides need more memory than the {size(available)} that "
            f"are available ({listed}); take smaller precisions or a smaller model"
        )


@contextmanager
def open_contender(job: Job, opening: Opening) -> Iterator[tuple[Contender, Worker]]:
    name = opening.name
    with open_worker(name.engine, opening.python, opening.module, job.threads) as worker:
        worker.ask("open", **opening.arguments)
        side = InferenceSide(RemoteSequences(worker), job.rounds)
        limit = limit_of(job, name, opening.bits)
        yield Contender(name=name, side=side, limit=limit), worker


def limit_of(job: Job, name: Name, bits: Bits) -> Callable[[Case, Rates], float]:
    """Seconds that a case takes where nothing but its limit counts."""
    costs = {case: _cost(job, case, bits, name.kv) for case in job.cases}

    def limit(case: Case, rates: Rates) -> float:
        if case.work == "prefill":
            assert rates.flops_per_s is not None
            return costs[case] / rates.flops_per_s[PRODUCTS[name.precision]]
        assert rates.bytes_per_s is not None
        return costs[case] / rates.bytes_per_s

    return limit


def _cost(job: Job, case: Case, bits: Bits, kv: Kv | None) -> float:
    """FLOPs of a prefill, bytes of a decode."""
    if case.work == "prefill":
        return case.batch * prefill_flops(job.config, case.prompt_len)
    # At the middle of what is timed.
    position = case.prompt_len + job.steps(case) / 2
    return case.new_tokens * decode_bytes(job.config, bits, case.batch, position, kv)


def _settings(job: Job, peer: str, precision: Precision) -> dict[str, Any]:
    """Arguments of the worker's `open_sequences`."""
    if peer == "llama.cpp":
        return {"model": str(gguf_file(job.model, precision)), "kv": job.kv}
    if peer == "transformers":
        return {"model": str(job.model), "precision": precision}
    return {
        "model": str(job.model),
        "sequences": job.most_sequences,
        "positions": job.most_positions,
        "kv_bytes": job.most_tokens * account(job.config).kv_bytes_per_token,
    }
