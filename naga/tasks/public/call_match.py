"""Compares calls with the allowed ones: names, parameters, declared types, values.

Allowed calls are {name: {parameter: [values]}}; "" among the values lets the parameter be left out.
An object among the values has a list of allowed values for each of its own keys. How many calls
match is the size of the best assignment of calls to allowed ones, so their order does not count.
"""

import re
from collections.abc import Mapping, Sequence

from naga.tasks.public.calls import Call

MOST_CALLS = 64
# What makes no difference in a text.
SKIPPED = re.compile(r"[ ,./\-_*^]")
OPTIONAL = ""


def count_matches(
    calls: Sequence[Call],
    truth: Sequence[Mapping[str, Mapping[str, Sequence[object]]]],
    functions: Sequence[Mapping[str, object]],
) -> int:
    """How many of `calls` can stand for different ones of `truth` at once."""
    if len(calls) > MOST_CALLS:
        return 0
    fits = [[j for j, t in enumerate(truth) if _matches(call, t, functions)] for call in calls]
    taken: dict[int, int] = {}

    def place(call: int, tried: set[int]) -> bool:
        for wanted in fits[call]:
            if wanted not in tried:
                tried.add(wanted)
                if wanted not in taken or place(taken[wanted], tried):
                    taken[wanted] = call
                    return True
        return False

    return sum(place(call, set()) for call in range(len(calls)))


def _matches(
    call: Call,
    truth: Mapping[str, Mapping[str, Sequence[object]]],
    functions: Sequence[Mapping[str, object]],
) -> bool:
    ((name, allowed),) = truth.items()
    if _name(call.name) != _name(name):
        return False
    declared = _declared(name, functions)
    for parameter, value in call.arguments.items():
        if parameter not in allowed:
            return False
        types = declared.get(parameter)
        if not _is_allowed(value, allowed[parameter], types if isinstance(types, dict) else {}):
            return False
    missing = set(allowed) - set(call.arguments)
    return all(OPTIONAL in allowed[parameter] for parameter in missing)


def _name(name: str) -> str:
    """Dots are no part of a name for some interfaces, which get underscores."""
    return name.strip().replace(".", "_")


def _declared(name: str, functions: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """The properties of a function's parameters; empty if it is not described."""
    for function in functions:
        parameters = function.get("parameters")
        if function.get("name") == name and isinstance(parameters, dict):
            properties = parameters.get("properties")
            return properties if isinstance(properties, dict) else {}
    return {}


def _is_allowed(value: object, allowed: Sequence[object], declared: Mapping[str, object]) -> bool:
    return any(_same(value, option, declared) for option in allowed)


def _same(value: object, option: object, declared: Mapping[str, object]) -> bool:
    """Equal, and of the declared type: a whole number may stand for a float, not the reverse."""
    if isinstance(option, dict):
        return isinstance(value, dict) and _same_object(value, option, declared)
    if isinstance(option, list):
        return isinstance(value, list) and _same_list(value, option, declared)
    if isinstance(option, str):
        return isinstance(value, str) and _plain(value) == _plain(option)
    if isinstance(option, bool) or option is None:
        return value is option
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(value, float) and declared.get("type") == "integer":
        return False
    return value == option


def _plain(text: str) -> str:
    return SKIPPED.sub("", text).lower().replace("'", '"')


def _same_list(
    value: Sequence[object], option: Sequence[object], declared: Mapping[str, object]
) -> bool:
    items = declared.get("items")
    inner = items if isinstance(items, dict) else {}
    return len(value) == len(option) and all(
        _same(given, wanted, inner) for given, wanted in zip(value, option, strict=True)
    )


def _same_object(
    value: Mapping[object, object], option: Mapping[str, object], declared: Mapping[str, object]
) -> bool:
    properties = declared.get("properties")
    inner = properties if isinstance(properties, dict) else {}
    for key, given in value.items():
        allowed, types = option.get(str(key)), inner.get(key)
        if not isinstance(allowed, list):
            return False
        if not _is_allowed(given, allowed, types if isinstance(types, dict) else {}):
            return False
    missing = [allowed for key, allowed in option.items() if key not in value]
    return all(isinstance(allowed, list) and OPTIONAL in allowed for allowed in missing)
