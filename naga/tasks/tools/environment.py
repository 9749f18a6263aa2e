"""Where an agent acts: a toolbox that answers calls, and the loop of a conversation with it.

`reset` begins, `step` takes what the assistant said (after its thinking): calls are answered and
the conversation goes on, anything else is the final answer and ends it. Wrong calls are answered
too, with what is wrong. An episode that calls more than it may ends without an answer. Nothing is
random; an environment can be reset and used again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from naga.config.base import ConfigError
from naga.tasks.example import Verdict
from naga.tasks.tools.calculator import ToolError, calculate
from naga.tasks.tools.calls import ToolCall, read_calls, write_responses

MOST_CALLS = 16
Tables = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Tool:
    name: str
    declared: str
    """The JSON text of {"type": "function", "function": {name, description, parameters}}."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the environment says to a reply."""

    text: str = ""
    """The user's next message: what the tools answered."""
    done: bool = False
    reward: float | None = None
    """Of the whole episode, when it is done."""


class Toolbox:
    """A calculator and tables to look things up in."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def answer(self, call: ToolCall | None) -> str:
        """What the tool says; a call that cannot be answered is told why."""
        if call is None:
            return 'error: write {"name": ..., "arguments": {...}}'
        try:
            return self._answer(call.name, call.values)
        except ToolError as error:
            return f"error: {error}"

    def _answer(self, name: str, arguments: Mapping[str, Any]) -> str:
        if name == "calculator":
            return calculate(_text(arguments, "expression"))
        if name == "lookup":
            table = self.tables.get(_text(arguments, "table"))
            if table is None:
                raise ToolError(f"no such table; there are {', '.join(self.tables)}")
            return table.get(_text(arguments, "key"), "not found")
        raise ToolError("no such tool; there are calculator, lookup")


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ToolError(f"{name} is missing or no text")
    return value


def declare(name: str, description: str, parameters: Mapping[str, str]) -> Tool:
    """A tool whose arguments are all texts; `parameters`: what each is."""
    function = {
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": {
                key: {"type": "string", "description": text} for key, text in parameters.items()
            },
            "required": list(parameters),
        },
    }
    declared = json.dumps({"type": "function", "function": function}, ensure_ascii=False)
    return Tool(name=name, declared=declared)


class ToolEnvironment:
    """One episode at a time: replies in, what the tools say out, a verdict at the end."""

    def __init__(
        self, tables: Tables, judge: Callable[[str], Verdict], most_calls: int = MOST_CALLS
    ) -> None:
        """`judge` grades the final answer."""
        if most_calls < 1:
            raise ConfigError(f"most_calls {most_calls}: an episode needs at least one call")
        self.toolbox = Toolbox(tables)
        self.judge = judge
        self.most_calls = most_calls
        self.reset()

    def reset(self) -> None:
        self.num_calls = self.num_refused = 0
        self.verdict: Verdict | None = None

    def step(self, reply: str) -> Step:
        if self.verdict is not None:
            raise RuntimeError("the episode is over; reset first")
        calls = read_calls(reply)
        if not calls:
            return self._end(self.judge(reply))
        self.num_calls += len(calls)
        if self.num_calls > self.most_calls:
            return self._end(Verdict(score=0.0, parts={"answer": 0.0}, reason="too many calls"))
        answers = [self.toolbox.answer(call) for call in calls]
        self.num_refused += sum(text.startswith("error: ") for text in answers)
        return Step(text=write_responses(answers))

    def _end(self, verdict: Verdict) -> Step:
        counts = {"calls": float(self.num_calls), "refused_calls": float(self.num_refused)}
        self.verdict = Verdict(
            score=verdict.score,
            parts={**verdict.parts, **counts},
            matched_by=verdict.matched_by,
            reason=verdict.reason,
        )
        return Step(done=True, reward=verdict.score)
