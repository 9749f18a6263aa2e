"""Our side: prefill and decode through the real engine, training through the real step.

Times are taken where outputs leave the engine, so they hold everything a caller pays: messages,
scheduling, prompts in chunks, sampling with log-probabilities, detokenising. The engine gets a
vocabulary without end tokens, so that no request ends early. Between two windows of decode it is
held by the sink of the last output. Measures nothing of the HTTP server.

B sequences, C tokens of each.
"""

import threading
import uuid
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from naga.bench.limits import ELEMENTS, Arithmetic, Kv, Precision, dtype_of, weights_of
from naga.bench.rounds import Case, Tokens
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.serve import EngineConfig
from naga.config.train import OptimConfig
from naga.data.packing import PackedBatch
from naga.data.tokenizer import Tokenizer
from naga.engine.backend import load_backend
from naga.engine.chat import complete
from naga.engine.engine import Engine
from naga.engine.request import Output, Request, SamplingParams
from naga.model.native import NativeModel, best_isa, product_peak
from naga.runtime import Runtime, make_runtime
from naga.train.optim import make_optimizer, make_trainable
from naga.train.step import train_step

READ_PASSES = 5
# That a sequence makes besides those asked for: the first may have its first token some steps
# before the last, and none may come to its end.
EXTRA_TOKENS = 3
USUAL = parse_config(EngineConfig, {}, source="bench")


def open_sequences(
    *, model: str, precision: Precision, kv: Kv | None, sequences: int, tokens: int
) -> "EngineSequences":
    """The engine's defaults, with memory for so many sequences, of `tokens` tokens together.

    But it guesses no tokens ahead: answers of random weights repeat themselves, which nobody's do.
    """
    asked = {
        "dtype": dtype_of(precision),
        "backend": "native",
        "max_running": max(USUAL.max_running, sequences),
        "kv_tokens": tokens,
        "draft_tokens": 0,
        "kv": kv,
        "weights": weights_of(precision),
    }
    config = parse_config(EngineConfig, asked, source="naga bench")
    backend = load_backend(Path(model), config)
    assert isinstance(backend.model, NativeModel), "nothing else was asked for"
    tokenizer = plain_tokenizer(backend.model.config.vocab_size)
    return EngineSequences(Engine(backend, tokenizer, config), backend.model)


def plain_tokenizer(vocab_size: int) -> Tokenizer:
    """A word for every id and no control token: nothing ends an answer early."""
    backend = Backend(models.WordLevel({f"w{i}": i for i in range(vocab_size)}, unk_token="w0"))
    backend.decoder = decoders.ByteLevel()
    return Tokenizer(backend, {})


class EngineSequences:
    """See sequences.Sequences; the engine must be idle."""

    def __init__(self, engine: Engine, model: NativeModel) -> None:
        """`model`: what the engine computes with."""
        self._engine, self._model = engine, model
        self._turnstile = Turnstile([])
        self._names: list[str] = []

    def start(self, prompts: list[list[int]], new_tokens: int) -> float:
        """Several are read one by one before; then each has but its last token to compute.

        Submits them on the engine's own thread, between two steps: the next one sees them all. From
        this thread the first would decode, for who knows how long, before the last is there.
        """
        started = perf_counter()
        for prompt in prompts if len(prompts) > 1 else ():
            complete(self._engine, _request(prompt, max_tokens=1))
        longest = new_tokens + EXTRA_TOKENS
        requests = [_request(prompt, longest) for prompt in prompts]
        self._names = [request.id for request in requests]
        turnstile = self._turnstile = Turnstile(self._names)

        def submit(_: Output) -> None:
            nonlocal started
            if len(prompts) == 1:
                started = perf_counter()
            try:
                for request in requests:
                    self._engine.submit(request, turnstile.take)
            except ConfigError as error:
                # A sink must not fail, and the caller waits.
                turnstile.take(Output(request_id=requests[0].id, error=str(error)))

        self._engine.submit(_request([0], max_tokens=1), submit)
        return turnstile.wait_held() - started

    def advance(self, steps: int) -> float:
        started = perf_counter()
        self._turnstile.admit(steps * len(self._names))
        return self._turnstile.wait_held() - started

    def stop(self) -> None:
        """Waits until the engine is idle again, and its weights are where they are read fastest."""
        for name in self._names:
            self._engine.cancel(name)
        self._turnstile.wait_ended()
        self._engine.wait_settled()
        self._names = []

    def read_weights(self) -> float:
        """Bytes a second of a pass over the very weights that a step reads; between two calls.

        The median of several passes: a first one finds its threads asleep.
        """
        self._model.read_weights()
        return median(self._read_once() for _ in range(READ_PASSES))

    def _read_once(self) -> float:
        started = perf_counter()
        count = self._model.read_weights()
        return count / (perf_counter() - started)

    def product_peaks(self, names: list[Arithmetic]) -> dict[Arithmetic, float]:
        """FLOP a second of products whose operands lie in registers."""
        threads = torch.get_num_threads()
        return {name: product_peak(ELEMENTS[name], best_isa(), threads) for name in names}

    @property
    def native_seconds(self) -> float:
        """Spent in native calls so far."""
        return self._model.seconds

    def close(self) -> None:
        self.stop()
        self._engine.close()


class Turnstile:
    """Takes the outputs of some requests, and holds the engine's thread when enough have passed.

    First until each request has its first token: the last to start is the last of its step, so
    whole steps follow. A held engine computes nothing.
    """

    def __init__(self, names: list[str]) -> None:
        self._changed = threading.Condition()
        self._unstarted, self._running = {*names}, {*names}
        self._left = 0
        self._held, self._ending = False, False
        self._error: str | None = None
        self._moment = 0.0

    def take(self, output: Output) -> None:
        """A sink: called on the engine's thread."""
        now = perf_counter()
        with self._changed:
            if output.finish_reason is not None:
                self._running.discard(output.request_id)
            if not self._ending:
                self._count(output, now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._held)

    def admit(self, count: int) -> None:
        """Let `count` more pass."""
        with self._changed:
            self._left, self._held = count, False
            self._changed.notify_all()

    def wait_held(self) -> float:
        """When the output came that the engine is held at."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._error is not None)
            if self._error is not None:
                raise ConfigError(f"naga's engine failed: {self._error}")
            return self._moment

    def wait_ended(self) -> None:
        """Let all pass, until every request has ended."""
        with self._changed:
            self._ending, self._held = True, False
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running)

    def _count(self, output: Output, now: float) -> None:
        if output.error is not None or output.finish_reason is not None:
            self._error = output.error or "a sequence ended while it was timed"
            # Those that were refused never end.
            self._running.clear()
            return
        self._moment = now
        if self._unstarted:
            self._unstarted.discard(output.request_id)
            self._held = not self._unstarted
        else:
            self._left -= 1
            self._held = not self._left


def _request(prompt: list[int], max_tokens: int) -> Request:
    sampling = SamplingParams(temperature=0, max_tokens=max_tokens)
    return Request(id=uuid.uuid4().hex, prompt=tuple(prompt), sampling=sampling, raw=True)


class TrainSide:
    """Training: one optimizer step, on float32 master weights."""

    def __init__(self, path: Path, runtime: Runtime, optim: OptimConfig) -> None:
        master = make_runtime(str(runtime.device), "float32")
        self._model = make_trainable(load_model(path, master))
        self._optimizer = make_optimizer(self._model, optim)
        self._optim, self._runtime = optim, runtime

    def seconds(self, case: Case, tokens: Tokens) -> float:
        batch = pack_rows(tokens)
        started = perf_counter()
        train_step(
            self._model,
            self._optimizer,
            [batch],
            lr=self._optim.lr,
            clip_norm=self._optim.clip_norm,
            runtime=self._runtime,
        )
        return perf_counter() - started


def pack_rows(tokens: Tokens) -> PackedBatch:
    """Rows (B, C) end to end; the last token of a row has no target, as in transformers' loss."""
    batch, context = tokens.shape
    mask = np.ones((batch, context), dtype=np.bool_)
    mask[:, -1] = False
    return PackedBatch(
        tokens=tokens.reshape(-1),
        targets=np.roll(tokens, -1, axis=1).reshape(-1),
        loss_mask=mask.reshape(-1),
        lengths=(context,) * batch,
    )
