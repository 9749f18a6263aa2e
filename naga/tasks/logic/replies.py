"""Reading answers out of replies without trusting them: one JSON object, a list of words.

A reply may be anything: nothing here raises for what a model wrote, and what is too long to be an
answer is none. An object that says a key twice is refused, for a list of guesses would be one.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

LONGEST = 20_000
FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)```", re.DOTALL)
SEPARATORS = re.compile(r"[\s,，、;；]+")


def read_object(reply: str) -> dict[str, Any] | None:
    """The one JSON object of a reply: all of it, in a fence, or from its first brace to its last.

    None where there is no such object.
    """
    if len(reply) > LONGEST:
        return None
    fenced = FENCE.findall(reply)
    text = fenced[0] if len(fenced) == 1 else reply
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        return None
    try:
        value = json.loads(text[begin : end + 1], object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) != len(pairs):
        raise ValueError("a key is there twice")
    return known


def read_words(reply: str) -> list[str]:
    """The words between commas, semicolons and blanks, in lower case, without the closing stop."""
    if len(reply) > LONGEST:
        return []
    text = reply.strip().strip("\"'“”`").strip().removesuffix(".").removesuffix("。").strip()
    return [word.casefold() for word in SEPARATORS.split(text) if word]
