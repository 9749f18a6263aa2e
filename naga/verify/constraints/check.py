"""Checks a reply against instructions by id, strictly, or loosely as IFEval defines it.

Loose: also without its first or last line and without asterisks, so that an introduction or bold
face does not count against it. Empty replies follow nothing. An unknown id or argument is the
row's mistake and a ConfigError, never a wrong reply.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.verify.constraints.ifeval import IFEVAL
from naga.verify.constraints.own import OWN

CHECKS = IFEVAL | OWN
RELATIONS = ("less than", "at least")
MAX_REPLY = 100_000
"""Longer replies are cut here first: no instruction asks for more."""

Arguments = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Followed:
    instructions: tuple[bool, ...]
    """One for each instruction, in order."""

    @property
    def all(self) -> bool:
        return all(self.instructions)

    @property
    def share(self) -> float:
        return sum(self.instructions) / len(self.instructions)


def known_instructions() -> tuple[str, ...]:
    return tuple(CHECKS)


def follows(reply: str, instruction: str, arguments: Arguments, *, loose: bool = False) -> bool:
    """Arguments that are None are not there: IFEval's files pad with them."""
    given = {name: value for name, value in arguments.items() if value is not None}
    _require_known(instruction, given)
    reply = reply[:MAX_REPLY]
    check = CHECKS[instruction]
    readings = _loose_readings(reply) if loose else (reply,)
    return any(check(reading, **given) for reading in readings if reading.strip())


def follow_all(
    reply: str, instructions: Sequence[str], arguments: Sequence[Arguments], *, loose: bool = False
) -> Followed:
    """A row of IFEval: `instruction_id_list` and `kwargs`."""
    if not instructions or len(instructions) != len(arguments):
        raise ConfigError(f"{len(instructions)} instructions with {len(arguments)} arguments")
    return Followed(
        instructions=tuple(
            follows(reply, instruction, given, loose=loose)
            for instruction, given in zip(instructions, arguments, strict=True)
        )
    )


def _loose_readings(reply: str) -> tuple[str, ...]:
    lines = reply.split("\n")
    parts = (lines, lines[1:], lines[:-1], lines[1:-1])
    texts = (reply, *("\n".join(part).strip() for part in parts[1:]))
    return (*texts, *(text.replace("*", "") for text in texts))


def _require_known(instruction: str, given: Arguments) -> None:
    if instruction not in CHECKS:
        raise ConfigError(f"instruction {instruction!r}: unknown; see known_instructions()")
    parameters = inspect.signature(CHECKS[instruction]).parameters
    wanted = set(parameters) - {"reply"}
    if wanted != set(given):
        raise ConfigError(
            f"instruction {instruction}: arguments {sorted(given)}, expected {sorted(wanted)}"
        )
    for name, value in given.items():
        if name.endswith("relation") and value not in RELATIONS:
            raise ConfigError(f"instruction {instruction}: {name} {value!r}; use {RELATIONS}")
        kind = {int: int, list[str]: list}.get(parameters[name].annotation, str)
        if not isinstance(value, kind):
            raise ConfigError(f"instruction {instruction}: {name} {value!r} is no {kind.__name__}")
