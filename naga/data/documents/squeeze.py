"""Text without the differences that line wraps make, and the way back to its offsets.

A run of white space is one space; none beside a Chinese or Japanese character, whose lines break
anywhere. Soft hyphens go, with the white space around them. Hyphens inside words go too, but are
remembered: one that ends a line may belong to the word ("long-term") or to the wrap ("exam-ple"),
so a quote may have it or not; every other must be in both. Takes time in proportion to the text.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

# Zero-width spaces are places to break a line, as soft hyphens are.
GAP = re.compile(
    "(?<=[^\\W_])[-\u2010]\\s+(?=[^\\W_])"  # a hyphen that ends a line, or a word
    "|(?<=[^\\W_])-(?=[^\\W_])"  # a hyphen inside a word
    "|[\\s\u200b\u00ad]+"
)
HYPHENS = "-\u2010"
SOFT_HYPHEN = "\u00ad"
MISSES = 1000  # places tried that differ in hyphens only; a text has more if it is made to
UNSPACED = (  # inclusive ranges; Korean is written with spaces, so Hangul is in none
    ("\u2e80", "\u312f"),  # radicals, punctuation, kana, Bopomofo
    ("\u3190", "\ua4cf"),  # ideographs
    ("\uf900", "\ufaff"),  # ideographs for compatibility
    ("\ufe30", "\ufe4f"),  # vertical punctuation
    ("\uff00", "\uff9f"),  # full-width forms
    ("\U00020000", "\U0003ffff"),  # rare ideographs
)


class Squeezed:
    """`find` gives the spans, in the text that was squeezed, that another squeezed text matches."""

    def __init__(self, text: str) -> None:
        self._starts = [0]  # of each piece, in the squeezed text
        self._origins = [0]  # and in the original
        self._hyphens: list[int] = []  # where they stood: before these squeezed characters
        self._optional: set[int] = set()  # those of them that may belong to a wrap
        pieces: list[str] = []
        length = position = 0
        for gap in GAP.finditer(text):
            piece = text[position : gap.start()] + _instead(text, gap)
            pieces.append(piece)
            length += len(piece)
            position = gap.end()
            self._starts.append(length)
            self._origins.append(position)
            if gap[0][0] in HYPHENS:
                self._hyphens.append(length)
                is_between_letters = text[gap.start() - 1].isalpha() and text[position].isalpha()
                if "\n" in gap[0] and is_between_letters:
                    self._optional.add(length)
        pieces.append(text[position:])
        self._text = "".join(pieces)

    def find(self, quote: "Squeezed") -> Iterator[tuple[int, int]]:
        """Spans that do not overlap, in order; none for a quote of which nothing is left."""
        length = len(quote._text)
        misses = 0
        start = self._text.find(quote._text) if length else -1
        while start >= 0 and misses < MISSES:
            if self._agrees(quote, start):
                # The last character's own end: what stands after it may be a gap.
                yield self._original(start), self._original(start + length - 1) + 1
                start = self._text.find(quote._text, start + length)
            else:
                misses += 1
                start = self._text.find(quote._text, start + 1)

    def _agrees(self, quote: "Squeezed", start: int) -> bool:
        """Every hyphen that one of the two has and the other has not is a wrap's."""
        first = bisect_right(self._hyphens, start)
        past = bisect_left(self._hyphens, start + len(quote._text))
        mine = {position - start for position in self._hyphens[first:past]}
        theirs = set(quote._hyphens)
        return all(start + position in self._optional for position in mine - theirs) and (
            theirs - mine <= quote._optional
        )

    def _original(self, position: int) -> int:
        piece = bisect_right(self._starts, position) - 1
        return self._origins[piece] + position - self._starts[piece]


def _instead(text: str, gap: re.Match[str]) -> str:
    if gap[0][0] in HYPHENS or SOFT_HYPHEN in gap[0]:
        return ""
    if gap.start() == 0 or gap.end() == len(text):
        return ""
    before, after = text[gap.start() - 1], text[gap.end()]
    return "" if _is_unspaced(before) or _is_unspaced(after) else " "


def _is_unspaced(character: str) -> bool:
    return any(first <= character <= last for first, last in UNSPACED)
