"""Files that mean no good: damaged at random, made to grow, to nest, or to point elsewhere.

The parsers run in this process here, so that an error they do not name, or a crash, is seen.
"""

import io
import random
import re
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from data.make_documents import CONTAINER, make_docx, make_epub, make_pdf, make_zip

from naga.config.base import ConfigError
from naga.data.documents import apart, archive, pdf, read, read_document
from naga.data.documents.docx import read_docx
from naga.data.documents.epub import read_epub
from naga.data.documents.limits import Refused
from naga.data.documents.markup import read_html
from naga.data.documents.pdf import read_pdf
from naga.data.documents.plain import decode

PAGES = [["The tenant shall pay the rent.", "第一条 甲方应当支付租金。"], ["Two months' notice."]]
HTML = (
    '<!DOCTYPE html><html><head><meta charset="gbk"><title>t</title></head><body><table><tr><td>a'
    "<td><table><tr><th>b</table></table><p hidden>c<pre>d\n</pre><ul><li>租金&nbsp;&amp;</ul>"
).encode("gbk")
Parser = Callable[[bytes], object]
FORMATS: dict[str, tuple[Parser, bytes]] = {
    "pdf": (read_pdf, make_pdf(PAGES)),
    "docx": (read_docx, make_docx(PAGES)),
    "epub": (read_epub, make_epub(["<h1>A</h1><p>租金</p>", "<p>b<br/>c</p>"])),
    "html": (read_html, HTML),
    "text": (decode, HTML),
}
NUM_MUTANTS = 300
SECONDS_FOR_ONE = 5.0  # of processor time; the slowest takes some hundredths


def mutate(data: bytes, source: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled, or the end cut off."""
    mutant = bytearray(data)
    for _ in range(source.choice([1, 1, 2, 8, 64])):
        place = source.randrange(len(mutant) + 1)
        length = source.choice([1, 4, 100])
        kind = source.randrange(8)
        if kind < 4:
            mutant[place : place + length] = source.randbytes(min(length, 4))
        elif kind == 4:
            del mutant[place : place + length]
        elif kind == 5:
            mutant[place:place] = mutant[place : place + length] * source.choice([1, 50])
        elif kind == 6:
            mutant[place : place + 4] = struct.pack("<I", source.choice([0, 2**31, 2**32 - 1]))
        elif source.random() < 0.2:
            del mutant[place:]
    return bytes(mutant)


def mutate_part(data: bytes, source: random.Random) -> bytes:
    """An archive that is whole, one of whose parts is damaged."""
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    texts = [name for name in parts if name.endswith(("xml", "rels", "opf", "xhtml"))]
    name = source.choice(texts)
    return make_zip(parts | {name: mutate(parts[name], source)})


def outcome(parse: Parser, data: bytes) -> str:
    """How reading ended; anything but a text or a refusal comes out of here as it is."""
    before = time.process_time()
    try:
        parse(data)
        ending = "read"
    except Refused as reason:
        assert "\n" not in str(reason)
        ending = "refused"
    assert time.process_time() - before < SECONDS_FOR_ONE
    return ending


@pytest.mark.parametrize("name", FORMATS)
def test_random_damage_is_refused_or_read(name: str) -> None:
    parse, data = FORMATS[name]
    source = random.Random(f"damage {name}")
    endings = {outcome(parse, mutate(data, source)) for _ in range(NUM_MUTANTS)}
    assert endings == {"read", "refused"}


@pytest.mark.parametrize("name", ["docx", "epub"])
def test_damage_inside_an_archives_parts_is_refused_or_read(name: str) -> None:
    parse, data = FORMATS[name]
    source = random.Random(f"part {name}")
    endings = {outcome(parse, mutate_part(data, source)) for _ in range(NUM_MUTANTS)}
    assert endings == {"read", "refused"}


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_of_another_kind_are_refused_or_read(name: str) -> None:
    parse, _ = FORMATS[name]
    for _, data in FORMATS.values():
        outcome(parse, data)
    source = random.Random(0)
    for size in (0, 1, 100, 100_000):
        outcome(parse, source.randbytes(size))


# Through the process apart


def write(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize("name", ["pdf", "docx", "epub"])
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, name: str) -> None:
    _, data = FORMATS[name]
    path = write(tmp_path, f"a.{name}", data[: len(data) // 2])
    with pytest.raises(ConfigError, match=r"damaged, or not an? .*; open it in .*") as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_parser_that_dies_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(read.PARSED, ".pdf", "no such parser")
    with pytest.raises(ConfigError, match=r"a\.pdf: cannot be parsed: damaged, or needs more than"):
        read_document(write(tmp_path, "a.pdf", make_pdf(PAGES)))


def test_a_parser_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WALL_SECONDS", 0.001)
    with pytest.raises(Refused, match=r"not read after 0\.001 s; split it"):
        apart.parse_apart("application/pdf", make_pdf(PAGES))


def test_a_parser_that_computes_too_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = write(tmp_path, "python", b"#!/bin/sh\nkill -XCPU $$\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(stand_in))
    with pytest.raises(Refused, match="takes more than 120 s of processor time; split it"):
        apart.parse_apart("application/pdf", b"")


# Sizes and depths


def test_a_file_that_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "FILE_BYTES", 1 << 20)
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # it takes no place on disk
    with pytest.raises(ConfigError, match=r"a\.txt: larger than 1 MiB; split it"):
        read_document(path)


def test_a_text_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "a.txt", b"12345")
    monkeypatch.setattr(read, "CHARACTERS", 5)
    assert read_document(path).text == "12345"
    monkeypatch.setattr(read, "CHARACTERS", 4)
    with pytest.raises(ConfigError, match=r"a\.txt: 5 characters, at most 4 are read; split it"):
        read_document(path)


def test_a_pdf_of_too_many_pages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "PAGES", 1)
    with pytest.raises(Refused, match="2 pages, at most 1 are read; split it"):
        read_pdf(make_pdf(PAGES))


RELATIONS = (
    '<Relationships><Relationship Type="http://x/officeDocument" Target="word/document.xml"/>'
    "</Relationships>"
)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bomb = make_zip({"_rels/.rels": RELATIONS, "word/document.xml": b" " * (2 << 20)})
    assert len(bomb) < 4000
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 1 << 20)
    with pytest.raises(Refused, match="unpacks to more than 1 MiB of text; split it"):
        read_docx(bomb)


def test_an_archives_budget_is_for_all_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_epub(["<p>" + "a" * 1000] * 9)
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 10_000)
    with pytest.raises(Refused, match="unpacks to more than"):
        read_epub(book)
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 20_000)
    assert len(read_epub(book)) == 9


def directory_entries(data: bytearray) -> list[int]:
    return [found.start() for found in re.finditer(b"PK\x01\x02", data)]


def test_an_archive_that_lies_about_sizes_is_damaged() -> None:
    data = bytearray(make_epub(["<p>" + "a" * 100_000]))
    for entry in directory_entries(data):
        data[entry + 24 : entry + 28] = struct.pack("<I", 10)  # bytes that it unpacks to
    with pytest.raises(Refused, match="damaged"):
        read_epub(bytes(data))


def test_markup_that_is_nested_too_deep_is_refused() -> None:
    assert read_html(b"<div>" * 1000 + b"deep") == ["deep"]
    with pytest.raises(Refused, match="nested too deep"):
        read_html(b"<div>" * 100_000 + b"deep")
    deep = "<w:p>" * 100_000
    word = make_zip({"_rels/.rels": RELATIONS, "word/document.xml": f"<w:d xmlns:w='w'>{deep}"})
    with pytest.raises(Refused, match="nested too deep"):
        read_docx(word)


def test_a_locked_archive_is_named() -> None:
    data = bytearray(make_epub(["<p>a"]))
    for entry in directory_entries(data):
        data[entry + 8] |= 1
    with pytest.raises(Refused, match="locked by a password"):
        read_epub(bytes(data))


# Nothing but the file is read


@pytest.mark.parametrize("name", ["../../secret.opf", "/etc/passwd", "file:///etc/passwd"])
def test_a_part_outside_the_archive_is_not_there(name: str) -> None:
    book = make_zip({"META-INF/container.xml": CONTAINER.replace("OPS/book.opf", name)})
    with pytest.raises(Refused, match="damaged, or not an EPUB"):
        read_epub(book)


def test_words_entities_are_not_resolved(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret", b"secret")
    dtd = f'<!DOCTYPE d [<!ENTITY own "own"><!ENTITY file SYSTEM "{secret.as_uri()}">]>'
    body = "<w:p><w:r><w:t>a&own;b&file;c</w:t></w:r></w:p>"
    document = f"{dtd}<w:document xmlns:w='w'>{body}</w:document>"
    (text,) = read_docx(make_zip({"_rels/.rels": RELATIONS, "word/document.xml": document}))
    assert "own" not in text
    assert "secret" not in text
