"""Whether the problems of an evaluation set stand in training files, by shared n-grams.

An n-gram is 13 words (Brown et al. 2020, section C) or, for a Chinese problem, 30 characters: lower
case, compatibility forms made one, punctuation and spaces left out. A shorter problem is one n-gram
as a whole, down to 8 words or 15 characters; below that nothing can be said. N-grams that more than
ten problems of the set share are its wording and do not count. Training files (.jsonl and .json
lines, .txt, .md, each also .gz) are streamed; held in memory are the 64-bit hashes of the set's
n-grams and a block of text. A question that was reworded or translated is not found.
"""

import gzip
import hashlib
import io
import json
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naga.config.base import ConfigError
from naga.tasks.example import Example
from naga.tasks.public.rows import LONGEST_LINE, decode_line, parse_json

WORDS, FEWEST_WORDS = 13, 8
CHARACTERS, FEWEST_CHARACTERS = 30, 15
COMMON = 10
BLOCK = 2**20
"""Characters that are hashed at once."""
OVERLAP = 4096
"""Of a text longer than a block, the characters that the next block begins with."""
MOST_WORDS_KNOWN = 2**20
APART = "\0"
"""Between texts in a block; a unit of its own, so that no n-gram goes across."""
UNITS = re.compile(rf"\w+|{APART}")
CHINESE = re.compile("[\u3400-\u9fff]")
TEXT_ENDINGS = (".txt", ".md", ".txt.gz", ".md.gz")
ROW_ENDINGS = (".jsonl", ".json", ".jsonl.gz", ".json.gz")

Hashes = npt.NDArray[np.uint64]
Progress = Callable[[int, int], None]
"""Called with the bytes of the files that are read, and all there are."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What of one problem was found."""

    problem: str
    num_grams: int
    """0: too short, or nothing but the set's own wording; nothing can be said."""
    num_found: int
    file: Path | None
    """The first training file that has any of it."""

    @property
    def share(self) -> float:
        return self.num_found / self.num_grams if self.num_grams else 0.0


@dataclass(frozen=True, kw_only=True)
class Contamination:
    overlaps: tuple[Overlap, ...]
    """One for each example, in order."""
    num_bytes: int
    """Of training files that were read."""

    @property
    def num_found(self) -> int:
        """Problems with at least one n-gram in the training files: the published criterion."""
        return sum(overlap.num_found > 0 for overlap in self.overlaps)

    @property
    def num_unknown(self) -> int:
        return sum(overlap.num_grams == 0 for overlap in self.overlaps)


def prompt_hash(examples: Sequence[Example]) -> str:
    """Of all prompts in order, as roles and texts: equal hashes, equal questions asked."""
    digest = hashlib.sha256()
    for example in examples:
        turns = [[message.role, message.content] for message in example.prompt]
        digest.update(json.dumps(turns, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def find_contamination(
    examples: Sequence[Example],
    files: Sequence[Path],
    progress: Progress = lambda done, total: None,
) -> Contamination:
    """Look for every problem in every file. ConfigError: a file that cannot be read."""
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{file}: no such file")
        if not file.name.endswith(TEXT_ENDINGS + ROW_ENDINGS):
            known = ", ".join(TEXT_ENDINGS + ROW_ENDINGS)
            raise ConfigError(f"{file}: cannot read this kind of file; use {known}")
    index, total, done = _Index(examples), sum(file.stat().st_size for file in files), 0
    for number, file in enumerate(files):
        for block, position in _blocks(file):
            index.look(block, number)
            progress(done + position, total)
        done += file.stat().st_size
    return Contamination(overlaps=tuple(index.overlaps(examples, files)), num_bytes=done)


class _Index:
    """The hashed n-grams of a set by language and length, and in which file each was seen first."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._words = _WordHashes()
        self._grams = [self._grams_of(example) for example in examples]
        self._drop_common()
        self._known: dict[tuple[str, int], Hashes] = {}
        self._seen: dict[tuple[str, int], npt.NDArray[np.int32]] = {}
        for key in {key for key, _ in self._grams}:
            known = np.unique(np.concatenate([g for other, g in self._grams if other == key]))
            self._known[key], self._seen[key] = known, np.full(len(known), -1, dtype=np.int32)

    def _grams_of(self, example: Example) -> tuple[tuple[str, int], Hashes]:
        zh = example.language == "zh"
        most, fewest = (CHARACTERS, FEWEST_CHARACTERS) if zh else (WORDS, FEWEST_WORDS)
        units = self._units(example.problem, example.language)
        length = min(most, max(len(units), fewest))
        ((_, grams),) = _windows(units, [length])
        return (example.language, length), np.unique(grams)

    def _drop_common(self) -> None:
        nothing = np.empty(0, dtype=np.uint64)
        every = np.concatenate([nothing, *(grams for _, grams in self._grams)])
        grams, counts = np.unique(every, return_counts=True)
        common = grams[counts > COMMON]
        self._grams = [(key, np.setdiff1d(grams, common)) for key, grams in self._grams]

    def _units(self, text: str, language: str) -> Hashes:
        even = unicodedata.normalize("NFKC", text).lower()
        if language == "en":
            return self._words.of(UNITS.findall(even))
        kept = "".join(c for c in even if c.isalnum() or c == APART)
        return _mixed(np.frombuffer(kept.encode("utf-32-le"), dtype="<u4").astype(np.uint64))

    def look(self, text: str, number: int) -> None:
        """Mark the n-grams of the set that are in a text of file `number`."""
        for language in sorted({language for language, _ in self._known}):
            if language == "zh" and not CHINESE.search(text):
                continue
            units = self._units(text, language)
            lengths = sorted(length for other, length in self._known if other == language)
            for length, grams in _windows(units, lengths):
                self._mark((language, length), grams, number)

    def _mark(self, key: tuple[str, int], grams: Hashes, number: int) -> None:
        known, seen = self._known[key], self._seen[key]
        if len(known) and len(grams):
            places = np.minimum(np.searchsorted(known, grams), len(known) - 1)
            hits = np.unique(places[known[places] == grams])
            seen[hits[seen[hits] < 0]] = number

    def overlaps(self, examples: Sequence[Example], files: Sequence[Path]) -> Iterator[Overlap]:
        for example, (key, grams) in zip(examples, self._grams, strict=True):
            seen = self._seen[key][np.searchsorted(self._known[key], grams)]
            found = seen[seen >= 0]
            yield Overlap(
                problem=example.problem,
                num_grams=len(grams),
                num_found=len(found),
                file=files[int(found.min())] if len(found) else None,
            )


class _WordHashes:
    """64-bit hashes of words; forgets what it knows before that becomes much."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, words: Sequence[str]) -> Hashes:
        if len(self._known) > MOST_WORDS_KNOWN:
            self._known.clear()
        for word in set(words) - self._known.keys():
            digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            self._known[word] = int.from_bytes(digest, "little")
        return np.array([self._known[word] for word in words], dtype=np.uint64)


def _windows(units: Hashes, lengths: Sequence[int]) -> Iterator[tuple[int, Hashes]]:
    """For each length, ascending, the hashes of all runs of so many units.

    A polynomial in them, modulo 2^64; that of a run is that of the shorter run and one unit more.
    """
    hashes, known = np.zeros(len(units) + 1, dtype=np.uint64), 0
    for length in lengths:
        while known < length and len(hashes):
            hashes = hashes[:-1] * np.uint64(0x9E3779B97F4A7C15) + units[known:]
            known += 1
        yield length, _mixed(hashes)


def _mixed(values: Hashes) -> Hashes:
    """The finalizer of splitmix64, so that near values have far hashes."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _blocks(file: Path) -> Iterator[tuple[str, int]]:
    """The texts of a file in blocks, with how many bytes of it are read."""
    texts = _plain_pieces if file.name.endswith(TEXT_ENDINGS) else _row_texts
    try:
        with file.open("rb") as raw:
            waiting, length = list[str](), 0
            for text in texts(file, raw):
                waiting.append(text)
                length += len(text)
                if length >= BLOCK:
                    yield from ((piece, raw.tell()) for piece in _cut(APART.join(waiting)))
                    waiting, length = [], 0
            yield from ((piece, raw.tell()) for piece in _cut(APART.join(waiting)))
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error


def _cut(text: str) -> Iterator[str]:
    for start in range(0, len(text), BLOCK):
        yield text[max(0, start - OVERLAP) : start + BLOCK]


def _opened(file: Path, raw: io.BufferedReader) -> io.BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=raw) if file.name.endswith(".gz") else raw


def _plain_pieces(file: Path, raw: io.BufferedReader) -> Iterator[str]:
    """Pieces of one text, each but the first beginning with the end of the one before."""
    reader, tail = io.TextIOWrapper(_opened(file, raw), encoding="utf-8-sig"), ""
    try:
        while piece := reader.read(BLOCK):
            yield tail + piece
            tail = (tail + piece)[-OVERLAP:]
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8; convert the file first") from None
    finally:
        reader.detach()


def _row_texts(file: Path, raw: io.BufferedReader) -> Iterator[str]:
    """Every text of every row, whatever its key."""
    reader, number = _opened(file, raw), 0
    while line := reader.readline(LONGEST_LINE + 1):
        number += 1
        place = f"{file}:{number}"
        if len(line) > LONGEST_LINE:
            raise ConfigError(f"{place}: longer than {LONGEST_LINE} bytes")
        text = decode_line(line, place).removeprefix("\ufeff").strip()
        if text:
            yield from _texts_of(parse_json(text, place))


def _texts_of(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
