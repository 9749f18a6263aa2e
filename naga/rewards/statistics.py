"""What a program can measure of a text, as lines for a judge: models cannot count.

Length, repetition, and which of the constraints asked for are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from naga.verify.constraints.check import follow_all
from naga.verify.repetition import length_statistics, line_repetition, ngram_repetition


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """By IFEval's names, or naga's own (naga.verify.constraints)."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)


def describe(text: str, constraints: Sequence[Constraint] = ()) -> str:
    """ConfigError for a constraint that nobody knows."""
    found = length_statistics(text)
    repeated = max(ngram_repetition(text), line_repetition(text))
    lines = [
        f"words {found.words}, characters {found.characters}, sentences {found.sentences}, "
        f"paragraphs {found.paragraphs}, repeated {repeated:.0%}"
    ]
    if constraints:
        names = [constraint.name for constraint in constraints]
        kept = follow_all(text, names, [constraint.arguments for constraint in constraints])
        lines += [
            f"constraint {name}: {'kept' if held else 'not kept'}"
            for name, held in zip(names, kept.instructions, strict=True)
        ]
    return "\n".join(lines)
