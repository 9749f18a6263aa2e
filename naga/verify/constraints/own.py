"""Instructions beyond IFEval's, Chinese ones among them; ids begin with `naga:`.

Each is a function of the reply and named arguments, like those of ifeval.py. Bounds are inclusive.
"""

import re
from collections.abc import Callable
from typing import Final

from naga.verify.segment import han_characters, paragraphs, sentences, words


def han_between(reply: str, *, least: int, most: int) -> bool:
    """Chinese characters, punctuation not counted."""
    return least <= han_characters(reply) <= most


def characters_between(reply: str, *, least: int, most: int) -> bool:
    return least <= len(reply.strip()) <= most


def words_between(reply: str, *, least: int, most: int) -> bool:
    """A Chinese character counts as a word."""
    return least <= len(words(reply)) <= most


def sentences_exactly(reply: str, *, count: int) -> bool:
    return len(sentences(reply)) == count


def paragraphs_exactly(reply: str, *, count: int) -> bool:
    """Divided by empty lines."""
    return len(paragraphs(reply)) == count


def lines_exactly(reply: str, *, count: int) -> bool:
    return len(_lines(reply)) == count


def numbered_items(reply: str, *, count: int) -> bool:
    """Exactly 1. to count., or 1、 or （1）, in order, each at the start of a line."""
    found = re.findall(r"^\s*[(（]?(\d{1,3})[.)）、．]\s*(?=\S)", reply, flags=re.MULTILINE)
    return [int(number) for number in found] == list(range(1, count + 1))


def starts_with(reply: str, *, phrase: str) -> bool:
    return reply.strip().startswith(phrase)


def each_line_starts_with(reply: str, *, phrase: str) -> bool:
    return all(line.startswith(phrase) for line in _lines(reply))


def acrostic(reply: str, *, letters: str) -> bool:
    """The lines begin with these letters or characters, one each (藏头诗)."""
    return [line[0].casefold() for line in _lines(reply)] == list(letters.casefold())


def lines_of_length(reply: str, *, han: int) -> bool:
    """Every verse, ended by punctuation or the line, has this many Chinese characters."""
    verses = [verse for verse in re.split(r"[，。！？；、\s]+", reply) if verse]
    return all(len(verse) == han == han_characters(verse) for verse in verses)


def only_han(reply: str) -> bool:
    """Chinese characters and punctuation; no Latin letter, no digit."""
    return han_characters(reply) > 0 and not re.search(r"[A-Za-z0-9Ａ-Ｚａ-ｚ０-９]", reply)


def no_digits(reply: str) -> bool:
    return not any(character.isdigit() for character in reply)


def no_punctuation(reply: str) -> bool:
    return not re.search(r"[^\w\s]|_", reply)


def forbidden_characters(reply: str, *, characters: str) -> bool:
    return not set(characters.casefold()) & set(reply.casefold())


def keyword_exactly(reply: str, *, keyword: str, count: int) -> bool:
    """A whole word where the keyword is one in Latin letters; anywhere in Chinese."""
    pattern = re.escape(keyword)
    if re.fullmatch(r"[A-Za-z0-9]+", keyword):
        pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
    return len(re.findall(pattern, reply, flags=re.IGNORECASE)) == count


def keywords_in_order(reply: str, *, keywords: list[str]) -> bool:
    position = 0
    for keyword in keywords:
        found = reply.casefold().find(keyword.casefold(), position)
        if found < 0:
            return False
        position = found + len(keyword)
    return True


def table(reply: str, *, columns: int, rows: int) -> bool:
    """One Markdown table of this many columns and rows under its head."""
    lines = [line for line in _lines(reply) if line.startswith("|") and line.endswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    if len(cells) != rows + 2 or any(len(row) != columns for row in cells):
        return False
    return all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in cells[1])


def all_different_words(reply: str) -> bool:
    found = [word.casefold() for word in words(reply)]
    return len(set(found)) == len(found)


def _lines(reply: str) -> list[str]:
    return [line.strip() for line in reply.splitlines() if line.strip()]


OWN: Final[dict[str, Callable[..., bool]]] = {
    f"naga:{check.__name__}": check
    for check in (
        han_between,
        characters_between,
        words_between,
        sentences_exactly,
        paragraphs_exactly,
        lines_exactly,
        numbered_items,
        starts_with,
        each_line_starts_with,
        acrostic,
        lines_of_length,
        only_han,
        no_digits,
        no_punctuation,
        forbidden_characters,
        keyword_exactly,
        keywords_in_order,
        table,
        all_different_words,
    )
}
