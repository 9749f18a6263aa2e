"""Where a quote stands in a document, and which quotes an answer makes.

A quote is looked for as it is; if it is not there, once more with no regard to white space and
line wraps. Never with regard to less: another word, sign or digit is another text. What is not in
the document is marked so, not guessed.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import groupby

from naga.data.documents.records import Document, Location, Quoted
from naga.data.documents.squeeze import Squeezed

MINIMUM_WIDTH = 6  # a hanzi is 2 wide: below three of them, or six letters, a quote names a word
# Straight marks open and close alike: one that touches a letter on its wrong side is neither, and
# no such quote goes over an empty line. 《》 are titles.
MARKED = re.compile(
    r"“([^“”]+)”|「([^「」]+(?:「[^「」]*」[^「」]*)*)」|『([^『』]+(?:『[^『』]*』[^『』]*)*)』"
    r"|(?<![A-Za-z0-9\"])\"(?=\S)((?:[^\"\n]|\n(?!\s*\n))+?)(?<=\S)\"(?![A-Za-z0-9\"])"
)
# A block that is one marked quote, perhaps with its source after it.
WHOLE = re.compile(
    r"(?:“([^“”]+)”|\"([^\"]+)\"|「([^「」]+)」|『([^『』]+)』)\s*(?:[(（—–-].*)?", re.DOTALL
)
BLOCK_LINE = re.compile(r" {0,3}((?:> ?)+)(.*)")
SOURCE_LINE = re.compile(r"\s*(?:—|–|--)")
FINAL_MARKS = ",.，。、;；"


def locate(document: Document, quote: str) -> Location | None:
    """The first place with these characters, else the first that differs in white space only.

    White space around the quote is no part of it; an empty quote is nowhere.
    """
    return _Finder(document).first(quote)


def locate_all(document: Document, quote: str) -> tuple[Location, ...]:
    """Every exact place, or where there is none, every other; none overlaps the one before."""
    return tuple(_Finder(document).all(quote))


def find_quotes(answer: str) -> tuple[str, ...]:
    """Passages that an answer shows as quoted, in its order: “…” "…" 「…」 『…』 and > blocks.

    Each paragraph of a block is one quote, without the marks or the line of its source. What is
    too short to prove anything is no quote.
    """
    found: list[str] = []
    for is_block, lines in groupby(answer.splitlines(), key=_is_block_line):
        if is_block:
            found += _block_quotes(lines)
        else:
            found += (_inner(match) for match in MARKED.finditer("\n".join(lines)))
    return tuple(quote for quote in map(str.strip, found) if _width(quote) >= MINIMUM_WIDTH)


def mark_quotes(document: Document, answer: str) -> tuple[Quoted, ...]:
    """Each quote of an answer with its place, or None for what is not in the document.

    A comma or full stop at a quote's end may be the answer's own, as English sets it before the
    closing mark: where it is not in the document, the quote without it is looked for.
    """
    finder = _Finder(document)
    return tuple(
        Quoted(text=quote, location=finder.first(quote) or finder.unfinished(quote))
        for quote in find_quotes(answer)
    )


class _Finder:
    """Looks for many quotes in one document, which is squeezed when first needed."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def first(self, quote: str) -> Location | None:
        return next(self.all(quote), None)

    def unfinished(self, quote: str) -> Location | None:
        """Without its final mark; what is left must still be worth looking for."""
        rest = quote[:-1]
        if quote[-1:] not in FINAL_MARKS or _width(rest.strip()) < MINIMUM_WIDTH:
            return None
        found = self.first(rest)
        if found is None:
            return None
        return Location(page=found.page, start=found.start, end=found.end, exact=False)

    def all(self, quote: str) -> Iterator[Location]:
        quote = quote.strip()
        if not quote:
            return
        none_yet = True
        for start, end in _spans(self._document.text, quote):
            none_yet = False
            yield self._location(start, end, exact=True)
        if none_yet:
            for start, end in self._squeezed.find(Squeezed(quote)):
                yield self._location(start, end, exact=False)

    @cached_property
    def _squeezed(self) -> Squeezed:
        return Squeezed(self._document.text)

    def _location(self, start: int, end: int, *, exact: bool) -> Location:
        return Location(page=self._document.page_at(start), start=start, end=end, exact=exact)


def _spans(text: str, quote: str) -> Iterator[tuple[int, int]]:
    start = text.find(quote)
    while start >= 0:
        yield start, start + len(quote)
        start = text.find(quote, start + len(quote))


def _is_block_line(line: str) -> bool:
    return BLOCK_LINE.fullmatch(line) is not None


def _block_quotes(lines: Iterator[str]) -> Iterator[str]:
    inner = [BLOCK_LINE.sub(r"\2", line) for line in lines]
    for is_text, paragraph in groupby(inner, key=lambda line: bool(line.strip())):
        if is_text:
            kept = [line for line in paragraph if not SOURCE_LINE.match(line)]
            text = "\n".join(kept).strip()
            whole = WHOLE.fullmatch(text)
            yield _inner(whole) if whole else text


def _inner(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _width(text: str) -> int:
    return sum(2 if character >= "\u2e80" else 1 for character in text)
