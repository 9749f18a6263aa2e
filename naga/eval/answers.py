"""What answers: a function from a conversation to an answer, with the name of who it is.

The engine of this process, a server (endpoint.py) and a test's stand-in are asked alike, by as
many threads as `concurrency` says. An answer that fails is an Answer with an `error`: missing, not
wrong. ConfigError is for what would fail every time. Judges nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.data.chat import Message
from naga.engine.chat import chat_request, complete
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A conversation that waits for the assistant."""

    messages: tuple[Message, ...]
    thinking: bool = True
    number: int = 0
    """Which of the answers to this problem; each is drawn by itself."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    content: str
    reasoning: str = ""
    finish_reason: str = "stop"
    completion_tokens: int | None = None
    """Of thinking and answer together; None where a server does not say."""
    error: str = ""
    """Why there is none, in one line."""


@dataclass(frozen=True, kw_only=True)
class Answerer:
    identity: str
    """Model and settings: an answer is kept under it, and never taken for another's."""
    answer: Callable[[Ask], Answer]
    """May be called from several threads at once."""
    concurrency: int = 1


def failed(error: str) -> Answer:
    return Answer(content="", finish_reason="error", error=" ".join(error.split())[:300])


def engine_answerer(engine: Engine, sampling: SamplingParams, identity: str = "engine") -> Answerer:
    """The engine of this process, as many answers at once as it runs."""

    def answer(ask: Ask) -> Answer:
        try:
            request = chat_request(
                engine.tokenizer,
                ask.messages,
                sampling,
                enable_thinking=ask.thinking,
                choice=ask.number,
            )
            reply = complete(engine, request)
        except ConfigError as error:  # this conversation is refused, as one too long is
            return failed(f"{error}")
        if reply.finish_reason in ("error", "cancelled"):
            return failed(f"the request ended as {reply.finish_reason}: {reply.error}")
        return Answer(
            content=reply.text,
            reasoning=reply.reasoning,
            finish_reason=reply.finish_reason,
            completion_tokens=reply.usage.completion_tokens,
        )

    said = (
        f"{identity} temperature {sampling.temperature} top_p {sampling.top_p} "
        f"seed {sampling.seed} max_tokens {sampling.max_tokens}"
    )
    return Answerer(identity=said, answer=answer, concurrency=engine.config.max_running)
