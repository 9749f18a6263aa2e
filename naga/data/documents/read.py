"""A file -> a Document. The ending says the format; what the file is not is an error.

Every mistake is one ConfigError line that begins with the file and says what to do. Reads the
whole file at once, for its digest is of the bytes that were parsed.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from naga.config.base import ConfigError
from naga.data.documents.apart import parse_apart
from naga.data.documents.limits import CHARACTERS, FILE_BYTES, Refused
from naga.data.documents.plain import decode
from naga.data.documents.records import Document, Page

PLAIN = {".txt": "text/plain", ".md": "text/markdown", ".markdown": "text/markdown"}
PARSED = {
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".epub": "application/epub+zip",
}
ENDINGS = (*PLAIN, *PARSED)
BETWEEN_PAGES = "\n\n"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read_document(path: Path) -> Document:
    """The document; ConfigError if it cannot be read in full, for any reason."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"{path}: cannot read this kind of file; use {', '.join(ENDINGS)}")
    try:
        data = _read_bytes(path)
        if ending in PLAIN:
            media_type, pages = PLAIN[ending], [decode(data)]
        else:
            media_type, pages = PARSED[ending], parse_apart(PARSED[ending], data)
        return _assemble(path.name, pages, media_type, hashlib.sha256(data).hexdigest())
    except Refused as reason:
        raise ConfigError(f"{path}: {reason}") from None


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise Refused("a folder; name the files in it")
        if not path.is_file():
            raise Refused("not a file" if path.exists() else "no such file")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise Refused(f"cannot be opened: {error.strerror}") from None
    if len(data) > FILE_BYTES:
        raise Refused(f"larger than {FILE_BYTES >> 20} MiB; split it")
    return data


def _assemble(name: str, texts: Sequence[str], media_type: str, sha256: str) -> Document:
    pages: list[Page] = []
    start = 0
    for number, text in enumerate(texts, start=1):
        pages.append(Page(number=number, start=start, end=start + len(text)))
        start += len(text) + len(BETWEEN_PAGES)
    text = BETWEEN_PAGES.join(texts)
    if not text.strip():
        raise Refused("there is no text in it")
    if len(text) > CHARACTERS:
        raise Refused(f"{len(text)} characters, at most {CHARACTERS} are read; split it")
    # Half a character cannot be written as UTF-8, and a damaged PDF may have one.
    text = LONE_SURROGATE.sub("\ufffd", text)
    return Document(name=name, text=text, pages=tuple(pages), media_type=media_type, sha256=sha256)
