"""From engine outputs to OpenAI's answers: one completion object, or a stream of chunks.

A Feed owns the engine requests of one HTTP call (one per choice): it brings their outputs from the
engine's thread into the event loop and cancels what is unfinished when it is closed. Shapes are
OpenAI's, calls of tools included, each of which is one delta; our additions: `reasoning_content`
and `reasoning` (the same text under both names in use), `logprobs.reasoning`, `seed` and `timings`.
Does not parse requests and knows no routes.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from naga.data.tokenizer import END_THINK, Tokenizer
from naga.engine.engine import Engine
from naga.engine.request import Output, Request
from naga.server.protocol import ApiError

Json = dict[str, Any]
logger = logging.getLogger(__name__)
DONE = b"data: [DONE]\n\n"
# One of them ends the whole reply.
FAILURES = ("error", "cancelled")


class Feed:
    """Outputs of several engine requests in the order they come: `async for choice, output`."""

    def __init__(
        self,
        engine: Engine,
        requests: Sequence[Request],
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        """Submit all; ConfigError (of it QueueFull) if one is refused, and then none stays.

        `ended`: called with the tokens of the first one, prompt and answer, when it has ended.

        May take a while, to compile a constraint; not to be called on the loop's thread.
        """
        self._engine = engine
        self._loop = loop
        self._queue: asyncio.Queue[Output] = asyncio.Queue()
        self._choice_of: dict[str, int] = {}
        self._ended, self._tokens = ended, list(requests[0].prompt)
        with ExitStack() as undo:
            undo.callback(self.close)
            for index, request in enumerate(requests):
                engine.submit(request, self._sink)
                self._choice_of[request.id] = index
            undo.pop_all()

    def _sink(self, output: Output) -> None:
        """Runs on the engine's thread."""
        # A closed loop means that the process is ending and nobody is left to read this.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, output)

    async def __aiter__(self) -> AsyncIterator[tuple[int, Output]]:
        while self._choice_of:
            output = await self._queue.get()
            choice = self._choice_of[output.request_id]
            if choice == 0:
                self._follow(output)
            if output.finish_reason is not None:
                del self._choice_of[output.request_id]
            yield choice, output

    def _follow(self, output: Output) -> None:
        if output.token is not None:
            self._tokens.append(output.token)
        if output.finish_reason not in (None, "error") and self._ended is not None:
            self._ended(self._tokens)

    def close(self) -> None:
        """Cancel what still runs."""
        for request_id in self._choice_of:
            self._engine.cancel(request_id)
        self._choice_of.clear()


@dataclass(frozen=True, kw_only=True)
class Head:
    """What every object of one reply says, and what shapes it."""

    id: str
    created: int
    """Unix time, seconds."""
    model: str
    fingerprint: str
    """Package version and dtype: what the same seed needs to give the same text."""
    seed: int
    num_choices: int
    """Of all prompts together."""
    per_prompt: int
    """Choices of one prompt, which stand together."""
    thinking: bool
    logprobs: bool
    include_usage: bool
    """Only for a stream."""
    user: str | None
    """The client's name for its end user, for the request log."""

    def wrap(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "seed": self.seed,
            "choices": choices,
        }


@dataclass(kw_only=True)
class Choice:
    """One answer as it grows."""

    index: int
    in_reasoning: bool
    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    reasoning_logprobs: list[Json] = field(default_factory=list)
    content_logprobs: list[Json] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    """Of tools, in OpenAI's shape."""
    last: Output | None = None
    """The final output: why it ended, usage, timings."""

    def add(self, output: Output, tokenizer: Tokenizer) -> Json:
        """Take one output; returns its `logprobs` object (at most one entry)."""
        self.reasoning.append(output.reasoning)
        self.content.append(output.content)
        if output.finish_reason is not None:
            self.last = output
        entries = _logprob_entries(output, tokenizer)
        if self.in_reasoning and _ends_thought(output, tokenizer):
            self.in_reasoning = False
        if self.in_reasoning:
            self.reasoning_logprobs += entries
            return _logprobs(reasoning=entries, content=[])
        self.content_logprobs += entries
        return _logprobs(reasoning=[], content=entries)

    def add_calls(self, output: Output, head: Head) -> list[Json]:
        """Take its calls; returns them as a delta has them, with their places."""
        deltas = []
        for call in output.calls:
            place = len(self.calls)
            name = f"call_{head.id.removeprefix('chatcmpl-')}_{self.index}_{place}"
            function = {"name": call.name, "arguments": call.arguments}
            self.calls.append({"id": name, "type": "function", "function": function})
            deltas.append({"index": place, **self.calls[-1]})
        return deltas

    @property
    def finish_reason(self) -> str | None:
        """An answer that ends by itself after calls ends for them to be answered."""
        if self.last is None:
            return None
        ended = self.last.finish_reason
        return "tool_calls" if ended == "stop" and self.calls else ended

    def whole(self, head: Head) -> Json:
        assert self.last is not None, "the feed ended, so every choice has"
        logprobs = _logprobs(reasoning=self.reasoning_logprobs, content=self.content_logprobs)
        reasoning = "".join(self.reasoning) or None
        content = "".join(self.content)
        message: Json = {
            "role": "assistant",
            "content": None if self.calls and not content else content,
            "reasoning_content": reasoning,
            "reasoning": reasoning,
            "refusal": None,
        }
        return {
            "index": self.index,
            "message": message | ({"tool_calls": self.calls} if self.calls else {}),
            "logprobs": logprobs if head.logprobs else None,
            "finish_reason": self.finish_reason,
        }

    def prompt_logprobs(self, tokenizer: Tokenizer) -> list[Json] | None:
        """Of the prompt that was answered; None if nobody asked."""
        if self.last is None or self.last.prompt_logprobs is None:
            return None
        return [
            logprob_entry(one.token, one.logprob, one.top, tokenizer)
            for one in self.last.prompt_logprobs
        ]


async def complete(feed: Feed, head: Head, tokenizer: Tokenizer) -> Json:
    """The `chat.completion` object; ApiError if the engine failed."""
    choices = _choices(head)
    try:
        async for index, output in feed:
            choices[index].add(output, tokenizer)
            choices[index].add_calls(output, head)
            check(output)
    finally:
        log_request(head, [choice.last for choice in choices])
    reply = head.wrap("chat.completion", [choice.whole(head) for choice in choices])
    prompt = choices[0].prompt_logprobs(tokenizer)
    of_prompt = {} if prompt is None else {"prompt_logprobs": prompt}
    lasts = [choice.last for choice in choices]
    return {**reply, **of_prompt, "usage": usage_of(head, lasts), "timings": timings_of(lasts)}


async def events(feed: Feed, head: Head, tokenizer: Tokenizer) -> AsyncGenerator[bytes, None]:
    """Server-sent events: role, deltas and finish of each choice, usage if asked for, [DONE].

    `timings` rides on the last choice's finish. A failure is an error event before [DONE].
    """
    choices = _choices(head)
    try:
        for index in range(head.num_choices):
            yield _chunk(head, index, {"role": "assistant", "content": ""})
        async for index, output in feed:
            logprobs = choices[index].add(output, tokenizer)
            check(output)
            delta = _delta(output, choices[index].add_calls(output, head))
            entry = logprobs if head.logprobs else None
            if delta or (entry and (entry["content"] or entry["reasoning"])):
                yield _chunk(head, index, delta, logprobs=entry)
            if output.finish_reason is not None:
                extra = timings_at_end([choice.last for choice in choices])
                ended = choices[index].finish_reason
                yield _chunk(head, index, {}, finish=ended, extra=extra)
        if head.include_usage:
            whole = head.wrap("chat.completion.chunk", [])
            lasts = [choice.last for choice in choices]
            yield event_of({**whole, "usage": usage_of(head, lasts)})
    except ApiError as error:
        yield event_of(error.body())
    finally:
        log_request(head, [choice.last for choice in choices])
    yield DONE


def log_request(head: Head, lasts: Sequence[Output | None]) -> None:
    """One line for each request; JSON keeps what a client wrote on that line."""
    failed = any(last and last.finish_reason in FAILURES for last in lasts)
    missing = "dropped" if failed else "client left"
    ended = [last.finish_reason if last else missing for last in lasts]
    record = {"id": head.id, "user": head.user, "finish": ended}
    if all(lasts):
        record |= usage_of(head, lasts) | timings_of(lasts)
    logger.info("%s", json.dumps(record))


def _choices(head: Head) -> list[Choice]:
    return [Choice(index=i, in_reasoning=head.thinking) for i in range(head.num_choices)]


def check(output: Output) -> None:
    if output.finish_reason == "error":
        raise ApiError(status=500, kind="server_error", message=output.error or "generation failed")
    if output.finish_reason == "cancelled":
        message = "the server is shutting down; the answer is incomplete"
        raise ApiError(status=503, kind="server_error", message=message)


def _delta(output: Output, calls: list[Json]) -> Json:
    delta: Json = {}
    if output.reasoning:
        delta |= {"reasoning_content": output.reasoning, "reasoning": output.reasoning}
    if output.content:
        delta |= {"content": output.content}
    if calls:
        delta |= {"tool_calls": calls}
    return delta


def _chunk(
    head: Head,
    index: int,
    delta: Json,
    *,
    finish: str | None = None,
    logprobs: Json | None = None,
    extra: Json | None = None,
) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    usage = {"usage": None} if head.include_usage else {}
    return event_of({**head.wrap("chat.completion.chunk", [choice]), **usage, **(extra or {})})


def event_of(data: Json) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _ends_thought(output: Output, tokenizer: Tokenizer) -> bool:
    if tokenizer.has_control(END_THINK):
        return output.token == tokenizer.control_id(END_THINK)
    return bool(output.content or output.calls)


def _logprob_entries(output: Output, tokenizer: Tokenizer) -> list[Json]:
    """The entry of the output's token; control tokens are not text and have none."""
    if output.token is None or not tokenizer.token_bytes(output.token):
        return []
    assert output.logprob is not None, "a token has one"
    return [logprob_entry(output.token, output.logprob, output.top_logprobs, tokenizer)]


def logprob_entry(
    token: int, logprob: float | None, top: Sequence[tuple[int, float]], tokenizer: Tokenizer
) -> Json:
    """One token of a text, and the most likely ones in its place, control tokens by name."""
    others = [_entry(other, number, tokenizer) for other, number in top]
    return {**_entry(token, logprob, tokenizer), "top_logprobs": others}


def _entry(token: int, logprob: float | None, tokenizer: Tokenizer) -> Json:
    text = tokenizer.token_bytes(token)
    shown = tokenizer.control_name(token) or text.decode("utf-8", "replace")
    return {"token": shown, "bytes": list(text), "logprob": logprob}


def _logprobs(*, reasoning: list[Json], content: list[Json]) -> Json:
    return {"content": content, "reasoning": reasoning, "refusal": None}


def usage_of(head: Head, lasts: Sequence[Output | None]) -> Json:
    """Each prompt counts once, however many choices answer it."""
    usages = [last.usage for last in lasts if last and last.usage]
    prompts = usages[:: head.per_prompt]
    prompt = sum(usage.prompt_tokens for usage in prompts)
    completion = sum(usage.completion_tokens for usage in usages)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(usage.cached_tokens for usage in prompts)},
        "completion_tokens_details": {
            "reasoning_tokens": sum(usage.reasoning_tokens for usage in usages)
        },
    }


def timings_at_end(lasts: Sequence[Output | None]) -> Json:
    """What the finish of the last choice carries besides; nothing while others go on."""
    return {"timings": timings_of(lasts)} if all(lasts) else {}


def timings_of(lasts: Sequence[Output | None]) -> Json:
    """First token: the earliest of any choice. Speed: of all choices together, after the first."""
    timings = [last.timings for last in lasts if last and last.timings]
    firsts = [one.first_token_s for one in timings if one.first_token_s is not None]
    speeds = [one.decode_tokens_per_s for one in timings if one.decode_tokens_per_s is not None]
    return {
        "first_token_ms": round(1000 * min(firsts), 1) if firsts else None,
        "tokens_per_second": round(sum(speeds), 1) if speeds else None,
    }
