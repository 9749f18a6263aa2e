"""Bytes -> text, by an encoding that is known or proven, never by a guess at the language.

A byte order mark decides; else UTF-8 if all of it is UTF-8; else what the file itself declares
(HTML only); else GB18030, if it decodes and looks like Chinese. Line ends become "\\n". All other
characters are left as they are: a quote must be found again.
"""

import codecs
import re

from naga.data.documents.limits import Refused

# Byte order marks; UTF-32's begins as UTF-16's does and leaves NUL characters, which are refused.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Single-byte and East Asian encodings that pages declare; no codec that is more than a table.
DECLARABLE = re.compile(
    r"gb2312|gbk|gb18030|big5|big5-hkscs|shift_jis|euc-jp|euc-kr"
    r"|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|us-ascii"
)
BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def decode(data: bytes, declared: str | None = None) -> str:
    """The text; Refused if no encoding fits or if it has NUL characters, as binary files do."""
    text = _decode(data, declared)
    if "\0" in text:
        raise Refused("not a text file: it has NUL characters; save it as UTF-8 text")
    return newlines(text)


def newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, declared: str | None) -> str:
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return _whole(data[len(mark) :], encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if declared is not None and DECLARABLE.fullmatch(declared.lower()):
            return _whole(data, _superset(declared.lower()))
        return _chinese(data)


def _whole(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise Refused(f"says it is {encoding} text, and is not; save it as UTF-8") from None


def _superset(declared: str) -> str:
    """Browsers read these names as the larger set, and pages rely on it."""
    larger = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "windows-1252"}
    return larger.get(declared, declared)


def _chinese(data: bytes) -> str:
    """GB18030. Text of another encoding often decodes too, into single characters among letters."""
    refused = Refused("neither UTF-8 nor GB18030 text; save it as UTF-8")
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        raise refused from None
    runs = BEYOND_ASCII.findall(text)
    if sum(map(len, runs)) < 1.5 * len(runs):
        raise refused
    return text
