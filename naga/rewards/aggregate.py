"""From what the judges say to one score: the primary verdict, times what else is asked for.

Secondary terms are shares of what they may take away: each multiplies the primary score by a factor
from 0 to 1, so format, style, brevity or freshness pay nothing by themselves and a wrong answer
stays at 0. Missing is not wrong: without a primary score there is none, and a secondary term that
is missing is left out and named. All that was measured is kept in `parts`.

What depends on the group of an answer (compression among right ones, adjustment of advantages) and
overlong penalties below 0 are naga.rl's (shaping.py, advantages.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from naga.config.base import Config
from naga.tasks import Verdict
from naga.verify.repetition import line_repetition, ngram_repetition


class AggregateConfig(Config):
    tests: str = Field(default="all", pattern="^(all|fraction)$")
    """What a program earns: 1 if all tests pass, or the fraction that does."""
    repetition: float = Field(default=0.0, ge=0, le=1)
    """What a response that is one phrase over and over loses at most, thinking included."""
    repetition_from: float = Field(default=0.3, ge=0, lt=1)
    """Share of repeated n-grams, or lines, that costs nothing."""
    overlong: float = Field(default=0.0, ge=0, le=1)
    """What a response of max_length loses."""
    max_length: int = Field(default=32_768, gt=0)
    """Characters, or tokens where the caller counts tokens."""
    overlong_from: int = Field(default=24_576, ge=0)
    """Up to here a response loses nothing; then linearly more (DAPO, arXiv 2503.14476)."""


@dataclass(frozen=True, kw_only=True)
class Secondary:
    value: float | None
    """From 0, as bad as can be, to 1; None: could not be measured."""
    weight: float
    """The share of the primary score that it may take, from 0 to 1."""

    @property
    def factor(self) -> float:
        return 1.0 if self.value is None else 1 - self.weight * (1 - self.value)


def aggregate(primary: Verdict, secondary: Mapping[str, Secondary]) -> Verdict:
    if primary.score is None:
        return primary
    parts, score = {**primary.parts, "primary": primary.score}, primary.score
    reasons = [primary.reason] if primary.reason else []
    for name, term in secondary.items():
        if term.value is None:
            reasons.append(f"{name} is missing")
            continue
        parts[name] = term.value
        score *= term.factor
        if term.factor < 1:
            reasons.append(f"{name} {term.value:.2f}")
    return Verdict(
        score=score, parts=parts, matched_by=primary.matched_by, reason="; ".join(reasons)
    )


def secondary_terms(response: str, length: int, config: AggregateConfig) -> dict[str, Secondary]:
    """Those that `config` gives a weight."""
    terms = {}
    if config.repetition:
        value = freshness(response, config.repetition_from)
        terms["freshness"] = Secondary(value=value, weight=config.repetition)
    if config.overlong:
        value = brevity(length, config.overlong_from, config.max_length)
        terms["brevity"] = Secondary(value=value, weight=config.overlong)
    return terms


def freshness(text: str, free: float) -> float:
    """1 up to a share `free` of repeated 4-grams and lines, falling to 0 where all is repeated."""
    repeated = max(ngram_repetition(text), line_repetition(text))
    return 1 - max(0.0, repeated - free) / (1 - free)


def brevity(length: int, free: int, most: int) -> float:
    """1 up to `free`, 0 from `most` on, linear between."""
    if length <= free:
        return 1.0
    return max(0.0, 1 - (length - free) / (most - free)) if most > free else 0.0


def of_tests(verdict: Verdict, config: AggregateConfig) -> Verdict:
    """With `tests = "fraction"` a program that passes some earns its share."""
    if config.tests == "all" or verdict.score is None or "tests" not in verdict.parts:
        return verdict
    return Verdict(
        score=verdict.parts["tests"],
        parts=verdict.parts,
        matched_by="tests" if verdict.parts["tests"] else "",
        reason=verdict.reason,
    )
