"""Our side: prefill and decode through the real engine, training through the real step.

Engine times are taken where outputs leave it, so they hold everything a caller pays: messages,
scheduling, prompts in chunks, sampling with log-probabilities, detokenising. The engine gets a
vocabulary without end tokens, so that no request ends early. Measures nothing of the HTTP server.

B sequences, C tokens of each.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from naga.bench.rounds import Case, Tokens
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.config.train import OptimConfig
from naga.data.packing import PackedBatch
from naga.data.tokenizer import Tokenizer
from naga.engine.backend import load_backend
from naga.engine.engine import Engine
from naga.engine.request import Output, Request, SamplingParams
from naga.runtime import Runtime, make_runtime
from naga.train.optim import make_optimizer, make_trainable
from naga.train.step import train_step

Arrivals = SimpleQueue[tuple[float, Output]]


def most_tokens(case: Case, prefill_chunk: int) -> int:
    """Tokens to generate at most, so that no sequence ends while another is still timed.

    The first sequence decodes on while the prompts of the others are read, chunk by chunk.
    """
    if case.work == "prefill":
        return 1
    prefill_steps = -(-case.batch * case.context // prefill_chunk)
    return prefill_steps + 1 + case.new_tokens


def plain_tokenizer(vocab_size: int) -> Tokenizer:
    """A word for every id and no control token: nothing ends an answer early."""
    backend = Backend(models.WordLevel({f"w{i}": i for i in range(vocab_size)}, unk_token="w0"))
    backend.decoder = decoders.ByteLevel()
    return Tokenizer(backend, {})


@contextmanager
def open_engine_side(path: Path, config: EngineConfig) -> Iterator["EngineSide"]:
    backend = load_backend(path, config)
    tokenizer = plain_tokenizer(backend.model.config.vocab_size)
    with Engine(backend, tokenizer, config) as engine:
        yield EngineSide(engine)


class EngineSide:
    """Prefill and decode; the engine must be idle."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def seconds(self, case: Case, tokens: Tokens) -> float:
        """Prefill: from submit to the first token. Decode: new_tokens steps of the whole batch."""
        longest = most_tokens(case, self._engine.config.prefill_chunk)
        requests = [_request(row, longest) for row in tokens.tolist()]
        arrived: Arrivals = SimpleQueue()
        if case.work == "prefill":
            submitted = perf_counter()
            self._submit(requests, arrived)
            return _all_started(requests, arrived) - submitted
        self._submit_together(requests, arrived)
        started = ended = _all_started(requests, arrived)
        # The last sequence to start is the last of its step: whole steps follow.
        for _ in range(case.timed_tokens):
            ended, output = _take(arrived)
            assert output.finish_reason is None, "a sequence ended while it was timed"
        self._stop(requests, arrived)
        return ended - started

    def _submit(self, requests: list[Request], arrived: Arrivals) -> None:
        for request in requests:
            self._engine.submit(request, lambda output: arrived.put((perf_counter(), output)))

    def _submit_together(self, requests: list[Request], arrived: Arrivals) -> None:
        """Submit on the engine's own thread, between two steps, so that the next one sees them all.

        From this thread the first would decode, for who knows how long, before the last is there.
        """

        def submit(_: Output) -> None:
            try:
                self._submit(requests, arrived)
            except ConfigError as error:
                # A sink must not fail, and the caller waits.
                failed = Output(request_id=requests[0].id, error=str(error))
                arrived.put((perf_counter(), failed))

        self._engine.submit(_request([0], max_tokens=1), submit)

    def _stop(self, requests: list[Request], arrived: Arrivals) -> None:
        """Cancel, and wait until the engine is idle again."""
        running = {request.id for request in requests}
        for request_id in running:
            self._engine.cancel(request_id)
        while running:
            _, output = _take(arrived)
            if output.finish_reason is not None:
                running.remove(output.request_id)


def _request(prompt: list[int], max_tokens: int) -> Request:
    sampling = SamplingParams(temperature=0, max_tokens=max_tokens)
    return Request(id=uuid.uuid4().hex, prompt=tuple(prompt), sampling=sampling, raw=True)


def _all_started(requests: list[Request], arrived: Arrivals) -> float:
    """When the last of them got its first token."""
    waiting, now = {request.id for request in requests}, 0.0
    while waiting:
        now, output = _take(arrived)
        waiting.discard(output.request_id)
    return now


def _take(arrived: Arrivals) -> tuple[float, Output]:
    now, output = arrived.get()
    if output.error is not None:
        raise ConfigError(f"naga's engine failed: {output.error}")
    return now, output


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
