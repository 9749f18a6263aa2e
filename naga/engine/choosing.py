"""How one answer's tokens are to be chosen: the tokens so far in, a Draw for the next one out.

Holds together what a request wishes of its text: bias, end tokens held back, a thinking budget, a
constraint that begins where the thought ends. It depends on the tokens alone, so a copy can be led
along drafted tokens that may never come. No torch, no text, no times.
"""

from collections.abc import Sequence
from copy import copy
from math import inf
from typing import Self

from naga.config.base import ConfigError
from naga.data.tokenizer import END_THINK, Tokenizer
from naga.engine.constraint import ConstraintFailed, Matcher, compile_constraint
from naga.engine.request import Request
from naga.ops.sampling import Draw

# What closes a thought that has used its budget, in the language of the thought.
CLOSING_ENGLISH = "\n\nI have thought long enough; now I answer.\n"
CLOSING_CHINESE = "\n\n已经想得够久了，现在回答。\n"


class Chooser:
    """ConfigError if the tokenizer lacks what the request needs, or the constraint is of no use."""

    def __init__(self, request: Request, tokenizer: Tokenizer, stop_ids: frozenset[int]) -> None:
        sampling = request.sampling
        self.failed: str | None = None
        """Why no further token can be chosen."""
        self.forced: tuple[int, ...] = ()
        """The next tokens, whatever the model would say."""
        self._request = request
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids
        self._num_tokens = 0
        thinking = request.thinking and _ends_at_token(request, tokenizer)
        self._thought: tuple[int, ...] | None = () if thinking else None
        self._end_think = tokenizer.control_id(END_THINK) if thinking else None
        self._bias = sampling.logit_bias
        self._bias_without_end = self._bias + tuple(
            (end, -inf) for end in sorted(stop_ids) if end < tokenizer.vocab_size
        )
        self._matcher: Matcher | None = None
        if sampling.constraint is not None:
            self._matcher = compile_constraint(sampling.constraint, tokenizer, stop_ids)
        self._mask: bytes | None = None
        if not thinking:
            self._begin_content()
        self._close_thought_at_budget()

    @property
    def complete(self) -> bool:
        """The constraint is met and lets nothing follow."""
        return self._thought is None and self._matcher is not None and self._matcher.finished

    def draw(self, position: int) -> Draw:
        sampling = self._request.sampling
        return Draw(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=sampling.seed,
            choice=self._request.choice,
            position=position,
            bias=self._bias_now(),
            mask=self._mask,
            forced=self.forced[0] if self.forced else None,
            top=sampling.top_logprobs,
        )

    def draws(self, position: int, drafts: Sequence[int]) -> list[Draw]:
        """Of the next token, then of the one after each draft, as far as drafts can come."""
        found = [self.draw(position)]
        if not drafts:
            return found
        chooser = self.copy()
        for draft in drafts:
            if draft in self._stop_ids or (chooser.forced and chooser.forced[0] != draft):
                break
            chooser.take(draft)
            if chooser.failed is not None or chooser.complete:
                break
            found.append(chooser.draw(position + len(found)))
        return found

    def take(self, token: int) -> None:
        """The token that was chosen."""
        self._num_tokens += 1
        self.forced = self.forced[1:]
        if self._thought is None:
            self._advance(token)
        elif token == self._end_think:
            self._thought, self.forced = None, ()
            self._begin_content()
        elif self._request.sampling.thinking_budget is not None:
            self._thought += (token,)
            self._close_thought_at_budget()

    def copy(self) -> Self:
        """Goes its own way from here."""
        other = copy(self)
        if other._matcher is not None:
            other._matcher = other._matcher.copy()
        return other

    def _bias_now(self) -> tuple[tuple[int, float], ...]:
        bias = self._bias_without_end if self._must_go_on() else self._bias
        if self._request.must_think and not self._num_tokens and self._end_think is not None:
            return (*bias, (self._end_think, -inf))
        return bias

    def _must_go_on(self) -> bool:
        """No end token now: too few tokens, or a thought before a constrained answer."""
        if self._thought is not None and self._matcher is not None:
            return True
        return self._num_tokens < self._request.sampling.min_tokens

    def _begin_content(self) -> None:
        if self._matcher is not None:
            self._find_mask(self._matcher)

    def _advance(self, token: int) -> None:
        if self._matcher is None:
            return
        try:
            self._matcher.advance(token)
        except ConstraintFailed as error:
            self.failed = str(error)
            return
        if not self._matcher.finished:
            self._find_mask(self._matcher)

    def _find_mask(self, matcher: Matcher) -> None:
        try:
            self._mask = matcher.mask()
        except ConstraintFailed as error:
            self.failed = str(error)

    def _close_thought_at_budget(self) -> None:
        budget = self._request.sampling.thinking_budget
        if self._thought is None or self._end_think is None or len(self._thought) != budget:
            return
        closing = _closing(self._tokenizer, self._thought) if budget else ()
        self.forced = (*closing, self._end_think)


def _ends_at_token(request: Request, tokenizer: Tokenizer) -> bool:
    """Whether the end of a thought is a token; ConfigError where one is needed and is none."""
    known = tokenizer.has_control(END_THINK)
    if not known and request.sampling.thinking_budget is not None:
        raise ConfigError("thinking_budget: this model ends its thoughts with text, not a token")
    if not known and request.sampling.constraint is not None:
        raise ConfigError(
            "an answer of a given form: this model ends its thoughts with text, not a token; "
            "switch thinking off"
        )
    return known


def _closing(tokenizer: Tokenizer, thought: Sequence[int]) -> list[int]:
    text = tokenizer.decode(thought)
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    latin = sum(character.isascii() and character.isalpha() for character in text)
    # A Chinese character says about as much as three or four letters.
    return tokenizer.encode(CLOSING_CHINESE if 3 * chinese > latin else CLOSING_ENGLISH)
