"""Checks of constraints on a text, by the identifiers and arguments that IFEval gave them.

Two kinds that Chinese needs are not IFEval's and begin with `naga:`. These are only the kinds that
the generator (constraints.py) sets; whoever has all of them passes its own checker instead. Case
does not count where words are looked for. A word is a run of letters and digits, or one Chinese
character. Nothing here raises for what a text says.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Arguments = Mapping[str, Any]

HAN = re.compile(r"[\u4e00-\u9fff]")
WORD = re.compile(r"[\u4e00-\u9fff]|[^\W\d_\u4e00-\u9fff][\w'’-]*|\d+")
# Each pattern reads a text once, however it is made: no run of marks or blanks is tried twice.
SENTENCE_END = re.compile(r"(?<![.!?。！？])[.!?。！？]++[\"”’」)]*+(?=\s|$|[^\x00-\x7f])")
BULLET = re.compile(r"^[ \t]*+[*-] ++\S", re.MULTILINE)
TITLE = re.compile(r"<<([^\n<>]++)>>")
PLACEHOLDER = re.compile(r"\[[^\[\]\n]+\]")


class ChecksConstraint(Protocol):
    def __call__(self, identifier: str, arguments: Arguments, reply: str) -> bool | None:
        """Whether the reply keeps the constraint; None for a constraint it does not know."""
        ...


def check_constraint(identifier: str, arguments: Arguments, reply: str) -> bool | None:
    """The checker of this package."""
    check = CHECKS.get(identifier)
    return None if check is None else check(arguments, reply)


def words_of(text: str) -> list[str]:
    return [word.casefold() for word in WORD.findall(text)]


def num_sentences(text: str) -> int:
    """Pieces that end with a mark; P.S. and its like are not an end."""
    plain = re.sub(r"\b([A-Z]\.)+", "", text)
    return len(SENTENCE_END.findall(plain))


def count_of(word: str, text: str) -> int:
    """How often it stands there, as a whole word where it is of Latin letters."""
    pattern = re.escape(word)
    if re.fullmatch(r"[\w'-]+", word, re.ASCII):
        pattern = rf"\b{pattern}\b"
    return len(re.findall(pattern, text, re.IGNORECASE))


def _compares(count: int, relation: str, wanted: int) -> bool:
    return count >= wanted if relation == "at least" else count < wanted


def _has_all(words: Sequence[str], text: str) -> bool:
    return all(count_of(word, text) for word in words)


def _is_quoted(text: str) -> bool:
    return len(text) > 2 and text[0] == text[-1] == '"'


CHECKS: Mapping[str, Callable[[Arguments, str], bool]] = {
    "punctuation:no_comma": lambda a, text: "," not in text,
    "naga:forbidden_characters": lambda a, text: not set(a["characters"]) & set(text),
    "naga:han_between": lambda a, text: a["least"] <= len(HAN.findall(text)) <= a["most"],
    "length_constraints:number_sentences": lambda a, text: _compares(
        num_sentences(text), a["relation"], a["num_sentences"]
    ),
    "length_constraints:number_words": lambda a, text: _compares(
        len(words_of(text)), a["relation"], a["num_words"]
    ),
    "keywords:existence": lambda a, text: _has_all(a["keywords"], text),
    "keywords:forbidden_words": lambda a, text: (
        not any(count_of(word, text) for word in a["forbidden_words"])
    ),
    "keywords:frequency": lambda a, text: _compares(
        count_of(a["keyword"], text), a["relation"], a["frequency"]
    ),
    "change_case:english_lowercase": lambda a, text: text == text.lower(),
    "change_case:english_capital": lambda a, text: text == text.upper(),
    "detectable_format:number_bullet_lists": lambda a, text: (
        len(BULLET.findall(text)) == a["num_bullets"]
    ),
    "detectable_format:title": lambda a, text: any(map(words_of, TITLE.findall(text))),
    "detectable_content:number_placeholders": lambda a, text: (
        len(PLACEHOLDER.findall(text)) >= a["num_placeholders"]
    ),
    "detectable_content:postscript": lambda a, text: (
        re.search(rf"^[ \t]*+{re.escape(a['postscript_marker'])}[ \t]*+\S", text, re.M | re.I)
        is not None
    ),
    "startend:end_checker": lambda a, text: (
        text.rstrip().casefold().endswith(a["end_phrase"].casefold())
    ),
    "startend:quotation": lambda a, text: _is_quoted(text.strip()),
}
