"""What reading gives: a document's text, its pages, and places in it.

Offsets count characters (Python's, Unicode code points) of `Document.text`; an end is exclusive.
"""

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Page:
    """`text[start:end]` is what stands on page `number`; the first page is 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """Pages follow each other in `text` with a blank line between; one may be empty."""

    name: str  # the file's name without its folder
    text: str
    pages: tuple[Page, ...]
    media_type: str
    sha256: str  # of the file's bytes, in hexadecimal

    def page_at(self, offset: int) -> int:
        """The number of the page on which the character at `offset` stands."""
        return bisect_right(self.pages, offset, key=lambda page: page.start)


@dataclass(frozen=True, kw_only=True)
class Location:
    """`text[start:end]`, beginning on `page`; exact: the very characters of the quote."""

    page: int
    start: int
    end: int
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """A quote as an answer has it; `location` is None where the document does not have it."""

    text: str
    location: Location | None
