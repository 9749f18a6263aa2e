"""The engine for callers in this process: open a checkpoint, build requests, wait or iterate.

Used by the command line and by evaluation; the server talks to Engine itself. Knows no HTTP.
"""

import queue
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from naga.checkpoint.config import read_model_config
from naga.checkpoint.fields import read_json
from naga.checkpoint.load import Progress, unseen
from naga.checkpoint.save import GENERATION_FILE
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.data.formats import format_of, ready
from naga.data.messages import Message, Thinking, Tool, ToolCall
from naga.data.tokenizer import Tokenizer
from naga.engine.backend import load_backend
from naga.engine.engine import Engine
from naga.engine.request import (
    FinishReason,
    Output,
    PromptLogprob,
    Request,
    SamplingParams,
    Timings,
    Usage,
)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer."""

    text: str
    reasoning: str
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of each token, under the plain softmax (temperature 1, no masks)."""
    top_logprobs: tuple[tuple[tuple[int, float], ...], ...]
    """Of each token: (token, log-probability) of the most likely ones."""
    weights_version: int
    """Of the weights that it was computed with."""
    prompt_logprobs: tuple[PromptLogprob, ...] | None = None
    calls: tuple[ToolCall, ...] = ()
    """Of tools."""
    error: str | None = None


def open_engine(path: Path, config: EngineConfig, progress: Progress = unseen) -> Engine:
    """Load the checkpoint folder `path` and start its engine; ConfigError names what is wrong.

    `progress`: told the bytes of the weights, it gives what is called with those read.
    """
    # First: of a folder that is none, the tokenizer is not what is missing.
    read_model_config(path)
    tokenizer, stop_ids = ready(Tokenizer.load(path)), read_stop_ids(path)
    return Engine(load_backend(path, config, progress), tokenizer, config, stop_ids=stop_ids)


def read_stop_ids(path: Path) -> frozenset[int]:
    """The end tokens that a checkpoint's generation_config.json names; none without that file."""
    file = path / GENERATION_FILE
    named = read_json(file).get("eos_token_id") if file.is_file() else None
    ids = named if isinstance(named, list) else [] if named is None else [named]
    if not all(type(token) is int for token in ids):
        raise ConfigError(f"{file}: eos_token_id is {named!r}; it must be a token id or a list")
    return frozenset(ids)


def chat_request(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    sampling: SamplingParams,
    *,
    enable_thinking: Thinking = True,
    choice: int = 0,
    tools: Sequence[Tool] = (),
) -> Request:
    """The next assistant turn of a conversation; ConfigError for a model of no known format.

    "auto" opens a thought as True does, and the model may close it at once; True forbids that.
    """
    form = format_of(tokenizer)
    if enable_thinking == "auto" and not form.decides:
        raise ConfigError(
            f"this model's format ({form.name}) cannot leave it to the model whether to think; "
            "switch thinking on or off"
        )
    thinks = form.opens_thought(messages, bool(enable_thinking))
    prompt = form.render_prompt(tokenizer, messages, tools=tools, enable_thinking=thinks)
    return Request(
        id=new_id(),
        prompt=tuple(prompt),
        boundaries=form.message_ends(tokenizer, prompt),
        sampling=sampling,
        thinking=thinks,
        must_think=thinks
        and form.decides
        and enable_thinking is True
        and sampling.thinking_budget != 0,
        choice=choice,
        tools=tuple(tools),
    )


def raw_request(tokenizer: Tokenizer, text: str, sampling: SamplingParams) -> Request:
    """The continuation of plain text, without the chat template."""
    return Request(id=new_id(), prompt=tuple(tokenizer.encode(text)), sampling=sampling, raw=True)


def new_id() -> str:
    return uuid.uuid4().hex


def stream(engine: Engine, request: Request) -> Iterator[Output]:
    """Outputs as they come, up to the one with a finish_reason; leaving early cancels.

    The request is submitted, and refused with ConfigError, when the first Output is asked for.
    """
    outputs: queue.SimpleQueue[Output] = queue.SimpleQueue()
    engine.submit(request, outputs.put)
    ended = False
    try:
        while not ended:
            output = outputs.get()
            ended = output.finish_reason is not None
            yield output
    finally:
        if not ended:
            engine.cancel(request.id)


def complete(engine: Engine, request: Request) -> Reply:
    """Wait for the whole answer; an interruption cancels the request."""
    return gather(list(stream(engine, request)))


def complete_all(
    engine: Engine, requests: Sequence[Request], finished: Callable[[], None] = lambda: None
) -> list[Reply]:
    """Answers to many requests, in their order; max_running of them are in the engine at a time.

    ConfigError if one is refused, or if two have the same id; the others are then cancelled.
    `finished` is called after each answer, for a progress bar.
    """
    outputs: dict[str, list[Output]] = {request.id: [] for request in requests}
    if len(outputs) < len(requests):
        raise ConfigError("two requests have the same id; give each its own")
    arrived: queue.SimpleQueue[Output] = queue.SimpleQueue()
    todo = iter(requests)
    inside: set[str] = set()
    try:
        while True:
            while len(inside) < engine.config.max_running and (request := next(todo, None)):
                engine.submit(request, arrived.put)
                inside.add(request.id)
            if not inside:
                return [gather(outputs[request.id]) for request in requests]
            output = arrived.get()
            outputs[output.request_id].append(output)
            if output.finish_reason is not None:
                inside.remove(output.request_id)
                finished()
    finally:
        for request_id in inside:
            engine.cancel(request_id)


def gather(outputs: Sequence[Output]) -> Reply:
    """All Outputs of one request, joined."""
    last = outputs[-1]
    assert last.finish_reason and last.usage and last.timings, "the last output closes a request"
    assert last.weights_version is not None
    return Reply(
        text="".join(output.content for output in outputs),
        reasoning="".join(output.reasoning for output in outputs),
        calls=tuple(call for output in outputs for call in output.calls),
        finish_reason=last.finish_reason,
        usage=last.usage,
        timings=last.timings,
        tokens=tuple(output.token for output in outputs if output.token is not None),
        logprobs=tuple(output.logprob for output in outputs if output.logprob is not None),
        top_logprobs=tuple(o.top_logprobs for o in outputs if o.token is not None),
        weights_version=last.weights_version,
        prompt_logprobs=last.prompt_logprobs,
        error=last.error,
    )
