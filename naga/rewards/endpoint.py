"""Asking a judge: any OpenAI-compatible endpoint, with bounded time, retries, concurrency and size.

Whatever goes wrong is Unanswered with one line: the verdict is then missing, never wrong. Only time
outs, refused connections and the server's own trouble (429, 5xx) are tried again. Answers are kept
by the hash of the question, up to a number of them. Knows nothing of what is asked.
"""

import hashlib
import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import Any, Protocol, Self

import httpx2
from pydantic import Field

from naga.config.base import Config, ConfigError

TOP_LOGPROBS = 20
LONGEST_BODY = 4 << 20
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)


class EndpointConfig(Config):
    url: str
    """Up to and with /v1."""
    model: str
    timeout_s: float = Field(default=60.0, gt=0)
    """Of one try, from connecting to the last byte."""
    retries: int = Field(default=2, ge=0, le=10)
    backoff_s: float = Field(default=0.5, ge=0)
    """Before the first retry; doubled for each further one."""
    concurrency: int = Field(default=8, gt=0)
    """Questions under way at once."""
    cache_size: int = Field(default=10_000, ge=0)
    """Answers kept."""
    max_tokens: int = Field(default=16, gt=0)
    """Of a verdict; more for a judge that thinks first."""
    logprobs: bool = True
    """Ask for log-probabilities; False for endpoints that refuse to be asked."""


@dataclass(frozen=True, kw_only=True)
class Question:
    system: str
    user: str
    sample: int = 0
    """Which of several samples this is; sample 0 is the most likely answer (temperature 0)."""


@dataclass(frozen=True, kw_only=True)
class Token:
    text: str
    top: tuple[tuple[str, float], ...]
    """(text, natural log of its probability) of the most likely ones here."""


@dataclass(frozen=True, kw_only=True)
class Said:
    text: str
    tokens: tuple[Token, ...] | None
    """None where there are no log-probabilities."""


class Unanswered(Exception):
    """One line: why there is no answer."""


class Asks(Protocol):
    """A judge, as far as the generative reward uses it."""

    @property
    def concurrency(self) -> int: ...

    def ask(self, question: Question) -> Said:
        """Raises Unanswered."""


class Endpoint:
    """Threads may share one; close it, or use it as a context manager."""

    def __init__(self, config: EndpointConfig, *, key: str | None = None) -> None:
        if not config.url.startswith(("http://", "https://")):
            raise ConfigError(f"judge url {config.url!r}: must begin with http:// or https://")
        self._config = config
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(headers=headers, timeout=config.timeout_s)
        self._turns = BoundedSemaphore(config.concurrency)
        self._known: OrderedDict[str, Said] = OrderedDict()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def concurrency(self) -> int:
        return self._config.concurrency

    def ask(self, question: Question) -> Said:
        body = self._body(question)
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        with self._turns:
            said = self._tried(body)
        with self._lock:
            self._known[key] = said
            while len(self._known) > self._config.cache_size:
                self._known.popitem(last=False)
        return said

    def _body(self, question: Question) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            "max_tokens": self._config.max_tokens,
            "temperature": 1.0 if question.sample else 0.0,
            "seed": question.sample,
        }
        if self._config.logprobs:
            body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return body

    def _tried(self, body: dict[str, Any]) -> Said:
        for attempt in range(self._config.retries + 1):
            if attempt:
                time.sleep(self._config.backoff_s * 2 ** (attempt - 1))
            try:
                return self._sent(body)
            except _Again as error:
                last = str(error)
        tries = self._config.retries + 1
        raise Unanswered(f"judge: {last}, after {tries} {'tries' if tries > 1 else 'try'}")

    def _sent(self, body: dict[str, Any]) -> Said:
        url = f"{self._config.url.rstrip('/')}/chat/completions"
        deadline = time.monotonic() + self._config.timeout_s
        received = bytearray()
        try:
            with self._client.stream("POST", url, json=body) as response:
                for piece in response.iter_bytes():
                    received += piece
                    if time.monotonic() > deadline:
                        raise _Again(f"no answer in {self._config.timeout_s:g} s")
                    if len(received) > LONGEST_BODY:
                        raise Unanswered(f"judge: an answer of more than {LONGEST_BODY} bytes")
        except httpx2.TimeoutException:
            raise _Again(f"no answer in {self._config.timeout_s:g} s") from None
        except httpx2.TransportError as error:
            raise _Again(f"cannot be reached ({type(error).__name__})") from None
        if response.status_code in AGAIN:
            raise _Again(f"HTTP status {response.status_code}")
        if response.status_code != 200:
            said = " ".join(received[:300].decode(errors="replace").split())
            raise Unanswered(f"judge: HTTP status {response.status_code}: {said}")
        return _read(bytes(received))


class _Again(Exception):
    """Worth another try."""


def _read(body: bytes) -> Said:
    """What nonsense an endpoint answers is unanswered, too."""
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"]["content"]
        content = (choice.get("logprobs") or {}).get("content")
        tokens = None if not content else tuple(_token(entry) for entry in content)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Unanswered("judge: the answer is no chat completion") from None
    if not isinstance(text, str):
        raise Unanswered("judge: the answer has no text")
    return Said(text=text, tokens=tokens)


def _token(entry: Any) -> Token:
    top = entry.get("top_logprobs") or [entry]
    pairs = tuple((str(each["token"]), float(each["logprob"])) for each in top)
    return Token(text=str(entry["token"]), top=pairs)
