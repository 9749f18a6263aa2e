"""Answers from an OpenAI-compatible server: any base URL, with /v1 or without, and a model's name.

An answer that does not come, comes late or cannot be read is asked for again, with pauses; after
the last try it is missing and says why. A key that is refused or a model that is not there
(401, 403, 404) is a ConfigError: no other answer would come either. Thinking that stands in the
text between <think> and </think> is taken out of it. The key is sent to this server and shown
nowhere.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from naga.config.base import ConfigError
from naga.data.chat import Message
from naga.engine.request import SamplingParams
from naga.eval.answers import Answer, Answerer, Ask, failed

AGAIN = (408, 409, 425, 429)
FATAL = (401, 403, 404)
LONGEST_PAUSE_S = 60.0


class _Open(BaseModel):
    """What a server says has fields that do not matter here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Said(_Open):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(_Open):
    message: _Said
    finish_reason: str | None = None


class _Usage(_Open):
    completion_tokens: int | None = None


class _Completion(_Open):
    choices: tuple[_Choice, ...]
    usage: _Usage | None = None


class _Named(_Open):
    id: str


class _Models(_Open):
    data: tuple[_Named, ...]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    url: str
    model: str = ""
    """As the server names it; empty: the only one that it has."""
    key: str = ""
    timeout_s: float = 600.0
    tries: int = 4
    pause_s: float = 1.0
    """Before the second try; twice as long before each further one."""
    concurrency: int = 8

    @property
    def base(self) -> str:
        base = self.url.rstrip("/")
        return base if base.endswith("/v1") else f"{base}/v1"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


class Connection:
    """Open connections to one endpoint; a context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        """ConfigError where the URL is none."""
        if not endpoint.url.startswith(("http://", "https://")):
            raise ConfigError(f"{endpoint.url}: no URL; it begins with http:// or https://")
        self.endpoint = endpoint
        self._client = httpx2.Client(headers=dict(endpoint.headers), timeout=endpoint.timeout_s)
        self._wait = threading.Event()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self._wait.set()
        self._client.close()

    def model(self) -> str:
        """The model's name; ConfigError if the server has none or several and none was named."""
        if self.endpoint.model:
            return self.endpoint.model
        url = f"{self.endpoint.base}/models"
        try:
            response = self._client.get(url)
            names = [each.id for each in _Models.model_validate_json(response.content).data]
        except (httpx2.HTTPError, ValidationError) as error:
            reason = f"{type(error).__name__}"
            raise ConfigError(f"{url}: does not say its models ({reason}); give one") from None
        if len(names) != 1:
            raise ConfigError(f"{url}: has models {', '.join(names) or 'none'}; name one of them")
        return names[0]

    def answerer(self, sampling: SamplingParams) -> Answerer:
        model = self.model()
        identity = (
            f"{self.endpoint.base} {model} temperature {sampling.temperature} "
            f"top_p {sampling.top_p} seed {sampling.seed} max_tokens {sampling.max_tokens}"
        )

        def answer(ask: Ask) -> Answer:
            return self._persist(lambda: self._once(_body(model, sampling, ask)))

        return Answerer(identity=identity, answer=answer, concurrency=self.endpoint.concurrency)

    def _persist(self, attempt: Callable[[], "Answer | _Again"]) -> Answer:
        pause, found = self.endpoint.pause_s, attempt()
        for _ in range(self.endpoint.tries - 1):
            if isinstance(found, Answer):
                return found
            self._wait.wait(min(max(pause, found.after_s), LONGEST_PAUSE_S))
            pause, found = pause * 2, attempt()
        return found if isinstance(found, Answer) else failed(found.reason)

    def _once(self, body: Mapping[str, object]) -> "Answer | _Again":
        url = f"{self.endpoint.base}/chat/completions"
        started = time.monotonic()
        try:
            response = self._client.post(url, json=body)
        except httpx2.HTTPError as error:
            took = time.monotonic() - started
            return _Again(reason=f"{type(error).__name__} after {took:.1f} s: {error}")
        status, said = response.status_code, " ".join(response.text.split())[:200]
        if status in FATAL:
            raise ConfigError(f"{url}: refused with status {status}: {said}")
        if status in AGAIN or status >= 500:
            return _Again(
                reason=f"status {status}: {said}",
                after_s=_seconds(response.headers.get("retry-after", "")),
            )
        if status != 200:
            return failed(f"status {status}: {said}")
        try:
            return _read(_Completion.model_validate_json(response.content))
        except (ValidationError, IndexError):
            return _Again(reason=f"no chat completion: {said}")


@dataclass(frozen=True, kw_only=True)
class _Again:
    reason: str
    after_s: float = 0.0


def _body(model: str, sampling: SamplingParams, ask: Ask) -> dict[str, object]:
    body: dict[str, object] = {
        "model": model,
        "messages": [_turn(message) for message in ask.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed + ask.number,
    }
    if not ask.thinking:  # said only where it is wanted: not every server knows the field
        body["chat_template_kwargs"] = {"enable_thinking": False}
    return body


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _read(completion: _Completion) -> Answer:
    choice = completion.choices[0]
    content, said = choice.message.content or "", choice.message
    reasoning = said.reasoning_content or said.reasoning or ""
    if not reasoning and content.lstrip().startswith("<think>"):
        thought, _, content = content.lstrip().removeprefix("<think>").partition("</think>")
        reasoning, content = thought.strip("\n"), content.lstrip("\n")
    return Answer(
        content=content,
        reasoning=reasoning,
        finish_reason=choice.finish_reason or "stop",
        completion_tokens=completion.usage.completion_tokens if completion.usage else None,
    )


def _seconds(text: str) -> float:
    """Of a Retry-After header; 0 where it is a date or nothing."""
    return float(text) if text.isdigit() else 0.0
