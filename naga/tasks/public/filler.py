"""Essays to hide needles in: {text, title?} rows, or plain text files. Text only, no questions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naga.config.base import ConfigError
from naga.tasks.public.rows import LONGEST_FIELD, read_some_rows


@dataclass(frozen=True, kw_only=True)
class Filler:
    title: str
    text: str


def read_filler(path: Path) -> Iterator[Filler]:
    """The essays of a file of rows, a .txt file, or a folder of .txt files, in order."""
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path] if _is_text(path) else []
    if not files:
        for row in read_some_rows(path):
            yield Filler(title=row.optional_text("title"), text=row.text("text"))
    for file in files:
        yield Filler(title=file.stem, text=_read_text(file))


def _is_text(path: Path) -> bool:
    return path.name.endswith(".txt")


def _read_text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8; convert the file first") from None
    if not text.strip() or "\0" in text or len(text) > LONGEST_FIELD:
        raise ConfigError(f"{file}: empty, with NUL, or of over {LONGEST_FIELD} characters")
    return text
