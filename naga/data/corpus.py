"""Readers of text and conversations: files and folders -> documents, one at a time.

    .txt .md             one document per file
    .jsonl .jsonl.gz     one JSON object per line: {"text": "..."} for pretraining, or
                         {"messages": [...], "tools"?: [...]} for SFT (conversations.py)

Folders are read recursively in sorted order; what is hidden or has another ending is passed over
there, but refused when it is named itself. Blank lines and empty texts are no documents; other
keys of a row (a title, a source) are not used. A mistake is one ConfigError that names file and
line. Does not tokenize or clean text.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from naga.config.base import ConfigError
from naga.data.conversations import read_conversation, read_string
from naga.data.messages import Conversation

TEXT_ENDINGS = (".txt", ".md")
ROW_ENDINGS = (".jsonl", ".jsonl.gz")

Item = TypeVar("Item")


def read_documents(paths: Sequence[Path]) -> Iterator[str]:
    """Texts to pretrain on; a missing path raises at once, a bad line when it is reached."""
    files = _find_files(paths, TEXT_ENDINGS + ROW_ENDINGS)
    return _refuse_none((text for file in files for text in _documents(file, _text)), paths)


def read_texts(paths: Sequence[Path]) -> Iterator[str]:
    """Whatever can be read, as plain text, conversations too: what a tokenizer is trained on."""
    files = _find_files(paths, TEXT_ENDINGS + ROW_ENDINGS)
    return _refuse_none((text for file in files for text in _documents(file, _any_text)), paths)


def read_conversations(paths: Sequence[Path]) -> Iterator[Conversation]:
    """Conversations to learn answers from; each has at least one assistant message."""
    files = _find_files(paths, ROW_ENDINGS)
    return _refuse_none((item for file in files for item in _rows(file, read_conversation)), paths)


def _find_files(paths: Sequence[Path], endings: tuple[str, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob("*"))
            files += [file for file in inside if _is_data(file.relative_to(path), endings)]
        elif not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
        elif not path.name.endswith(endings):
            raise ConfigError(f"{path}: cannot read this kind of file; use {', '.join(endings)}")
        else:
            files.append(path)
    if not files:
        raise ConfigError(f"{_names(paths)}: no {', '.join(endings)} files there")
    return files


def _is_data(inside: Path, endings: tuple[str, ...]) -> bool:
    return inside.name.endswith(endings) and not any(p.startswith(".") for p in inside.parts)


def _refuse_none(items: Iterator[Item], paths: Sequence[Path]) -> Iterator[Item]:
    found = False
    for item in items:
        found = True
        yield item
    if not found:
        raise ConfigError(f"{_names(paths)}: no documents there, every file is empty")


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _documents(file: Path, parse: Callable[[dict[str, Any], str], str]) -> Iterator[str]:
    if file.name.endswith(ROW_ENDINGS):
        texts = _rows(file, parse)
    else:
        texts = iter([_decode(file.read_bytes(), str(file))])
    return (text for text in texts if text)


def _rows(file: Path, parse: Callable[[dict[str, Any], str], Item]) -> Iterator[Item]:
    """Each line as a JSON object, through `parse(row, place)`."""
    for number, line in enumerate(_lines(file), start=1):
        place = f"{file}:{number}"
        text = _decode(line, place)
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{place}: not valid JSON: {error.msg}") from None
        if not isinstance(row, dict):
            raise ConfigError(f"{place}: expected a JSON object, got a {type(row).__name__}")
        yield parse(row, place)


def _lines(file: Path) -> Iterator[bytes]:
    if not file.name.endswith(".gz"):
        with file.open("rb") as lines:
            yield from lines
        return
    try:
        with gzip.open(file, "rb") as lines:
            yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ConfigError(f"{file}: damaged gzip file: {error}") from None


def _decode(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: not UTF-8 text") from None


def _text(row: dict[str, Any], place: str) -> str:
    if "text" in row:
        return read_string(row, "text", place)
    if "messages" in row:
        raise ConfigError(f'{place}: has "messages", not "text"; train on it with naga sft')
    raise ConfigError(f'{place}: has no "text" (its keys: {", ".join(row) or "none"})')


def _any_text(row: dict[str, Any], place: str) -> str:
    if "messages" not in row:
        return _text(row, place)
    messages = read_conversation(row, place).messages
    return "\n".join(part for m in messages for part in (m.reasoning, m.content) if part)
