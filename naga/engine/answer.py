"""One request's answer as it grows: Draws out, chosen tokens in, Outputs out. No torch.

Says how tokens are to be chosen (choosing.py), splits reasoning, content and calls as the model's
format says (data/formats), stops at end tokens and stop strings, counts and times. Holds no memory
of the engine's. Times are seconds of a monotonic clock, handed in by the caller.
"""

from collections.abc import Sequence
from dataclasses import replace

from naga.config.base import ConfigError
from naga.data.chat import ReplyParser
from naga.data.formats import Parser, known_format
from naga.data.tokenizer import Tokenizer
from naga.engine.choosing import Chooser
from naga.engine.request import FinishReason, Output, PromptLogprob, Request, Timings, Usage
from naga.ops.sampling import Draw, Sample


def own_stop_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The end tokens of the tokenizer's format of talk; none if it has none that is known."""
    found = known_format(tokenizer)
    return frozenset() if found is None else found.stop_ids(tokenizer)


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
    """ConfigError if the tokenizer or the model cannot serve this kind of request."""

    def __init__(
        self, request: Request, tokenizer: Tokenizer, stop_ids: frozenset[int], *, submitted: float
    ) -> None:
        self._request = request
        self._stop_ids = stop_ids
        self._parser = _parser(request, tokenizer)
        self._filter = StopFilter(request.sampling.stop)
        _check_bias(request, tokenizer)
        self._chooser = Chooser(request, tokenizer, stop_ids)
        self._prompt = [PromptLogprob(token=request.prompt[0], logprob=None)]
        self.ended = False
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

    @property
    def forced(self) -> tuple[int, ...]:
        """The next tokens, known before they are drawn; mostly none."""
        return self._chooser.forced

    def next_draw(self, position: int) -> Draw:
        """How the next token is chosen; `position`: the tokens before it, the prompt's included."""
        return self._chooser.draw(position)

    def next_draws(self, position: int, drafts: Sequence[int]) -> list[Draw]:
        """`next_draw`, then how the token after each draft is chosen, were the draft to come.

        Ends before a draft that cannot come, and with one after which no token can.
        """
        return self._chooser.draws(position, drafts)

    def prompt_draw(self, position: int) -> Draw | None:
        """For the row before prompt[position], position >= 1; None if nobody asked."""
        top = self._request.sampling.prompt_logprobs
        if top is None:
            return None
        token = self._request.prompt[position]
        return Draw(
            temperature=0, top_p=1, top_k=None, seed=0, choice=0, position=0, forced=token, top=top
        )

    def add_prompt(self, sample: Sample) -> None:
        """What `prompt_draw` gave, for each position once and in order."""
        self._prompt.append(
            PromptLogprob(token=sample.token, logprob=sample.logprob, top=sample.top)
        )

    def add(self, sample: Sample, now: float) -> Output:
        """Take the next token; the Output has a finish_reason if it is the last."""
        self._count(now)
        output = Output(
            request_id=self._request.id,
            token=sample.token,
            logprob=sample.logprob,
            top_logprobs=sample.top,
        )
        if sample.token in self._stop_ids and not self._request.sampling.ignore_eos:
            return self._final("stop", now, output)
        delta = self._parser.feed(sample.token)
        content = self._filter.feed(delta.content)
        output = replace(output, reasoning=delta.reasoning, content=content, calls=delta.calls)
        self._chooser.take(sample.token)
        if self._filter.stopped or self._chooser.complete:
            return self._final("stop", now, output)
        if self._num_tokens == self._request.sampling.max_tokens:
            return self._final("length", now, output)
        if self._chooser.failed is not None:
            return self._final("error", now, replace(output, error=self._chooser.failed))
        return output

    def end(self, reason: FinishReason, now: float, error: str | None = None) -> Output:
        """End without another token."""
        return self._final(reason, now, Output(request_id=self._request.id, error=error))

    def _final(self, reason: FinishReason, now: float, output: Output) -> Output:
        """`output` as the last one: with what was held back, the counts and the times."""
        self.ended = True
        rest = self._parser.finish()
        return replace(
            output,
            reasoning=output.reasoning + rest.reasoning,
            content=output.content + self._filter.feed(rest.content) + self._filter.flush(),
            calls=output.calls + rest.calls,
            finish_reason=reason,
            usage=Usage(
                prompt_tokens=len(self._request.prompt),
                completion_tokens=self._num_tokens,
                reasoning_tokens=self._num_reasoning,
                cached_tokens=self._cached_tokens,
            ),
            timings=self._timings(now),
            prompt_logprobs=self._prompt_logprobs(),
        )

    def _prompt_logprobs(self) -> tuple[PromptLogprob, ...] | None:
        asked = self._request.sampling.prompt_logprobs is not None
        return (
            tuple(self._prompt)
            if asked and len(self._prompt) == len(self._request.prompt)
            else None
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


def _parser(request: Request, tokenizer: Tokenizer) -> Parser:
    found = None if request.raw else known_format(tokenizer)
    if found is None:
        return ReplyParser(tokenizer, thinking=request.thinking, raw=request.raw)
    return found.parser(
        tokenizer, thinking=request.thinking, tools=request.tools, calling=request.calling
    )


def _check_bias(request: Request, tokenizer: Tokenizer) -> None:
    for token, _ in request.sampling.logit_bias:
        if token >= tokenizer.vocab_size:
            raise ConfigError(
                f"logit_bias: token {token} is beyond the vocabulary of {tokenizer.vocab_size}"
            )
