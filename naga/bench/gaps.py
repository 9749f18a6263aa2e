"""`naga bench gaps`: the time between two tokens of an answer, while others read long prompts.

A closed loop through the real engine: so many requests are inside at any time, most of them short
chats, some with long prompts, in a shuffled order; when one ends the next comes. Prompts are random
and fresh; nothing ends early and nothing is guessed ahead. Gaps of all answers are taken together.
Measures nothing of the HTTP server.
"""

import json
import threading
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from naga.bench.ours import plain_tokenizer
from naga.bench.rounds import RoundsProgress
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.quantisation import Weights
from naga.config.serve import EngineConfig
from naga.engine.backend import load_backend
from naga.engine.engine import Engine
from naga.engine.request import Output, Request, SamplingParams

SHORT_PROMPT = 50


@dataclass(frozen=True, kw_only=True)
class Load:
    """What comes, in tokens and numbers of requests."""

    concurrent: int
    requests: int
    long_requests: int
    long_prompt: int
    new_tokens: int

    @property
    def most_tokens(self) -> int:
        """That the requests inside may hold together."""
        long = min(self.long_requests, self.concurrent)
        short = self.concurrent - long
        return long * self.long_prompt + short * SHORT_PROMPT + self.concurrent * self.new_tokens


@dataclass(frozen=True, kw_only=True)
class GapsReport:
    model: str
    command: str
    numerics: str
    seed: int
    load: Load
    gaps: int
    """How many were measured; those below are in seconds."""
    median_s: float
    p99_s: float
    max_s: float
    p99_over_median: float
    short_ttft_s: float
    """First token of a short chat, median, from when it was submitted."""
    long_ttft_s: float
    tokens_per_s: float
    """New ones, of all answers."""

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.bench.gaps.1", **asdict(self)}, indent=1)

    def table(self) -> Table:
        load = self.load
        table = Table(
            title=f"{self.model}: {load.concurrent} at once, {load.long_requests} of "
            f"{load.requests} with {load.long_prompt} tokens"
        )
        headings = ("gaps", "median ms", "p99 ms", "max ms", "p99/median", "tokens/s")
        for heading in (*headings, "first, short s", "first, long s"):
            table.add_column(heading, justify="right")
        milliseconds = (f"{1e3 * s:.1f}" for s in (self.median_s, self.p99_s, self.max_s))
        table.add_row(
            f"{self.gaps:,}",
            *milliseconds,
            f"{self.p99_over_median:.2f}",
            f"{self.tokens_per_s:.1f}",
            f"{self.short_ttft_s:.2f}",
            f"{self.long_ttft_s:.2f}",
        )
        return table


class _Times:
    """When one request was submitted, and when its tokens came."""

    def __init__(self, long: bool, left: threading.Semaphore) -> None:
        self.long, self._left = long, left
        self.submitted, self.tokens = perf_counter(), list[float]()
        self.error: str | None = None

    def take(self, output: Output) -> None:
        """A sink."""
        if output.token is not None:
            self.tokens.append(perf_counter())
        if output.finish_reason is not None:
            self.error = output.error
            self._left.release()


def measure_gaps(
    model: Path, load: Load, weights: Weights | None, seed: int, command: str, console: Console
) -> GapsReport:
    page = 64
    config = parse_config(
        EngineConfig,
        {
            "max_running": load.concurrent,
            "kv_tokens": (-(-load.most_tokens // page) + load.concurrent) * page,
            "page_size": page,
            "weights": weights,
            "draft_tokens": 0,
        },
        source="naga bench gaps",
    )
    backend = load_backend(model, config)
    vocab_size = backend.model.config.vocab_size
    with Engine(backend, plain_tokenizer(vocab_size), config) as engine:
        engine.wait_settled()
        started = perf_counter()
        found = _play(engine, load, vocab_size, Random(seed), console)
        seconds = perf_counter() - started
    return _report(model, load, str(backend.numerics), seed, command, found, seconds)


def _play(
    engine: Engine, load: Load, vocab_size: int, random: Random, console: Console
) -> list[_Times]:
    kinds = [index < load.long_requests for index in range(load.requests)]
    random.shuffle(kinds)
    left, found = threading.Semaphore(load.concurrent), list[_Times]()
    with RoundsProgress(console, "requests", load.requests) as progress:
        for long in kinds:
            left.acquire()
            found.append(_Times(long, left))
            engine.submit(_request(load, long, vocab_size, random), found[-1].take)
            progress.step()
        for _ in range(load.concurrent):
            left.acquire()
    errors = [times.error for times in found if times.error is not None]
    if errors:
        raise ConfigError(f"naga's engine failed: {errors[0]}")
    return found


def _request(load: Load, long: bool, vocab_size: int, random: Random) -> Request:
    length = load.long_prompt if long else SHORT_PROMPT
    prompt = tuple(random.randrange(vocab_size) for _ in range(length))
    sampling = SamplingParams(max_tokens=load.new_tokens, seed=random.randrange(2**31))
    return Request(id=uuid.uuid4().hex, prompt=prompt, sampling=sampling, raw=True)


def _report(
    model: Path,
    load: Load,
    numerics: str,
    seed: int,
    command: str,
    found: Sequence[_Times],
    seconds: float,
) -> GapsReport:
    gaps = np.concatenate([np.diff(times.tokens) for times in found])
    middle, late, most = (float(x) for x in np.percentile(gaps, (50, 99, 100)))

    def first(long: bool) -> float:
        waits = [times.tokens[0] - times.submitted for times in found if times.long == long]
        return float(np.median(waits)) if waits else float("nan")

    return GapsReport(
        model=str(model),
        command=command,
        numerics=numerics,
        seed=seed,
        load=load,
        gaps=len(gaps),
        median_s=middle,
        p99_s=late,
        max_s=most,
        p99_over_median=late / middle,
        short_ttft_s=first(False),
        long_ttft_s=first(True),
        tokens_per_s=sum(len(times.tokens) for times in found) / seconds,
    )
