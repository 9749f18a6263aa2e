"""The judges that public sets are given: functions that see a reply and what it must be.

A set knows its prompts and its gold; whether two answers are the same, which letter a reply chose,
whether it keeps its constraints and whether code passes its tests is for a judge to say, given to
the set when it is made. A set without the judge it needs gives no score: missing, never wrong.
Says only what a judge looks like; has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from naga.tasks.example import Verdict


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One verifiable instruction by its published name, as `length_constraints:number_words`."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FunctionTest:
    """A call of a function of the program without arguments; the result is a plain JSON value."""

    call: str
    expected: object


@dataclass(frozen=True, kw_only=True)
class CheckTest:
    """Python that asserts, to be run apart from the program; unknown names are the program's."""

    check: str
    entry_point: str | None = None
    """The text then defines check(candidate), to be called with this function."""


class MatchAnswer(Protocol):
    def __call__(self, reply: str, gold: str, problem: str) -> Verdict:
        """Whether the final answer of `reply` is `gold`; `problem` is what was asked."""


class PickChoice(Protocol):
    def __call__(self, reply: str, gold: str, choices: Sequence[str]) -> Verdict:
        """Whether `reply` chooses the letter `gold`; `choices` are the texts of A, B, ..."""


class CheckConstraints(Protocol):
    def __call__(self, reply: str, constraints: Sequence[Constraint], prompt: str) -> Verdict:
        """Whether `reply` keeps all constraints; in `parts` the share of them, by kind."""


class RunsTests(Protocol):
    def __call__(self, source: str, tests: Sequence[FunctionTest | CheckTest]) -> Verdict:
        """Whether the Python program `source`, run apart from us, passes all tests."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """All that there are; None: its sets are not scored."""

    match: MatchAnswer | None = None
    pick: PickChoice | None = None
    check: CheckConstraints | None = None
    run: RunsTests | None = None


def unjudged(what: str) -> Verdict:
    """What a set says whose judge is absent."""
    return Verdict(score=None, reason=f"not judged: {what}")


def graded(right: bool, *, matched_by: str, reason: str) -> Verdict:
    """1 and how it matched, or 0 and why not."""
    score = float(right)
    return Verdict(
        score=score,
        parts={"exact": score},
        matched_by=matched_by if right else "",
        reason="" if right else reason,
    )
