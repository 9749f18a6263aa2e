"""What is said in a conversation, whatever the format: messages, tools, and calls of tools.

Arguments and tools are kept as JSON text, so that a record is immutable and can be compared.
Knows no tokens and no format (data/formats).
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from naga.config.base import ConfigError

Role = Literal["system", "user", "assistant", "tool"]
ROLES = ("system", "user", "assistant", "tool")
Thinking = bool | Literal["auto"]
"""What is asked for: a thought, none, or whatever the model itself decides."""


def to_json(value: object) -> str:
    """One line, with one blank after each comma and colon; ValueError for NaN, infinity and what is
    nested too deeply."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Half a surrogate pair, which JSON can write and UTF-8 cannot, stays an escape.
    return text if _is_unicode(text) else json.dumps(value, allow_nan=False)


def read_json(text: str) -> Any:
    """The value of a JSON text; ValueError for anything else, NaN and infinity included."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_object(text: str) -> dict[str, Any]:
    """The same of an object."""
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that the model may call."""

    name: str
    declared: str
    """The tool as the client sent it: the JSON text of {"type": "function", "function": {...}}."""

    @property
    def function(self) -> dict[str, Any]:
        """Its name, and where the client gave them its description and parameters (a schema)."""
        function = read_object(self.declared)["function"]
        assert isinstance(function, dict), "checked where it came in"
        return function

    @property
    def parameters(self) -> dict[str, Any]:
        """The schema of its arguments; of a tool without one, an object of whatever kind."""
        parameters = self.function.get("parameters")
        return parameters if isinstance(parameters, dict) else {"type": "object"}


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call as the model wrote it."""

    name: str
    arguments: str
    """The JSON text of an object."""


@dataclass(frozen=True, kw_only=True)
class Message:
    role: Role
    content: str
    """Of a tool: what it answered."""
    reasoning: str = ""
    """What stands in the think block; only an assistant has any."""
    calls: tuple[ToolCall, ...] = ()
    """What it called after the content; only an assistant calls."""
    thinking: Literal["auto"] | None = None
    """auto: whether to think was left to the assistant; an empty think block is its own doing."""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"unknown role {self.role!r}; use system, user, assistant or tool")
        if self.reasoning and self.role != "assistant":
            raise ConfigError(f"a {self.role} message has no reasoning, only an assistant's has")
        if self.calls and self.role != "assistant":
            raise ConfigError(f"a {self.role} message calls no tools, only an assistant's does")
        if self.thinking not in (None, "auto"):
            raise ConfigError(f'thinking {self.thinking!r}: must be "auto", or left out')
        if self.thinking and self.role != "assistant":
            raise ConfigError(f"a {self.role} message decides on no thought, only an assistant's")


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What is learned from: messages, and the tools that the assistant could call."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    place: str = field(default="", compare=False)
    """Where it was read, as file:line."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    tokens: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    """Which tokens the model learns to write: what it would itself generate."""


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What one more token made final; often nothing."""

    reasoning: str = ""
    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    """Each comes once, when it is complete."""
