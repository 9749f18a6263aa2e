"""Zip archives that are documents (DOCX, EPUB), read part by part within a budget of bytes.

Nothing is written to disk, so a part's name is only a name. Only parts that are asked for are
unpacked: pictures cost nothing.
"""

import io
import lzma
import posixpath
import struct
import zipfile
import zlib
from typing import Any

from lxml import etree

from naga.data.documents.limits import UNPACKED_BYTES, Refused

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,  # bzip2's way to say that data is broken
    NotImplementedError,  # a method of compression that Python does not know
    OverflowError,
    ValueError,
)


class Archive:
    """The parts of a document by name; `broken` is raised for what does not unpack."""

    def __init__(self, data: bytes, broken: Refused) -> None:
        self._broken = broken
        self._bytes_left = UNPACKED_BYTES
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except BROKEN:
            raise broken from None

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def read(self, name: str) -> bytes:
        """One part's bytes; a part that is not there means a broken document."""
        if name not in self:
            raise self._broken
        part = self._zip.getinfo(name)
        if part.flag_bits & 1:
            raise Refused("locked by a password; save a copy without one")
        # zipfile never unpacks more of a part than the size that its directory entry tells.
        self._bytes_left -= part.file_size
        if self._bytes_left < 0:
            raise Refused(f"unpacks to more than {UNPACKED_BYTES >> 20} MiB of text; split it")
        try:
            return self._zip.read(part)
        except BROKEN:
            raise self._broken from None

    def read_xml(self, name: str) -> Any:
        """One part's root element, with no entity resolved and nothing fetched."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(self.read(name), parser)
        except etree.XMLSyntaxError as error:
            if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
                raise Refused("nested too deep; save it as plain text") from None
            raise self._broken from None


def join(part: str, reference: str) -> str:
    """The name of the part that `part` refers to; a leading / is the archive's top."""
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(part), reference)).lstrip("/")
