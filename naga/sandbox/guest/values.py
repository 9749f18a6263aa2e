"""Plain values as JSON text and back: what a program may give to, and get from, the outside.

Plain is: None, bool, int, float, str, bytes, complex, list, tuple, set, frozenset, dict, range, by
exact type, so that no value brings code along (a subclass with its own `__eq__` is not plain). The
dicts of `collections` arrive as dicts, which they are equal to; what can be gone through once
arrives as that, an iterator. A JSON object always has one key that names the type. Runs in the
sandbox and on the host, which reads answers with it. Runs and looks up nothing that a text names.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COLLECTIONS: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
DICTS = (dict, Counter, OrderedDict, defaultdict)
ONCE = tuple(map(type, ((_ for _ in ()), map(abs, ()), filter(abs, ()), zip(), enumerate(()))))
ODD_FLOATS = ("nan", "inf", "-inf")


class NotPlain(ValueError):
    """A value that does not cross."""


def write(value: Any) -> str:
    """NotPlain for what is not plain, too deep, or an integer of thousands of digits."""
    try:
        return json.dumps(_tagged(value), allow_nan=False)
    except (RecursionError, ValueError) as error:
        raise NotPlain(str(error)[:200]) from None


def read(tagged: Any) -> Any:
    """The value of parsed JSON; NotPlain if `write` would never have made it."""
    try:
        return _plain(tagged)
    except (RecursionError, ValueError, TypeError, AttributeError) as error:
        raise NotPlain(f"no plain value: {error}"[:200]) from None


def _tagged(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if kind is list:
        return [_tagged(part) for part in value]
    if kind in DICTS:
        return {"dict": [[_tagged(key), _tagged(part)] for key, part in value.items()]}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is complex:
        return {"complex": [_tagged(value.real), _tagged(value.imag)]}
    if kind is range:
        return {"range": [value.start, value.stop, value.step]}
    if kind in ONCE:
        return {"iterator": [_tagged(part) for part in value]}
    for name, collection in COLLECTIONS.items():
        if kind is collection:
            return {name: [_tagged(part) for part in value]}
    raise NotPlain(f"a value of type {kind.__name__} is not plain")


def _plain(tagged: Any) -> Any:
    if type(tagged) is list:
        return [_plain(part) for part in tagged]
    if type(tagged) is not dict:
        return tagged
    ((name, parts),) = tagged.items()
    if name in COLLECTIONS:
        return COLLECTIONS[name](_plain(part) for part in parts)
    if name == "dict":
        return {_plain(key): _plain(part) for key, part in parts}
    if name == "bytes":
        return bytes.fromhex(parts)
    if name == "complex":
        return complex(*(_plain(part) for part in parts))
    if name == "range":
        return range(*parts)
    if name == "iterator":
        return iter(_plain(parts))
    if name == "float" and parts in ODD_FLOATS:
        return float(parts)
    raise ValueError(f"{name!r} is no type")
