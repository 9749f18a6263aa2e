"""Who answers: an engine in this process, or an OpenAI-compatible server; failures apart.

An answer that does not come is Failed, with one line: it is missing, and the others go on. Answers
are a function of (weights, conversation, seed, choice) in the engine, and of whatever a server
makes of its seed. Does not grade.
"""

import os
import queue
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from naga.checkpoint.hub import find_model
from naga.config.base import ConfigError
from naga.config.distill import AnswererConfig
from naga.config.serve import EngineConfig
from naga.distill.answers import Answered, Answerer, Ask, Failed, asked
from naga.distill.remote import RemoteAnswerer
from naga.engine.chat import chat_request, gather, open_engine
from naga.engine.request import Output, Request, SamplingParams

KEY_VARIABLE = "NAGA_DISTILL_KEY"
"""Environment variable with the key of a server that wants one."""
PAGE_SIZE = 16


def open_answerer(config: AnswererConfig, device: str) -> Answerer:
    """A context manager; ConfigError for a checkpoint that cannot be opened."""
    if config.remote:
        return RemoteAnswerer(config, key=os.environ.get(KEY_VARIABLE))
    return EngineAnswerer(find_model(Path(config.model)), config, device)


class OnDemand:
    """Opened by the first question: a stage that is complete already loads no weights."""

    def __init__(self, config: AnswererConfig, device: str) -> None:
        self._config, self._device = config, device
        self._opened: Answerer | None = None

    def answer(self, asks: Sequence[Ask]) -> list[Answered | Failed]:
        if self._opened is None:
            self._opened = open_answerer(self._config, self._device)
        return self._opened.answer(asks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.__exit__(kind, error, trace)


class EngineAnswerer:
    def __init__(self, path: Path, config: AnswererConfig, device: str) -> None:
        self._config = config
        settings = EngineConfig.model_validate(
            {
                "device": device,
                "max_running": config.max_running,
                "kv_tokens": config.kv_tokens,
                "page_size": PAGE_SIZE,
                "snapshot_bytes": config.snapshot_bytes,
            }
        )
        self._engine = open_engine(path, settings)

    def answer(self, asks: Sequence[Ask]) -> list[Answered | Failed]:
        arrived: queue.SimpleQueue[Output] = queue.SimpleQueue()
        requests = [self._request(ask) for ask in asks]
        outputs: dict[str, list[Output]] = {request.id: [] for request in requests}
        refused: dict[str, str] = {}
        todo, inside = iter(requests), set[str]()
        try:
            while True:
                while len(inside) < self._config.max_running and (request := next(todo, None)):
                    try:
                        self._engine.submit(request, arrived.put)
                        inside.add(request.id)
                    except ConfigError as error:
                        # Too long for this model: the other questions are not.
                        refused[request.id] = str(error)
                if not inside:
                    break
                output = arrived.get()
                outputs[output.request_id].append(output)
                if output.finish_reason is not None:
                    inside.remove(output.request_id)
        finally:
            for request_id in inside:
                self._engine.cancel(request_id)
        return [
            Failed(reason=refused[request.id])
            if request.id in refused
            else _answered(outputs[request.id])
            for request in requests
        ]

    def _request(self, ask: Ask) -> Request:
        sampling = SamplingParams(
            temperature=self._config.temperature,
            seed=ask.seed,
            max_tokens=self._config.max_tokens,
        )
        return chat_request(
            self._engine.tokenizer,
            asked(ask, self._config),
            sampling,
            enable_thinking=ask.thinking,
            choice=ask.choice,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._engine.close()


def _answered(outputs: Sequence[Output]) -> Answered | Failed:
    reply = gather(outputs)
    if reply.finish_reason not in ("stop", "length"):
        return Failed(reason=f"ended as {reply.finish_reason}: {reply.error}")
    return Answered(
        text=reply.text,
        reasoning=reply.reasoning,
        tokens=reply.usage.completion_tokens,
        truncated=reply.finish_reason == "length",
    )
