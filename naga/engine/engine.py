"""The engine: one thread that owns all tensors; requests come by a queue, outputs go to sinks.

submit, cancel and close may be called from any thread. A sink is called on the engine's thread and
must return at once (put into a queue, do not compute). Memory of a finished request is free before
its last Output is delivered; what it computed stays known while there is room (cache.py). A failure
inside a step ends the requests of that step with an error; the engine goes on. New weights are put
in place when nothing runs, and all that was known is forgotten: requests that run finish with the
old ones, those that wait begin with the new ones, so that every answer is of one version. Mapped
weights are moved to faster memory between steps and when idle. No asyncio.
"""

import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

from torch import Tensor

from naga.checkpoint.load import check_tensors
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine.answer import Answer, own_stop_ids
from naga.engine.backend import Backend
from naga.engine.cache import Cache, CacheCounts, check_fits, snapshots_within
from naga.engine.client import Client, Sink
from naga.engine.drafts import Drafts
from naga.engine.pace import Pace
from naga.engine.request import FinishReason, Output, QueueFull, Request
from naga.engine.runner import Runner
from naga.engine.saved import SavedState
from naga.engine.scheduler import BEHIND, Job, Piece, Scheduler
from naga.engine.transfer import export_state, install_state
from naga.model.account import account
from naga.model.state import StatePool
from naga.ops.sampling import Draw, Sample

# Guesses of all sequences that are checked in one step.
DRAFT_ROWS = 16
T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the engine holds at one moment."""

    running: int
    waiting: int
    free_slots: int
    free_pages: int
    """Not held by a request nor by the cache."""
    cached_pages: int
    snapshots: int
    evicted_pages: int
    """Since the start, as are those below."""
    evicted_snapshots: int
    gave_way: int
    """Requests that were interrupted for lack of memory or for others."""
    state_bytes: int
    """Of one recurrent state."""
    counts: CacheCounts


@dataclass(frozen=True, kw_only=True)
class _Cancel:
    request_id: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Update:
    tensors: dict[str, Tensor]
    version: Future[int] = field(default_factory=Future)
    """The caller waits for it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """Something to do between two steps."""

    run: Callable[[], None]
    refuse: Callable[[BaseException], None]
    """Instead of it, when the engine closes."""


class _Close:
    """The last message."""


class Engine:
    def __init__(
        self,
        backend: Backend,
        tokenizer: Tokenizer,
        config: EngineConfig,
        *,
        stop_ids: Iterable[int] = (),
    ) -> None:
        """`stop_ids`: end tokens besides the tokenizer's own <|end|> and <|endoftext|>."""
        self.numerics = backend.numerics
        self.tokenizer = tokenizer
        self.config = config
        self.model_config = backend.model.config
        self._backend = backend
        num_pages = config.kv_tokens // config.page_size
        if not num_pages:
            raise ConfigError(
                f"kv_tokens ({config.kv_tokens}) is less than one page ({config.page_size} tokens)"
            )
        self._stop_ids = own_stop_ids(tokenizer) | frozenset(stop_ids)
        state_bytes = self._state_bytes = account(
            self.model_config, backend.runtime.dtype.itemsize
        ).state_bytes
        num_snapshots = snapshots_within(config.snapshot_bytes, state_bytes)
        self._cache = Cache(
            num_slots=config.max_running,
            num_pages=num_pages,
            page_size=config.page_size,
            num_snapshots=num_snapshots,
            recurrent=state_bytes > 0,
        )
        self._scheduler = Scheduler(self._cache, Pace(config.prefill_chunk))
        pool = StatePool.create(
            self.model_config,
            backend.runtime,
            num_slots=self._cache.first_snapshot + num_snapshots,
            num_pages=num_pages,
            page_size=config.page_size,
            kv=config.kv,
        )
        self._runner = Runner(backend.model, backend.runtime, pool)
        self._clients: dict[str, Client] = {}
        self._updates: deque[_Update] = deque()
        self._weights_version = 0
        self._inbox: queue.SimpleQueue[Client | _Cancel | _Update | _Task | _Close]
        self._inbox = queue.SimpleQueue()
        # Guards _inside and _closed. Held while putting into the inbox: nothing follows _Close.
        self._lock = threading.Lock()
        self._inside: set[str] = set()
        self._closed = False
        # Set once all weights are where they are read fastest.
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="naga-engine", daemon=True)
        self._thread.start()

    @property
    def load(self) -> Load:
        """At this moment; a finished request's memory is already counted as free.

        Read beside the engine's thread: one number may be a moment older than another.
        """
        return Load(
            running=len(self._scheduler.running),
            waiting=len(self._scheduler.waiting),
            free_slots=self._cache.free_slots,
            free_pages=self._cache.free_pages,
            cached_pages=self._cache.tree.num_pages,
            snapshots=self._cache.tree.num_snapshots,
            evicted_pages=self._cache.tree.evicted_pages,
            evicted_snapshots=self._cache.tree.evicted_snapshots,
            gave_way=self._scheduler.gave_way,
            state_bytes=self._state_bytes,
            counts=replace(self._cache.counts),
        )

    @property
    def weights_version(self) -> int:
        """How often the weights were updated; every finished request carries that of its own."""
        return self._weights_version

    @property
    def alive(self) -> bool:
        """False once closed or failed: every request has ended and submit refuses."""
        return not self._closed and self._thread.is_alive()

    def wait_settled(self) -> None:
        """Return once the weights are where they are read fastest, which changes no answer."""
        self._settled.wait()

    def submit(self, request: Request, sink: Sink) -> None:
        """Queue a request; every Output of it goes to `sink`, the last one has a finish_reason.

        Raises ConfigError, with the exact counts, for what can never fit; QueueFull while
        max_running + max_waiting requests are inside.
        """
        check_fits(request, self.model_config, self._cache)
        now = time.monotonic()
        client = Client(
            request=request,
            sink=sink,
            answer=Answer(request, self.tokenizer, self._stop_ids, submitted=now),
            deadline=math.inf if request.deadline_s is None else now + request.deadline_s,
            job=Job(
                id=request.id,
                tokens=list(request.prompt),
                prompt_len=len(request.prompt),
                max_len=len(request.prompt) + request.sampling.max_tokens,
                tenant=request.tenant,
                priority=request.priority,
                boundaries=request.boundaries,
                scores_prompt=request.sampling.prompt_logprobs is not None,
            ),
            drafts=Drafts(self.config.draft_tokens),
        )
        most = self.config.max_running + self.config.max_waiting
        with self._lock:
            if self._closed:
                raise ConfigError("the engine is closed and takes no more requests")
            if request.id in self._inside:
                raise ConfigError(f"request id {request.id!r} is in use; give each its own")
            if len(self._inside) >= most:
                raise QueueFull(f"the queue is full: {most} requests are inside; try again later")
            self._inside.add(request.id)
            self._inbox.put(client)

    def cancel(self, request_id: str) -> None:
        """End a request as "cancelled"; does nothing if it has ended already."""
        with self._lock:
            if not self._closed:
                self._inbox.put(_Cancel(request_id=request_id))

    def update_weights(self, tensors: Iterable[tuple[str, Tensor]]) -> int:
        """Put new weights in the places of the old ones; returns the new weights_version.

        Under in-memory names, all or some of them, in any floating dtype; they must not change
        until this returns, and are copied or quantised (rounding to nearest) by then. Waits for the
        requests that run, which finish with the old weights; those that wait begin with the new
        ones. Not to be called by a sink. ConfigError, with nothing changed, for a tensor of no such
        name or of another shape, twice the same one, NaN or infinity.
        """
        assert threading.current_thread() is not self._thread, "a sink must not wait for the engine"
        update = _Update(tensors=check_tensors(self.model_config, tensors))
        with self._lock:
            if self._closed:
                raise ConfigError("the engine is closed and takes no more weights")
            self._inbox.put(update)
        return update.version.result()

    def forget(self) -> None:
        """Drop all that is cached but what running requests use; not to be called by a sink."""
        self._between_steps(self._cache.tree.clear)

    def known(self, tokens: Sequence[int], tenant: str = "") -> int:
        """How many of `tokens` would not be computed again; not to be called by a sink."""
        return self._between_steps(lambda: self._cache.tree.match(tokens, tenant).position)

    def export(self, tokens: Sequence[int], tenant: str = "") -> SavedState | None:
        """A copy of the longest known beginning of `tokens`; None if nothing of them is known.

        Not to be called by a sink.
        """
        return self._between_steps(
            lambda: export_state(self._cache, self._runner.pool, tokens, tenant)
        )

    def install(self, state: SavedState, tenant: str = "") -> int:
        """Put a state into the cache; how many of its tokens need not be computed any more.

        It must be of this model, weights and numerics (saved.py). ConfigError if it does not fit.
        Not to be called by a sink.
        """
        return self._between_steps(
            lambda: install_state(self._cache, self._runner.pool, state, tenant)
        )

    def _between_steps(self, run: Callable[[], T]) -> T:
        """Have the engine's thread do it; ConfigError if the engine is closed."""
        assert threading.current_thread() is not self._thread, "a sink must not wait for the engine"
        done: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise ConfigError("the engine is closed")
            self._inbox.put(_Task(run=partial(_resolve, done, run), refuse=done.set_exception))
        return done.result()

    def close(self) -> None:
        """End every request as "cancelled" and wait for the thread; not to be called by a sink."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._inbox.put(_Close())
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Everything below runs on the engine's thread.

    def _run(self) -> None:
        reason: FinishReason = "error"
        error: str | None = "the engine's thread failed; its traceback is in the log"
        try:
            while self._receive():
                if self._updates and not self._scheduler.begun:
                    self._update(self._updates.popleft())
                elif self._clients:
                    self._advance()
                if not self._settled.is_set() and not self._backend.settle():
                    self._settled.set()
            reason, error = "cancelled", None
        finally:
            self._shut_down(reason, error)

    def _receive(self) -> bool:
        """Take all messages, waiting for one if there is nothing to do; False at _Close."""
        while not self._busy() or not self._inbox.empty():
            match self._inbox.get():
                case Client() as client:
                    self._enter(client)
                case _Update() as update:
                    self._updates.append(update)
                case _Task() as task:
                    self._perform(task)
                case _Cancel(request_id=request_id):
                    if request_id in self._clients:
                        self._end(self._clients[request_id], "cancelled")
                case _Close():
                    return False
        return True

    def _busy(self) -> bool:
        return bool(self._clients or self._updates) or not self._settled.is_set()

    def _update(self, update: _Update) -> None:
        try:
            self._backend.load(update.tensors.items())
        except BaseException as error:
            # Half of the weights may be new: the engine must not go on.
            update.version.set_exception(error)
            raise
        self._cache.tree.clear()
        self._weights_version += 1
        update.version.set_result(self._weights_version)

    def _perform(self, task: _Task) -> None:
        self._copy()
        task.run()

    def _enter(self, client: Client) -> None:
        self._clients[client.request.id] = client
        self._scheduler.add(client.job)

    def _advance(self) -> None:
        """One step: admit, compute, choose, free what has ended, deliver."""
        self._end_overdue()
        # New weights wait for what has begun, and whoever is new waits for them.
        for job in self._scheduler.admit(new=not self._updates):
            assert job.holding is not None
            self._clients[job.id].answer.admit(time.monotonic(), job.holding.start)
        guessed = self._guess()
        pieces = self._scheduler.plan()
        if not pieces:
            assert self._updates or not self._clients, "whoever waits fits into an empty engine"
            return
        try:
            self._copy()
            wanted = [
                self._clients[piece.job.id].draws(piece, guessed.get(piece.job.id))
                for piece in pieces
            ]
            started = time.monotonic()
            samples = iter(self._runner.step(pieces, [draw for each in wanted for draw in each]))
            seconds = time.monotonic() - started
            found = [list(islice(samples, len(each))) for each in wanted]
            outputs = [out for pair in zip(pieces, found, strict=True) for out in self._take(*pair)]
            failed = {c.job for c, output in outputs if output.finish_reason == "error"}
            self._scheduler.finish(pieces, seconds, failed)
        # Whatever goes wrong in there, the other requests and the engine go on.
        except Exception as error:
            logger.exception("a step failed; the requests in it end with an error")
            clients = [self._clients[piece.job.id] for piece in pieces]
            self._deliver([(client, client.fail(error)) for client in clients])
            return
        self._deliver(outputs)

    def _copy(self) -> None:
        """What the scheduler says; if that fails, snapshots may not be what they should be."""
        try:
            if copies := self._scheduler.take_copies():
                self._runner.copy(copies)
        except Exception:
            self._cache.tree.clear()
            raise

    def _guess(self) -> dict[str, list[Draw]]:
        """Of every job that gets its next token; more rows than few cost more than they save."""
        ready = [job for job in self._scheduler.running if not job.reading]
        most = DRAFT_ROWS // len(ready) if ready else 0
        draws = {}
        for job in ready:
            # A state too far behind is brought up to its tokens first.
            behind = len(job.tokens) - job.done > BEHIND // 2
            draws[job.id] = self._clients[job.id].guess(0 if behind else most)
        return draws

    def _take(self, piece: Piece, samples: Sequence[Sample | None]) -> list[tuple[Client, Output]]:
        client = self._clients[piece.job.id]
        if client.answer.ended:
            # In an earlier piece of this step.
            return []
        try:
            outputs, right = client.take(piece, samples)
        # Whatever an answer trips over, it is this answer's own.
        except Exception as error:
            logger.exception("the answer of request %r failed", client.request.id)
            return [(client, client.fail(error))]
        if piece.drafts:
            self._scheduler.accept(piece, right)
        return [(client, output) for output in outputs]

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for client in [c for c in self._clients.values() if c.deadline <= now]:
            self._end(client, "deadline")

    def _end(self, client: Client, reason: FinishReason) -> None:
        self._deliver([(client, client.answer.end(reason, time.monotonic()))])

    def _deliver(self, outputs: Sequence[tuple[Client, Output]]) -> None:
        for client, output in outputs:
            if output.finish_reason is not None:
                self._release(client, keep=output.finish_reason != "error")
        dropped = set[Client]()
        for client, output in outputs:
            if client in dropped:
                continue
            if output.finish_reason is not None:
                output = replace(output, weights_version=self._weights_version)
            try:
                client.sink(output)
            # A sink is not our code; one that fails must not take the others down.
            except Exception:
                logger.exception("the sink of request %r failed; it is dropped", client.request.id)
                dropped.add(client)
                self._release(client, keep=True)

    def _release(self, client: Client, *, keep: bool) -> None:
        """Free everything a request holds; once is enough. keep: what it computed is right."""
        if self._clients.get(client.request.id) is not client:
            return
        self._scheduler.remove(client.job, keep=keep)
        del self._clients[client.request.id]
        with self._lock:
            self._inside.remove(client.request.id)

    def _shut_down(self, reason: FinishReason, error: str | None) -> None:
        self._settled.set()
        with self._lock:
            self._closed = True
        while not self._inbox.empty():
            message = self._inbox.get()
            if isinstance(message, Client):
                self._enter(message)
            elif isinstance(message, _Update):
                self._updates.append(message)
            elif isinstance(message, _Task):
                message.refuse(ConfigError("the engine was closed"))
        for update in self._updates:
            update.version.set_exception(ConfigError("the engine was closed; its weights are old"))
        now = time.monotonic()
        clients = list(self._clients.values())
        if error is not None:
            # Its bookkeeping may be what failed; nobody needs it any more, but all are to hear.
            self._clients.clear()
            with self._lock:
                self._inside.clear()
        self._deliver([(client, client.answer.end(reason, now, error)) for client in clients])


def _resolve(done: Future[T], run: Callable[[], T]) -> None:
    try:
        done.set_result(run())
    # Whoever waits is to have it, whatever it is.
    except Exception as error:
        done.set_exception(error)
