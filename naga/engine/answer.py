"""One request's answer as it grows: chosen tokens in, Outputs out. No torch.

Splits reasoning from content (data/chat.py), stops at end tokens and stop strings, counts and
times. Does not choose tokens and holds no memory of the engine's. Times are seconds of a monotonic
clock, handed in by the caller.
"""

from collections.abc import Sequence
from dataclasses import replace

from naga.data.chat import ReplyParser
from naga.data.tokenizer import END, END_OF_TEXT, Tokenizer
from naga.engine.request import FinishReason, Output, Request, Timings, Usage
from naga.ops.sampling import Sample


def own_stop_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The end tokens of our chat format; none for a tokenizer that does not have all of it."""
    if not tokenizer.is_chat():
        return frozenset()
    return frozenset({tokenizer.control_id(END), tokenizer.control_id(END_OF_TEXT)})


class StopFilter:
    """Lets text through up to the first stop string; holds back what may be the start of one.

    The stop string that is complete first wins, the longest among equals, so the text does not
    depend on how it was cut into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stopped = False
        self._stops = stops
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that may be shown now; nothing after a stop string."""
        if self.stopped:
            return ""
        text = self._held + text
        ends = [
            (text.find(stop) + len(stop), text.find(stop)) for stop in self._stops if stop in text
        ]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)[1]]
        shown = len(text) - max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """What was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, the whole excluded."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


class Answer:
    """ConfigError if the tokenizer cannot serve this kind of request."""

    def __init__(
        self, request: Request, tokenizer: Tokenizer, stop_ids: frozenset[int], *, submitted: float
    ) -> None:
        self._request = request
        self._stop_ids = stop_ids
        self._parser = ReplyParser(tokenizer, thinking=request.thinking, raw=request.raw)
        self._filter = StopFilter(request.sampling.stop)
        self._num_tokens = 0
        self._num_reasoning = 0
        self._submitted = submitted
        self._admitted: float | None = None
        self._cached_tokens = 0
        self._first: float | None = None
        self._last = submitted

    def admit(self, now: float, cached_tokens: int) -> None:
        """The request got its memory; what it gets when it goes on after giving way is not told."""
        if self._admitted is None:
            self._admitted, self._cached_tokens = now, cached_tokens

    def add(self, sample: Sample, now: float) -> Output:
        """Take the next token; the Output has a finish_reason if it is the last."""
        self._count(now)
        output = Output(request_id=self._request.id, token=sample.token, logprob=sample.logprob)
        if sample.token in self._stop_ids:
            return self._final("stop", now, output)
        delta = self._parser.feed(sample.token)
        output = replace(
            output, reasoning=delta.reasoning, content=self._filter.feed(delta.content)
        )
        if self._filter.stopped:
            return self._final("stop", now, output)
        if self._num_tokens == self._request.sampling.max_tokens:
            return self._final("length", now, output)
        return output

    def end(self, reason: FinishReason, now: float, error: str | None = None) -> Output:
        """End without another token."""
        return self._final(reason, now, Output(request_id=self._request.id, error=error))

    def _final(self, reason: FinishReason, now: float, output: Output) -> Output:
        """`output` as the last one: with what was held back, the counts and the times."""
        rest = self._parser.finish()
        return replace(
            output,
            reasoning=output.reasoning + rest.reasoning,
            content=output.content + self._filter.feed(rest.content) + self._filter.flush(),
            finish_reason=reason,
            usage=Usage(
                prompt_tokens=len(self._request.prompt),
                completion_tokens=self._num_tokens,
                reasoning_tokens=self._num_reasoning,
                cached_tokens=self._cached_tokens,
            ),
            timings=self._timings(now),
        )

    def _count(self, now: float) -> None:
        self._num_tokens += 1
        self._num_reasoning += self._parser.reasoning
        self._first = now if self._first is None else self._first
        self._last = now

    def _timings(self, now: float) -> Timings:
        admitted = now if self._admitted is None else self._admitted
        speed = None
        if self._first is not None and self._last > self._first:
            speed = (self._num_tokens - 1) / (self._last - self._first)
        return Timings(
            queue_s=admitted - self._submitted,
            first_token_s=None if self._first is None else self._first - self._submitted,
            decode_tokens_per_s=speed,
        )
