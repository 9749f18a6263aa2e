"""From engine outputs to the answers of /v1/completions: one object, or a stream of chunks.

OpenAI's older shape: text without roles, and log-probabilities as parallel lists. Several prompts
have their choices one after the other. Does not parse requests and knows no routes.
"""

import codecs
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from naga.data.tokenizer import Tokenizer
from naga.engine.request import Output
from naga.server.protocol import ApiError
from naga.server.stream import (
    DONE,
    Feed,
    Head,
    check,
    event_of,
    log_request,
    timings_at_end,
    timings_of,
    usage_of,
)

Json = dict[str, Any]
KIND = "text_completion"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What shapes the answer, besides its head."""

    n: int
    """Choices to return of each prompt."""
    echoes: tuple[str, ...] | None
    """The prompts, if they are to come before their completions."""


class TokenLists:
    """Parallel lists over the tokens of one text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0

    def entry(self, token: int, logprob: float | None, top: Sequence[tuple[int, float]]) -> Json:
        """The lists, with this token alone in them; control tokens are not text and have none."""
        text = self._tokenizer.token_bytes(token)
        if not text:
            return _no_tokens()
        offset = self._offset
        self._offset += len(self._decoder.decode(text))
        # The first of two that look alike is the more likely one.
        others = {self._shown(other): number for other, number in reversed(top)}
        return {
            "tokens": [self._shown(token)],
            "token_logprobs": [logprob],
            "top_logprobs": [None if logprob is None else others],
            "text_offset": [offset],
        }

    def _shown(self, token: int) -> str:
        """Its text, or OpenAI's spelling of bytes that are none."""
        text = self._tokenizer.token_bytes(token)
        try:
            return self._tokenizer.control_name(token) or text.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in text)


def _no_tokens() -> Json:
    return {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}


@dataclass(kw_only=True)
class TextChoice:
    """One completion as it grows."""

    tokenizer: Tokenizer
    lists: TokenLists
    text: list[str] = field(default_factory=list)
    logprobs: Json = field(default_factory=_no_tokens)
    total: float = 0.0
    """Of the log-probabilities."""
    last: Output | None = None

    def add(self, output: Output) -> Json:
        """Take one output; returns its `logprobs` object."""
        self.text.append(output.content)
        if output.finish_reason is not None:
            self.last = output
        if output.token is None or output.logprob is None:
            return _no_tokens()
        self.total += output.logprob
        entry = self.lists.entry(output.token, output.logprob, output.top_logprobs)
        _extend(self.logprobs, entry)
        return entry

    @property
    def likelihood(self) -> float:
        """Log-probability per token; the least where a deadline came before the first one."""
        assert self.last is not None and self.last.usage is not None, "it has ended"
        count = self.last.usage.completion_tokens
        return self.total / count if count else -math.inf

    def whole(self, head: Head, index: int, echo: str | None) -> Json:
        assert self.last is not None, "the feed ended, so every choice has"
        logprobs = self.logprobs if echo is None else self.after_prompt(echo)
        return {
            "index": index,
            "text": (echo or "") + "".join(self.text),
            "logprobs": logprobs if head.logprobs else None,
            "finish_reason": self.last.finish_reason,
        }

    def after_prompt(self, echo: str) -> Json:
        """The prompt's log-probabilities, then the completion's."""
        assert self.last is not None
        tokens, lists = _no_tokens(), TokenLists(self.tokenizer)
        for one in self.last.prompt_logprobs or ():
            _extend(tokens, lists.entry(one.token, one.logprob, one.top))
        moved = [len(echo) + offset for offset in self.logprobs["text_offset"]]
        _extend(tokens, {**self.logprobs, "text_offset": moved})
        return tokens


def _extend(lists: Json, more: Json) -> None:
    for name, values in more.items():
        lists[name] += values


async def complete_text(feed: Feed, head: Head, wishes: Wishes, tokenizer: Tokenizer) -> Json:
    """The `text_completion` object; ApiError if the engine failed."""
    choices = _choices(head, tokenizer)
    try:
        async for index, output in feed:
            choices[index].add(output)
            check(output)
    finally:
        log_request(head, [choice.last for choice in choices])
    shown: list[Json] = []
    for prompt, first in enumerate(range(0, len(choices), head.per_prompt)):
        echo = wishes.echoes[prompt] if wishes.echoes else None
        for choice in _best(choices[first : first + head.per_prompt], wishes.n):
            shown.append(choice.whole(head, len(shown), echo))
    lasts = [choice.last for choice in choices]
    reply = head.wrap(KIND, shown)
    return {**reply, "usage": usage_of(head, lasts), "timings": timings_of(lasts)}


def _best(choices: Sequence[TextChoice], n: int) -> Sequence[TextChoice]:
    """As they come if all are wanted; else the most likely first, the earlier of equals."""
    if n == len(choices):
        return choices
    return sorted(choices, key=lambda choice: -choice.likelihood)[:n]


async def text_events(
    feed: Feed, head: Head, wishes: Wishes, tokenizer: Tokenizer
) -> AsyncGenerator[bytes, None]:
    """Server-sent events: echo, text and finish of each choice, usage if asked for, [DONE]."""
    choices = _choices(head, tokenizer)
    try:
        for index in range(head.num_choices):
            if wishes.echoes:
                yield _chunk(head, index, wishes.echoes[index // head.per_prompt])
        async for index, output in feed:
            logprobs = choices[index].add(output)
            check(output)
            ended, shown = output.finish_reason, logprobs if head.logprobs else None
            if output.content or ended or (shown and shown["tokens"]):
                extra = timings_at_end([choice.last for choice in choices]) if ended else {}
                text = output.content
                yield _chunk(head, index, text, logprobs=shown, finish=ended, extra=extra)
        if head.include_usage:
            lasts = [choice.last for choice in choices]
            yield event_of({**head.wrap(KIND, []), "usage": usage_of(head, lasts)})
    except ApiError as error:
        yield event_of(error.body())
    finally:
        log_request(head, [choice.last for choice in choices])
    yield DONE


def _chunk(
    head: Head,
    index: int,
    text: str,
    *,
    logprobs: Json | None = None,
    finish: str | None = None,
    extra: Json | None = None,
) -> bytes:
    choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
    usage = {"usage": None} if head.include_usage else {}
    return event_of({**head.wrap(KIND, [choice]), **usage, **(extra or {})})


def _choices(head: Head, tokenizer: Tokenizer) -> list[TextChoice]:
    return [
        TextChoice(tokenizer=tokenizer, lists=TokenLists(tokenizer))
        for _ in range(head.num_choices)
    ]
