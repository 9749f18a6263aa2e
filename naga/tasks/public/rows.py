"""Rows of published data files: JSON lines, a JSON array or object, or CSV, checked as they come.

    .jsonl .jsonl.gz   one object per line
    .json              one object per line, or an array of objects, or one object
    .csv               with a heading, or without one where the set says its columns

A folder is all such files in it, in sorted order, hidden ones left out. Every mistake is one
ConfigError that names file and line (or record) and what is wrong or missing. Text with NUL or with
half a character, and a field too long for any prompt, are refused; a byte order mark and CRLF are
read as if they were not there. Does not know what a set means by its fields.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NoReturn

from naga.config.base import ConfigError

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".csv")
LONGEST_FIELD = 2_000_000
LONGEST_LINE = 64 * 2**20
LARGEST_FILE = 256 * 2**20
"""Of a file that is one JSON value, which is held in memory whole."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One record. The methods take the names that a field goes by; the first one present counts."""

    place: str
    """File and line, for messages."""
    stem: str
    """The file's name without ending: several sets keep their subject there."""
    fields: Mapping[str, object]
    table: bool = False
    """Whether it is a line of CSV."""

    def fail(self, problem: str) -> NoReturn:
        raise ConfigError(f"{self.place}: {problem}")

    def value(self, *names: str) -> object:
        """None where it is missing or null."""
        present = (self.fields[name] for name in names if self.fields.get(name) is not None)
        return next(present, None)

    def text(self, *names: str) -> str:
        """A text with something in it."""
        text = self.optional_text(*names)
        if not text.strip():
            self.fail(f"no {named(names)}; it must be a text that is not empty")
        return text

    def optional_text(self, *names: str) -> str:
        """Empty where it is missing."""
        value = self.value(*names)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fail(f"{named(names)} is {kind_of(value)}; it must be a text")
        return value.replace("\r\n", "\n")

    def text_or_number(self, *names: str) -> str:
        """A text that is not empty, or a number as one."""
        value = self.value(*names)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return self.text(*names)

    def optional_texts(self, *names: str) -> tuple[str, ...]:
        """A list of texts; empty where it is missing."""
        value = self.value(*names)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(f"{named(names)} is not a list of texts")
        return tuple(item.replace("\r\n", "\n") for item in value)

    def texts(self, *names: str) -> tuple[str, ...]:
        texts = self.optional_texts(*names)
        if not texts:
            self.fail(f"no {named(names)}; it must be a list of texts that is not empty")
        return texts

    def objects(self, *names: str) -> tuple[Mapping[str, object], ...]:
        """A list of objects."""
        value = self.value(*names)
        if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
            self.fail(f"no {named(names)}; it must be a list of objects that is not empty")
        return tuple(value)

    def inner(self, *names: str) -> Iterator["Row"]:
        """The objects of a list as rows of their own, which have this one's place."""
        for index, fields in enumerate(self.objects(*names), 1):
            place = f"{self.place}, {names[0]} {index}"
            yield Row(place=place, stem=self.stem, fields=fields)


def named(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def kind_of(value: object) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def read_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """`columns`: what a CSV without a heading has, in order. Raises when the bad row is reached."""
    for file in _files(path):
        try:
            yield from _read_file(file, columns)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigError(f"{file}: cannot be read: {error}") from error


def read_some_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    """As read_rows; a file or folder without a single row is a ConfigError."""
    found = False
    for row in read_rows(path, columns):
        found = True
        yield row
    if not found:
        raise ConfigError(f"{path}: has no rows; give a file of the set")


def parse_json(text: str, place: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ConfigError(f"{place}: is nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"{place}: not JSON: {str(error).splitlines()[0]}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        inside = [f for f in sorted(path.rglob("*")) if f.name.endswith(ENDINGS) and f.is_file()]
        files = [f for f in inside if not any(p.startswith(".") for p in f.relative_to(path).parts)]
        if not files:
            raise ConfigError(f"{path}: no {', '.join(ENDINGS)} files there")
        return files
    if not path.is_file():
        raise ConfigError(f"{path}: no such file or folder")
    if not path.name.endswith(ENDINGS):
        raise ConfigError(f"{path}: cannot read this kind of file; use {', '.join(ENDINGS)}")
    return [path]


def _read_file(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    stem = file.name.partition(".")[0]
    if file.name.endswith(".csv"):
        yield from _csv_rows(file, stem, columns)
    elif file.name.endswith(".json") and not _has_lines(file):
        yield from _whole(file, stem)
    else:
        for place, line in _lines(file):
            yield _row(parse_json(line, place), place, stem)


def _open(file: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb")


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Every line that is not blank, with its place."""
    with _open(file) as handle:
        for number in count(1):
            raw = handle.readline(LONGEST_LINE + 1)
            if not raw:
                return
            place = f"{file}:{number}"
            if len(raw) > LONGEST_LINE:
                raise ConfigError(f"{place}: longer than {LONGEST_LINE} bytes")
            line = decode_line(raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw, place)
            if line.strip():
                yield place, line


def decode_line(raw: bytes, place: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: not UTF-8; convert the file first") from None


def _has_lines(file: Path) -> bool:
    """Whether a .json file has an object on its first line and more behind it."""
    lines = _lines(file)
    try:
        first, second = next(lines, None), next(lines, None)
        return (
            first is not None
            and second is not None
            and isinstance(parse_json(first[1], first[0]), dict)
        )
    except ConfigError:
        return False


def _whole(file: Path, stem: str) -> Iterator[Row]:
    if file.stat().st_size > LARGEST_FILE:
        raise ConfigError(f"{file}: one JSON value of over {LARGEST_FILE} bytes; use .jsonl")
    raw = file.read_bytes().removeprefix(BYTE_ORDER_MARK)
    value = parse_json(decode_line(raw, str(file)), str(file))
    if not isinstance(value, list):
        yield _row(value, f"{file}:1", stem)
        return
    for number, item in enumerate(value, 1):
        yield _row(item, f"{file}: record {number}", stem)


def _csv_rows(file: Path, stem: str, columns: Sequence[str]) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        names: Sequence[str] = ()
        while True:
            try:
                cells = next(reader, None)
            except (csv.Error, UnicodeDecodeError) as error:
                reason = str(error).splitlines()[0]
                raise ConfigError(f"{file}:{reader.line_num}: not CSV: {reason}") from None
            if cells is None:
                return
            place = f"{file}:{reader.line_num}"
            if not names:
                names = _heading(cells, columns, place)
                if names is cells:
                    continue
            if len(cells) != len(names):
                raise ConfigError(f"{place}: {len(cells)} cells; there must be {len(names)}")
            fields = dict[str, object](zip(names, cells, strict=True))
            _check_texts(fields, place)
            yield Row(place=place, stem=stem, fields=fields, table=True)


def _heading(cells: list[str], columns: Sequence[str], place: str) -> Sequence[str]:
    """`cells` themselves where they are the heading, else the columns of the set."""
    if {"question", "answer"} <= {cell.strip().lower() for cell in cells}:
        return cells
    if not columns:
        raise ConfigError(f"{place}: no heading; the first line must name the columns")
    return columns


def _row(value: object, place: str, stem: str) -> Row:
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: {kind_of(value)}; every record must be an object")
    _check_texts(value, place)
    return Row(place=place, stem=stem, fields=value)


def _check_texts(fields: dict[str, object], place: str) -> None:
    """Every text in it, however deep, can become tokens."""
    waiting: list[tuple[str, object]] = list(fields.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, str):
            _check_text(value, f"{place}: {name!r}")
        elif isinstance(value, list):
            waiting += [(name, item) for item in value]
        elif isinstance(value, dict):
            waiting += [(name, item) for item in (*value, *value.values())]


def _check_text(text: str, place: str) -> None:
    if len(text) > LONGEST_FIELD:
        raise ConfigError(f"{place} has {len(text)} characters; at most {LONGEST_FIELD} are read")
    if "\0" in text:
        raise ConfigError(f"{place} has a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{place} has half of a surrogate pair; repair the text") from None
