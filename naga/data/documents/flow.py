"""Text that is put together piece by piece, as a page shows it.

White space inside a block is one space; blocks begin on a line of their own; the cells of a row
stand on one line with tabs between. Knows no markup.
"""

import re

# HTML's white space. A no-break space or an ideographic one is a character like others.
SPACES = re.compile(r"[ \t\n\r\f]+")


class Flow:
    """`words`, `line`, `cell` … in document order, then `text()`."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._breaks = 0  # line breaks owed before the next words
        self._space = False  # a space owed before them
        self._cells: int | None = None  # cells so far in the open row

    def words(self, text: str) -> None:
        collapsed = SPACES.sub(" ", text)
        self._space |= collapsed.startswith(" ")
        inner = collapsed.strip(" ")
        if inner:
            self._pay()
            self._parts.append(inner)
            self._space = collapsed.endswith(" ")

    def verbatim(self, text: str) -> None:
        """As it is; but line breaks would end a row, so there they are spaces."""
        if self._cells is not None and "\n" in text:
            self.words(text)
        elif text:
            self._pay()
            self._parts.append(text)

    def line(self) -> None:
        """The next words begin a line; in a row they only stand apart."""
        self._break(max(self._breaks, 1))

    def paragraph(self) -> None:
        """The next words begin a line after an empty one."""
        self._break(2)

    def forced_break(self) -> None:
        """One line break more, but no more than an empty line."""
        self._break(min(self._breaks + 1, 2))

    def open_row(self) -> None:
        self.close_row()
        self._cells = 0

    def cell(self) -> None:
        if self._cells is None:
            self.line()
            return
        self._cells += 1
        if self._cells > 1:
            self._space = False
            self._pay()
            self._parts.append("\t")
        self._space = False

    def close_row(self) -> None:
        self._cells = None
        self.line()

    @property
    def is_empty(self) -> bool:
        return not self._parts

    def text(self) -> str:
        return "".join(self._parts)

    def _break(self, breaks: int) -> None:
        if self._cells is None:
            self._breaks = breaks
        else:
            self._space = True

    def _pay(self) -> None:
        """Writes what is owed before words; nothing is owed at the text's start."""
        if self._parts:
            if self._breaks:
                self._parts.append("\n" * self._breaks)
            elif self._space and not self._parts[-1].endswith(("\t", "\n")):
                self._parts.append(" ")
        self._breaks, self._space = 0, False
