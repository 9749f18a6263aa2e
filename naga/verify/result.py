"""What a judgement says: the score, which rule saw the answer as right, and if none, why.

A score of None means that nobody could judge (our process died, the reference is unreadable):
missing is not wrong. An absurd, hostile or endless answer is wrong, never missing.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "expression", "text", "choice"]
"""What the reference is, which decides the rules: see judge.kind_of."""
Mode = Literal["strict", "lenient"]
"""Strict: a \\boxed{}, an announced answer, or a reply that is nothing else. Lenient: the last line
too, and in it the only number."""
MatchedBy = Literal["", "exact", "numeric", "symbolic", "choice"]


@dataclass(frozen=True, kw_only=True)
class Match:
    score: float | None
    """1 or 0; None where it could not be judged."""
    matched_by: MatchedBy
    """Empty unless the score is 1."""
    kind: Kind
    """A score of 0 for `text` means no more than that the words differ: a reader may disagree."""
    extracted: str
    """The final answer as found in the reply; empty if there is none."""
    reason: str
    """Why the score is not 1; one line."""
    elapsed_s: float
