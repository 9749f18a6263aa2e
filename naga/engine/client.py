"""One request inside the engine, with what belongs to it: its job, its answer, its guesses.

Says how its next tokens are drawn, and makes outputs of what was drawn. Assumes the engine's
thread. Holds no memory of the engine's; the scheduler does not know it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from naga.engine.answer import Answer
from naga.engine.drafts import Drafts
from naga.engine.request import Output, Request
from naga.engine.scheduler import Job, Piece
from naga.ops.sampling import Draw, Sample

Sink = Callable[[Output], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Client:
    request: Request
    sink: Sink
    answer: Answer
    job: Job
    drafts: Drafts
    deadline: float
    """By the monotonic clock."""

    def guess(self, most: int) -> list[Draw]:
        """Guess the next tokens; how they are chosen, as far as the guesses can come."""
        tokens = self.job.tokens
        left = min(most, self.job.max_len - len(tokens) - 1)
        guessed = self.answer.forced[:left] or self.drafts.guess(tokens, left)
        draws = self.answer.next_draws(len(tokens), guessed)
        self.job.drafts = tuple(guessed[: len(draws) - 1])
        return draws

    def draws(self, piece: Piece, guessed: Sequence[Draw] | None) -> list[Draw]:
        """One for each of the piece's positions; `guessed`: what `guess` gave, if it was asked."""
        scored = [self._prompt_draw(n) for n in piece.positions if n < self.job.prompt_len]
        known = [n for n in piece.positions if n >= len(self.job.tokens)]
        if not known:
            return scored
        return scored + list(guessed or self.guess(0))[: len(known)]

    def take(self, piece: Piece, samples: Sequence[Sample | None]) -> tuple[list[Output], int]:
        """Outputs of a step, until the answer ends or a guess was wrong; how many were right."""
        job, outputs, right = self.job, list[Output](), 0
        guessed = job.drafts[: piece.drafts]
        for position, sample in zip(piece.positions, samples, strict=True):
            if sample is None:
                outputs.append(self._without_numbers(position))
                break
            if position < job.prompt_len:
                self._score(position, sample)
                continue
            job.tokens.append(sample.token)
            outputs.append(self.answer.add(sample, time.monotonic()))
            ended = outputs[-1].finish_reason is not None
            if ended or right == piece.drafts or sample.token != guessed[right]:
                break
            right += 1
        if piece.drafts:
            self.drafts.learn(piece.drafts, right)
        return outputs, right

    def fail(self, error: Exception) -> Output:
        return self.answer.end("error", time.monotonic(), f"{type(error).__name__}: {error}")

    def _without_numbers(self, position: int) -> Output:
        """Only this request ends: its logits were of no use."""
        error = ValueError(f"the model's logits for position {position} are not finite")
        logger.error("request %r ends with an error: %s", self.job.id, error)
        return self.fail(error)

    def _prompt_draw(self, position: int) -> Draw:
        draw = self.answer.prompt_draw(position)
        assert draw is not None, "asked for by nobody"
        return draw

    def _score(self, position: int, sample: Sample) -> None:
        """Once each: who gave way computes its prompt again."""
        if position > self.job.scored:
            self.job.scored = position
            self.answer.add_prompt(sample)
