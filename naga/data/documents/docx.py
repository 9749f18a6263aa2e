"""DOCX -> the text of its pages, in the order of the document, footnotes and endnotes last.

Text is what the document says with every tracked change accepted: insertions are read, deletions
are not; content controls, fields, links and text boxes are. Left out: headers, footers, comments,
hidden text, and the numbers that Word makes for lists and headings. A page ends where the author
ended it (page and section breaks); where a line happens to reach the paper's end is not in a DOCX.
"""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from naga.data.documents.archive import Archive, join
from naga.data.documents.flow import Flow
from naga.data.documents.limits import PAGES, Refused, damaged

BROKEN = damaged("a DOCX", "Word or LibreOffice")
OLD_WORD = b"\xd0\xcf\x11\xe0"
PROPERTIES = {"pPr", "rPr", "tblPr", "trPr", "tcPr", "sectPr"}
# Fallback repeats a text box for old programs; rt is the small reading above a character.
LEFT_OUT = PROPERTIES | {"del", "moveFrom", "delText", "instrText", "Fallback", "rt"}
SIGNS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
OFF = ("0", "false", "off")


def read_docx(data: bytes) -> list[str]:
    """Refused if it is locked, damaged, of an older format, or too large."""
    if data.startswith(OLD_WORD):
        raise Refused("locked by a password, or Word's old .doc; save an open copy as .docx")
    archive = Archive(data, BROKEN)
    main = next(_related(archive, "", "officeDocument"), None)
    if main is None:
        raise BROKEN
    reader = _Reader()
    reader.read(archive.read_xml(main))
    for kind in ("footnotes", "endnotes"):
        for part in _related(archive, main, kind):
            reader.read_notes(archive.read_xml(part))
    return reader.pages()


def _related(archive: Archive, part: str, kind: str) -> Iterator[str]:
    """Names of the parts that `part` (the whole package if "") has as its `kind`."""
    folder, _, name = part.rpartition("/")
    relations = f"{folder}/_rels/{name}.rels".lstrip("/")
    if relations in archive:
        for relation in archive.read_xml(relations).iterfind("{*}Relationship"):
            if relation.get("Type", "").endswith(f"/{kind}"):
                yield join(part, relation.get("Target", ""))


class _Reader:
    def __init__(self) -> None:
        self._done: list[str] = []
        self._flow = Flow()

    def pages(self) -> list[str]:
        return [*self._done, self._flow.text()]

    def read(self, root: Any) -> None:
        # A section's own properties say how it begins, and stand at its end.
        sections = [_value(node, "type") for node in root.iter("{*}sectPr")]
        later = iter(sections[1:])
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            name = _name(node)
            if event == "end":
                self._close(node, name, later)
            elif name in LEFT_OUT or (name == "r" and _is_on(node, "rPr", "vanish")):
                walk.skip_subtree()
            else:
                self._open(node, name)

    def read_notes(self, root: Any) -> None:
        self._flow.paragraph()
        for note in root:
            if _attribute(note, "type") is None:  # the others are the lines that part notes off
                self._flow.line()
                self.read(note)

    def _open(self, node: Any, name: str) -> None:
        if name == "p":
            self._flow.line()
            if _is_on(node, "pPr", "pageBreakBefore") and not self._flow.is_empty:
                self._end_page()
        elif name == "tr":
            self._flow.open_row()
        elif name == "tc":
            self._flow.cell()
        elif name == "br" and _attribute(node, "type") == "page":
            self._end_page()
        elif name == "t":
            self._flow.verbatim(node.text or "")
        elif name in SIGNS:
            self._flow.verbatim(SIGNS[name])

    def _close(self, node: Any, name: str, later_sections: Iterator[str | None]) -> None:
        if name == "p":
            self._flow.line()
            if node.find("{*}pPr/{*}sectPr") is not None:
                kind = next(later_sections, None)
                if kind not in ("continuous", "nextColumn"):
                    self._end_page()
        elif name == "tr":
            self._flow.close_row()

    def _end_page(self) -> None:
        self._done.append(self._flow.text())
        self._flow = Flow()
        if len(self._done) > PAGES:
            raise Refused(f"more than {PAGES} pages; split it")


def _name(node: Any) -> str:
    # Comments and processing instructions have a function for a tag.
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _attribute(node: Any, name: str) -> str | None:
    """An attribute of Word's own namespace, of which there are two."""
    return next((value for key, value in node.items() if key.rpartition("}")[2] == name), None)


def _value(node: Any, name: str) -> str | None:
    child = node.find(f"{{*}}{name}")
    return None if child is None else _attribute(child, "val")


def _is_on(node: Any, properties: str, name: str) -> bool:
    child = node.find(f"{{*}}{properties}/{{*}}{name}")
    return child is not None and _attribute(child, "val") not in OFF
