"""The engine: one thread that owns all tensors; requests come by a queue, outputs go to sinks.

submit, cancel and close may be called from any thread. A sink is called on the engine's thread and
must return at once (put into a queue, do not compute). Memory of a finished request is free before
its last Output is delivered. A failure inside a step ends the requests of that step with an error;
the engine goes on. New weights are put in place when nothing runs: requests that run finish with
the old ones, those that wait begin with the new ones, so that every answer is of one version.
Mapped weights are moved to faster memory between steps and when idle. No asyncio, no priorities, no
prefix cache.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from torch import Tensor

from naga.checkpoint.load import check_tensors
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine.answer import Answer, own_stop_ids
from naga.engine.backend import Backend
from naga.engine.cache import Memory, check_fits
from naga.engine.request import FinishReason, Output, QueueFull, Request
from naga.engine.runner import Runner
from naga.engine.scheduler import Job, Scheduler
from naga.model.state import StatePool
from naga.ops.sampling import Draw, Sample

Sink = Callable[[Output], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the engine holds at one moment."""

    running: int
    waiting: int
    free_slots: int
    free_pages: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Client:
    """A request inside the engine, with everything that belongs to it."""

    request: Request
    sink: Sink
    answer: Answer
    job: Job

    def draw(self) -> Draw:
        """How its next token is chosen."""
        return self.answer.next_draw(len(self.job.tokens))


@dataclass(frozen=True, kw_only=True)
class _Cancel:
    request_id: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Update:
    tensors: dict[str, Tensor]
    version: Future[int] = field(default_factory=Future)
    """The caller waits for it."""


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
        memory = Memory(
            num_slots=config.max_running, num_pages=num_pages, page_size=config.page_size
        )
        self._scheduler = Scheduler(memory, prefill_chunk=config.prefill_chunk)
        pool = StatePool.create(
            self.model_config,
            backend.runtime,
            num_slots=config.max_running,
            num_pages=num_pages,
            page_size=config.page_size,
            kv=config.kv,
        )
        self._runner = Runner(backend.model, backend.runtime, pool)
        self._clients: dict[str, _Client] = {}
        self._updates: deque[_Update] = deque()
        self._weights_version = 0
        self._inbox: queue.SimpleQueue[_Client | _Cancel | _Update | _Close] = queue.SimpleQueue()
        # Guards _inside and _closed. Held while putting into the inbox: nothing follows _Close.
        self._lock = threading.Lock()
        self._inside: set[str] = set()
        self._closed = False
        self._load = self._measure()
        # Set once all weights are where they are read fastest.
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="naga-engine", daemon=True)
        self._thread.start()

    @property
    def load(self) -> Load:
        """As of the engine's last step; a finished request's memory is already counted as free."""
        return self._load

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
        check_fits(request, self.model_config, self._scheduler.memory)
        if request.sampling.prompt_logprobs is not None:
            raise ConfigError("log-probabilities of a prompt are not computed; leave them out")
        client = _Client(
            request=request,
            sink=sink,
            answer=Answer(request, self.tokenizer, self._stop_ids, submitted=time.monotonic()),
            job=Job(
                id=request.id,
                tokens=list(request.prompt),
                prompt_len=len(request.prompt),
                max_len=len(request.prompt) + request.sampling.max_tokens,
            ),
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
                if self._updates and not self._scheduler.running:
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
                case _Client() as client:
                    self._enter(client)
                case _Update() as update:
                    self._updates.append(update)
                case _Cancel(request_id=request_id):
                    if request_id in self._clients:
                        client = self._clients[request_id]
                        self._deliver([(client, client.answer.end("cancelled", time.monotonic()))])
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
        self._weights_version += 1
        update.version.set_result(self._weights_version)

    def _enter(self, client: _Client) -> None:
        self._clients[client.request.id] = client
        self._scheduler.add(client.job)

    def _advance(self) -> None:
        """One step: admit, compute, choose, free what has ended, deliver."""
        # New weights wait for what runs, and whoever waits for them.
        for job in () if self._updates else self._scheduler.admit():
            self._clients[job.id].answer.admit(time.monotonic())
        self._load = self._measure()
        pieces = self._scheduler.plan()
        try:
            draws = [self._clients[piece.job.id].draw() for piece in pieces if piece.chooses]
            samples = self._runner.step(pieces, draws)
        # Whatever goes wrong in there, the other requests and the engine go on.
        except Exception as error:
            logger.exception("a step failed; the requests in it end with an error")
            clients = [self._clients[piece.job.id] for piece in pieces]
            self._deliver([(client, _failure(client, error)) for client in clients])
            return
        choosing = [self._clients[piece.job.id] for piece in pieces if piece.chooses]
        chosen = [_take(client, found) for client, found in zip(choosing, samples, strict=True)]
        self._deliver(list(zip(choosing, chosen, strict=True)))

    def _deliver(self, outputs: Sequence[tuple[_Client, Output]]) -> None:
        for client, output in outputs:
            if output.finish_reason is not None:
                self._release(client)
        self._load = self._measure()
        for client, output in outputs:
            if output.finish_reason is not None:
                output = replace(output, weights_version=self._weights_version)
            try:
                client.sink(output)
            # A sink is not our code; one that fails must not take the others down.
            except Exception:
                logger.exception("the sink of request %r failed; it is dropped", client.request.id)
                self._release(client)

    def _release(self, client: _Client) -> None:
        """Free everything a request holds; once is enough."""
        if self._clients.get(client.request.id) is not client:
            return
        del self._clients[client.request.id]
        self._scheduler.remove(client.job)
        with self._lock:
            self._inside.remove(client.request.id)

    def _shut_down(self, reason: FinishReason, error: str | None) -> None:
        with self._lock:
            self._closed = True
        while not self._inbox.empty():
            message = self._inbox.get()
            if isinstance(message, _Client):
                self._enter(message)
            elif isinstance(message, _Update):
                self._updates.append(message)
        for update in self._updates:
            update.version.set_exception(ConfigError("the engine was closed; its weights are old"))
        now = time.monotonic()
        clients = list(self._clients.values())
        self._deliver([(client, client.answer.end(reason, now, error)) for client in clients])

    def _measure(self) -> Load:
        return Load(
            running=len(self._scheduler.running),
            waiting=len(self._scheduler.waiting),
            free_slots=self._scheduler.memory.free_slots,
            free_pages=self._scheduler.memory.free_pages,
        )


def _take(client: _Client, chosen: Sample | None) -> Output:
    """The next token of one request; only this request ends if its logits were of no use."""
    job = client.job
    if chosen is None:
        position = len(job.tokens)
        error = ValueError(f"the model's logits for position {position} are not finite")
        logger.error("request %r ends with an error: %s", job.id, error)
        return _failure(client, error)
    job.tokens.append(chosen.token)
    return client.answer.add(chosen, time.monotonic())


def _failure(client: _Client, error: Exception) -> Output:
    return client.answer.end("error", time.monotonic(), f"{type(error).__name__}: {error}")
