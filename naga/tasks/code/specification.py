"""What a function to write is: what is asked, a gold solution as text and as function, its inputs.

`source` is Python text; `solve` is the same function in this process, which makes the expected
values: no source text is ever run here. A test runs the sources and holds them against it. `steps`
is the plan, in the trace.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from naga.tasks.example import Level

Parameters = Mapping[str, int]
Inputs = Callable[[Random], tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One function to write."""

    key: str
    """What it does, in one canonical form."""
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    arguments: str
    inputs: Inputs
    source: str
    """The body of a gold solution."""
    solve: Callable[..., Any]
    steps: str


@dataclass(frozen=True, kw_only=True)
class Specification:
    name: str
    level: Level
    english: tuple[str, ...]
    """What the function does, with {parameters}: "returns the sum of ..."."""
    chinese: tuple[str, ...]
    arguments: str
    inputs: Inputs
    source: str
    """The body, from the first line after `def`, indented by four."""
    solve: Callable[..., Any]
    """solve(parameters, *args)"""
    steps: str
    """The plan, language-neutral: an expression or two."""
    parameters: Mapping[str, Sequence[int]]
    """The values that each may have."""

    def problem(self, random: Random) -> Problem:
        """With parameters drawn."""
        drawn = {name: random.choice(values) for name, values in self.parameters.items()}
        said = " ".join(f"{name}={value}" for name, value in drawn.items())
        return Problem(
            key=f"{self.name} {said}",
            english=tuple(text.format(**drawn) for text in self.english),
            chinese=tuple(text.format(**drawn) for text in self.chinese),
            arguments=self.arguments,
            inputs=self.inputs,
            source=self.source.format(**drawn),
            solve=partial(self.solve, drawn),
            steps=self.steps.format(**drawn),
        )
