"""Answers of an OpenAI-compatible server: so many at once, each with bounded time and size.

Time outs, refused connections and the server's own trouble are tried again, longer apart each time;
what is left is Failed. Thoughts are taken from reasoning_content, or from a think block that the
text begins with.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import httpx2

from naga.config.distill import AnswererConfig
from naga.data.tokenizer import END_THINK, THINK
from naga.distill.answers import Answered, Ask, Failed, asked

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
BACKOFF_S = 0.5
LONGEST_BODY = 16 << 20
SEEDS = 2**31


class RemoteAnswerer:
    def __init__(self, config: AnswererConfig, *, key: str | None = None) -> None:
        self._config = config
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(headers=headers, timeout=config.timeout_s)
        self._threads = ThreadPoolExecutor(config.max_running, "ask")

    def answer(self, asks: Sequence[Ask]) -> list[Answered | Failed]:
        return list(self._threads.map(self._one, asks))

    def _one(self, ask: Ask) -> Answered | Failed:
        body, last = self._body(ask), ""
        for attempt in range(self._config.retries + 1):
            if attempt:
                time.sleep(BACKOFF_S * 2 ** (attempt - 1))
            try:
                return self._sent(body)
            except _AgainError as error:
                last = str(error)
        return Failed(reason=f"{last}, after {self._config.retries + 1} tries", silent=True)

    def _body(self, ask: Ask) -> dict[str, Any]:
        messages = [
            {"role": message.role, "content": message.content}
            for message in asked(ask, self._config)
        ]
        body: dict[str, Any] = {
            "model": self._config.served_name,
            "messages": messages,
            "max_tokens": self._config.max_tokens,
            "temperature": self._config.temperature,
            "seed": (ask.seed + ask.choice) % SEEDS,
        }
        if self._config.switch:
            body["chat_template_kwargs"] = {"enable_thinking": ask.thinking}
        return body

    def _sent(self, body: dict[str, Any]) -> Answered | Failed:
        url = f"{self._config.model.rstrip('/')}/chat/completions"
        deadline = time.monotonic() + self._config.timeout_s
        received = bytearray()
        try:
            with self._client.stream("POST", url, json=body) as response:
                for piece in response.iter_bytes():
                    received += piece
                    if time.monotonic() > deadline:
                        raise _AgainError(f"no answer in {self._config.timeout_s:g} s")
                    if len(received) > LONGEST_BODY:
                        return Failed(reason=f"an answer of more than {LONGEST_BODY} bytes")
        except httpx2.TimeoutException:
            raise _AgainError(f"no answer in {self._config.timeout_s:g} s") from None
        except httpx2.TransportError as error:
            raise _AgainError(f"cannot be reached ({type(error).__name__})") from None
        if response.status_code in AGAIN:
            raise _AgainError(f"HTTP status {response.status_code}")
        if response.status_code != 200:
            said = " ".join(received[:300].decode(errors="replace").split())
            return Failed(reason=f"HTTP status {response.status_code}: {said}", silent=True)
        return read_completion(bytes(received))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._client.close()


class _AgainError(Exception):
    """Worth another try."""


def read_completion(body: bytes) -> Answered | Failed:
    """The first choice of a chat completion; whatever else an endpoint says is Failed."""
    try:
        completion = json.loads(body)
        choice = completion["choices"][0]
        message = choice["message"]
        text, thought = message["content"] or "", message.get("reasoning_content") or ""
        tokens = int((completion.get("usage") or {}).get("completion_tokens") or 0)
        if not isinstance(text, str) or not isinstance(thought, str):
            raise TypeError
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Failed(reason="the answer is no chat completion")
    truncated = choice.get("finish_reason") == "length"
    if not thought and text.lstrip().startswith(THINK):
        thought, closed, text = text.lstrip().removeprefix(THINK).partition(END_THINK)
        truncated = truncated or not closed
    return Answered(
        text=text.strip(), reasoning=thought.strip(), tokens=tokens, truncated=truncated
    )
