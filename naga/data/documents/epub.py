"""EPUB -> the text of each item of its spine, which is the book's own order of reading.

A page is an item of the spine, usually a chapter: a book that flows has no other pages. An item
without text (a cover) is an empty page. Books under DRM are refused.
"""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from naga.data.documents.archive import Archive, join
from naga.data.documents.limits import PAGES, Refused, damaged
from naga.data.documents.markup import decode_markup, xhtml_text

BROKEN = damaged("an EPUB", "Calibre")
CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
TEXTS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read_epub(data: bytes) -> list[str]:
    """Refused if it is locked, damaged or too large."""
    archive = Archive(data, BROKEN)
    rootfile = archive.read_xml(CONTAINER).find(".//{*}rootfile")
    if rootfile is None:
        raise BROKEN
    package = unquote(rootfile.get("full-path", ""))
    items = list(_spine(archive.read_xml(package), package))
    if not 0 < len(items) <= PAGES:
        raise BROKEN if not items else Refused(f"more than {PAGES} chapters; split it")
    if _encrypted(archive).intersection(items):
        raise Refused("protected by DRM; use a copy without it")
    return [xhtml_text(decode_markup(archive.read(item))) for item in items]


def _spine(package: Any, name: str) -> Iterator[str]:
    """Names of the parts to read, in order; a picture in the spine is passed over."""
    manifest = {item.get("id"): item for item in package.iterfind("{*}manifest/{*}item")}
    for reference in package.iterfind("{*}spine/{*}itemref"):
        item = manifest.get(reference.get("idref"))
        if item is None:
            raise BROKEN
        if item.get("media-type") in TEXTS:
            yield join(name, unquote(item.get("href", "")))


def _encrypted(archive: Archive) -> set[str]:
    """Parts that are no plain bytes; fonts often are not, and matter to nobody here."""
    if ENCRYPTION not in archive:
        return set()
    references = archive.read_xml(ENCRYPTION).iterfind(".//{*}CipherReference")
    return {posixpath.normpath(unquote(reference.get("URI", ""))) for reference in references}
