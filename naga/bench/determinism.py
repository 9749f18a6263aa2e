"""Whether answers are the same, bit for bit, alone and in the middle of random schedules.

Every answer of a schedule (schedules.py) is compared with that of the same request alone: in an
engine that has forgotten everything, in one piece, with nobody beside it and nothing guessed ahead.
Tokens, log-probabilities, texts and the reason of the end must be equal; what was cancelled or
overdue must be a beginning. Schedules are played on the engine's own thread, between two steps;
only how many prompt tokens share a step follows the clock. One engine works at a time.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from naga.bench.schedules import (
    LONG,
    LONG_ANSWER,
    Action,
    Cancel,
    Schedule,
    Shape,
    Submit,
    make_schedule,
)
from naga.checkpoint.config import read_quantisation
from naga.config.base import ConfigError
from naga.config.quantisation import Weights
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine.backend import Backend, load_backend
from naga.engine.chat import Reply, complete, gather, read_stop_ids
from naga.engine.engine import Engine
from naga.engine.request import Output, Request
from naga.model.account import account
from naga.train.progress import clock, counter, say

# A schedule that takes longer is stuck.
PATIENCE_S = 600.0
# Differences that a report tells in full.
SHOWN = 10
# Lines of progress where there is no terminal.
LINES = 20


@dataclass(frozen=True, kw_only=True)
class Difference:
    schedule: int
    """Its number: the same seed and number make it again."""
    round: int
    request: str
    what: str
    engine: dict[str, object]


@dataclass(kw_only=True)
class Counts:
    """Of all schedules together: that they met what they were made for."""

    requests: int = 0
    tokens: int = 0
    """That answers were compared in."""
    cancelled: int = 0
    """Requests that were given up or overdue, and ended early."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of them."""
    snapshots: int = 0
    gave_way: int = 0


@dataclass(frozen=True, kw_only=True)
class DeterminismReport:
    model: str
    command: str
    seed: int
    first: int
    schedules: int
    differences: int
    """Answers that were not equal."""
    examples: tuple[Difference, ...]
    counts: Counts
    numerics: tuple[str, ...]
    """Of the engines that answered."""
    seconds: float

    def to_json(self) -> str:
        data = {"schema": "naga.bench.determinism.1", **asdict(self)}
        return json.dumps(data, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        table = Table(title=f"{self.model}: the same answer every time", show_header=False)
        table.add_column()
        table.add_column(justify="right", overflow="fold")
        for name, value in self._lines():
            table.add_row(name, value)
        return table

    def to_markdown(self) -> str:
        lines = [f"| {name} | {value} |" for name, value in self._lines()]
        head = [f"# The same answer every time: `{self.model}`", "", "| | |", "|---|---:|"]
        return "\n".join([*head, *lines, "", "```", self.command, "```"]) + "\n"

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "schedules", f"{self.schedules:,}"
        yield "differences", f"{self.differences:,}"
        for name, value in asdict(self.counts).items():
            yield name.replace("_", " "), f"{value:,}"
        yield "seed", str(self.seed)
        yield "numerics", ", ".join(self.numerics)
        yield "seconds", f"{self.seconds:.0f}"
        for one in self.examples:
            place = f"schedule {one.schedule}, round {one.round}, {one.request}"
            yield place, one.what


def run_determinism(
    path: Path,
    base: EngineConfig,
    *,
    schedules: int,
    seed: int,
    first: int,
    command: str,
    console: Console,
) -> DeterminismReport:
    """Of the checkpoint folder `path`; ConfigError if it cannot be loaded."""
    tokenizer = Tokenizer.load(path)
    bench = Bench(
        lambda config: load_backend(path, config),
        tokenizer,
        base,
        weights=weights_of(path, base),
        stop_ids=read_stop_ids(path),
    )
    started = perf_counter()
    with bench:
        for _ in reported(bench, seed, range(first, first + schedules), console):
            pass
    return DeterminismReport(
        model=str(path),
        command=command,
        seed=seed,
        first=first,
        schedules=schedules,
        differences=len(bench.differences),
        examples=tuple(bench.differences[:SHOWN]),
        counts=bench.counts,
        numerics=tuple(sorted(bench.numerics)),
        seconds=perf_counter() - started,
    )


def weights_of(path: Path, base: EngineConfig) -> tuple[Weights | None, ...]:
    """What the checkpoint can be asked for in: all formats, where nothing is decided yet."""
    decided = base.weights is not None or read_quantisation(path) is not None
    native = base.device == "cpu" and base.backend != "reference"
    return (None, None, "int8", "int4") if native and not decided else (base.weights,)


def reported(bench: "Bench", seed: int, numbers: range, console: Console) -> Iterator[None]:
    """Check the schedules of these numbers, with a bar on a terminal and lines elsewhere."""
    total, started = len(numbers), perf_counter()
    with counter("schedules", console, verb="checking", total=total) as advance:
        for done, number in enumerate(numbers, 1):
            bench.check(seed, number)
            advance()
            if not console.is_terminal and (done * LINES // total > (done - 1) * LINES // total):
                rate = done / (perf_counter() - started)
                eta = clock((total - done) / rate)
                found = f"{len(bench.differences)} differences"
                say(console, f"schedules {done}/{total}  {found}  {rate:.2f}/s  ETA {eta}")
            yield


class Bench:
    """Engines for schedules and for their answers alone; a context manager."""

    def __init__(
        self,
        open_backend: Callable[[EngineConfig], Backend],
        tokenizer: Tokenizer,
        base: EngineConfig,
        *,
        weights: tuple[Weights | None, ...] = (None,),
        stop_ids: frozenset[int] = frozenset(),
    ) -> None:
        """`open_backend` is called once for each of `weights`."""
        self.differences: list[Difference] = []
        self.counts = Counts()
        self.numerics: set[str] = set()
        self._open, self._tokenizer, self._base = open_backend, tokenizer, base
        self._weights, self._stop_ids = weights, stop_ids
        self._backends: dict[Weights | None, Backend] = {}
        self._alone: dict[tuple[object, ...], Engine] = {}
        self._answers: dict[tuple[object, ...], Reply] = {}

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._alone.values():
            engine.close()

    def check(self, seed: int, number: int) -> list[Difference]:
        """Play one schedule; returns what was different in it."""
        self._answers.clear()
        schedule = self._make(seed, number)
        before = len(self.differences)
        with self._engine(schedule.engine) as engine:
            self.numerics.add(str(engine.numerics))
            for turn in range(schedule.rounds):
                replies = Play(engine, schedule.actions).run()
                for request in schedule.requests:
                    self._compare(schedule, turn, request, replies[request.id])
            self.counts.gave_way += engine.load.gave_way
            self.counts.snapshots += engine.load.counts.snapshots_planted
        return self.differences[before:]

    def _make(self, seed: int, number: int) -> Schedule:
        config = self._backend(self._base.weights).model.config
        shape = Shape(
            # A model may have more rows than its tokenizer has tokens.
            vocab_size=min(config.vocab_size, self._tokenizer.vocab_size),
            max_positions=config.max_positions,
            state_bytes=account(config, 4).state_bytes,
            chat=self._tokenizer.is_chat(),
            weights=self._weights,
        )
        return make_schedule(
            seed, number, shape, self._base, lambda *asked: self._answer(*asked).tokens
        )

    def _compare(self, schedule: Schedule, turn: int, request: Request, reply: Reply) -> None:
        expected = self._answer(request, schedule.engine)
        self.counts.requests += 1
        self.counts.tokens += len(reply.tokens)
        self.counts.cancelled += reply.finish_reason in ("cancelled", "deadline")
        self.counts.prompt_tokens += len(request.prompt)
        self.counts.cached_tokens += reply.usage.cached_tokens
        what = difference(reply, expected)
        if what is not None:
            self.differences.append(
                Difference(
                    schedule=schedule.number,
                    round=turn,
                    request=request.id,
                    what=what,
                    engine=schedule.engine.model_dump(),
                )
            )

    def _answer(self, request: Request, config: EngineConfig) -> Reply:
        """Alone, after everything was forgotten."""
        alone = replace(request, id="alone", tenant="", priority=0, deadline_s=None, boundaries=())
        key = (config.weights, config.kv, alone)
        if key not in self._answers:
            engine = self._engine_alone(config)
            engine.forget()
            self._answers[key] = complete(engine, alone)
        return self._answers[key]

    def _engine_alone(self, config: EngineConfig) -> Engine:
        key = (config.weights, config.kv)
        if key not in self._alone:
            positions = self._backend(config.weights).model.config.max_positions
            longest = min(positions, LONG + LONG_ANSWER)
            plain = {"max_running": 1, "page_size": 64, "kv_tokens": -(-longest // 64) * 64}
            plain |= {"snapshot_bytes": 0, "prefill_chunk": longest, "draft_tokens": 0}
            engine = self._engine(config.model_copy(update=plain))
            # Two engines must not both move the weights that they share.
            engine.wait_settled()
            self._alone[key] = engine
        return self._alone[key]

    def _engine(self, config: EngineConfig) -> Engine:
        backend = self._backend(config.weights)
        named = replace(backend, numerics=replace(backend.numerics, kv=config.kv))
        return Engine(named, self._tokenizer, config, stop_ids=self._stop_ids)

    def _backend(self, weights: Weights | None) -> Backend:
        if weights not in self._backends:
            config = self._base.model_copy(update={"weights": weights})
            self._backends[weights] = self._open(config)
        return self._backends[weights]


def difference(reply: Reply, expected: Reply) -> str | None:
    """What is not as it should be, in one line; None if nothing is."""
    if reply.error is not None or expected.error is not None:
        return f"error: {reply.error or expected.error}"
    whole = reply.finish_reason not in ("cancelled", "deadline")
    pairs = zip(
        zip(reply.tokens, reply.logprobs, strict=True),
        zip(expected.tokens, expected.logprobs, strict=True),
        strict=False,
    )
    for index, (found, right) in enumerate(pairs):
        if found != right:
            return f"token {index}: {found[0]} ({found[1]!r}) is {right[0]} ({right[1]!r}) alone"
    if len(reply.tokens) > len(expected.tokens):
        return f"{len(reply.tokens)} tokens are {len(expected.tokens)} alone"
    if not whole:
        return None
    for name, one, other in (
        ("number of tokens", len(reply.tokens), len(expected.tokens)),
        ("end", reply.finish_reason, expected.finish_reason),
        ("text", reply.text, expected.text),
        ("thinking", reply.reasoning, expected.reasoning),
        ("likeliest tokens", reply.top_logprobs, expected.top_logprobs),
        ("the prompt's log-probabilities", reply.prompt_logprobs, expected.prompt_logprobs),
    ):
        if one != other:
            return f"{name}: {one!r} is {other!r} alone"
    return None


@dataclass(eq=False)
class Play:
    """One round of a schedule. Actions are taken in a sink, but for the first."""

    engine: Engine
    actions: tuple[Action, ...]
    _outputs: dict[str, list[Output]] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)
    _next: int = 0
    _since: int = 0
    """Outputs since the last action."""
    _refused: ConfigError | None = None

    def run(self) -> dict[str, Reply]:
        """The answers by their requests' ids; RuntimeError if they do not come."""
        self._lock, self._over = threading.Lock(), threading.Event()
        with self._lock:
            self._act()
        if not self._over.wait(PATIENCE_S):
            raise RuntimeError(f"a schedule is stuck: {self.engine.load}")
        if self._refused is not None:
            raise self._refused
        return {name: gather(outputs) for name, outputs in self._outputs.items()}

    def _take(self, output: Output) -> None:
        with self._lock:
            self._outputs[output.request_id].append(output)
            self._since += 1
            if output.finish_reason is not None:
                self._ended.add(output.request_id)
            self._act()

    def _act(self) -> None:
        while self._next < len(self.actions) and self._due(self.actions[self._next]):
            action = self.actions[self._next]
            self._next, self._since = self._next + 1, 0
            self._perform(action)
        if self._refused or (self._next == len(self.actions) and self._idle):
            self._over.set()

    @property
    def _idle(self) -> bool:
        return len(self._ended) == len(self._outputs)

    def _due(self, action: Action) -> bool:
        if self._idle:
            return True
        return self._since >= action.after and (
            action.follows is None or action.follows in self._ended
        )

    def _perform(self, action: Action) -> None:
        match action:
            case Cancel(request_id=name):
                self.engine.cancel(name)
            case Submit(request=request):
                self._outputs[request.id] = []
                try:
                    self.engine.submit(request, self._take)
                except ConfigError as error:
                    # A sink must not fail: the engine would drop it.
                    self._refused = error
