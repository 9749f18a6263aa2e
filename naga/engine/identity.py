"""Whose a saved state is: digests of a checkpoint folder, computed once for each file.

A file's SHA-256 is kept in a small cache by its path, size and time of change; who changes a file
and sets its time back fools it. A cache that is damaged or cannot be written costs time, no more.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from naga.checkpoint.config import CONFIG_FILE, read_model_config
from naga.checkpoint.load import INDEX_FILE, WEIGHTS_FILE
from naga.config.base import ConfigError
from naga.data.template import CHAT_TEMPLATE
from naga.disk import state_home, write_atomic
from naga.engine.backend import Numerics
from naga.engine.saved import Identity

CACHE_FILE = "digests.json"
PIECE_BYTES = 4 << 20
logger = logging.getLogger(__name__)

# Of the bytes to read in all -> what to call with the bytes of each piece.
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def identify(
    path: Path, numerics: Numerics, *, home: Path | None = None, progress: Progress | None = None
) -> Identity:
    """The identity of what a checkpoint folder, as it is now, computes.

    Not of an engine whose weights were updated. `home`: where the cache is, state_home() by
    default. `progress`: called if there are files to read.
    """
    return Identity(
        weights=digest_weights(path, home=home, progress=progress),
        tokenizer=hashlib.sha256((path / "tokenizer.json").read_bytes()).hexdigest(),
        template=hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest(),
        config=read_model_config(path),
        numerics=numerics,
    )


def digest_weights(
    path: Path, *, home: Path | None = None, progress: Progress | None = None
) -> str:
    """SHA-256 over the names and digests of the checkpoint's safetensors files and config."""
    files = _weight_files(path)
    cache = (state_home() if home is None else home) / CACHE_FILE
    known = _read_cache(cache)
    marks = {str(file.resolve()): _mark(file) for file in files}
    found = {key: known[mark] for key, mark in marks.items() if mark in known}
    missing = [Path(key) for key in marks if key not in found]
    if missing:
        for file, digest in _digest_files(missing, progress):
            found[str(file)] = digest
            # Changed while it was read: the digest is of neither.
            if _mark(file) != marks[str(file)]:
                raise ConfigError(f"{file}: changed while it was read; try again")
        _write_cache(cache, known, {marks[key]: digest for key, digest in found.items()})
    listing = "".join(f"{file.name} {found[str(file.resolve())]}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _weight_files(path: Path) -> list[Path]:
    single = path / WEIGHTS_FILE
    weights = [single] if single.is_file() else sorted(path.glob("*.safetensors"))
    others = [path / name for name in (CONFIG_FILE, INDEX_FILE)]
    if not weights:
        raise ConfigError(f"{path}: no safetensors files; give a checkpoint folder")
    return [*weights, *(file for file in others if file.is_file())]


def _digest_files(files: list[Path], progress: Progress | None) -> Iterator[tuple[Path, str]]:
    """On as many threads as there are processors: hashing releases Python's lock."""
    total = sum(file.stat().st_size for file in files)
    watch = nullcontext(_ignore) if progress is None else progress(total)
    with watch as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(files, pool.map(lambda file: _digest(file, advance), files), strict=True)


def _digest(file: Path, advance: Callable[[int], None]) -> str:
    digest, piece = hashlib.sha256(), bytearray(PIECE_BYTES)
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(piece):
            digest.update(memoryview(piece)[:count])
            advance(count)
    return digest.hexdigest()


def _ignore(_: int) -> None:
    pass


def _mark(file: Path) -> str:
    """What a digest is kept under."""
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns} {file.resolve()}"


def _read_cache(cache: Path) -> dict[str, str]:
    try:
        read = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(read, dict):
        return {}
    return {key: text for key, text in read.items() if isinstance(text, str) and len(text) == 64}


def _write_cache(cache: Path, known: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Without the files that are gone, or have changed since."""
    paths = {mark.split(" ", 2)[2] for mark in new}
    kept = {
        mark: digest
        for mark, digest in known.items()
        if len(parts := mark.split(" ", 2)) == 3
        and parts[2] not in paths
        and Path(parts[2]).is_file()
    }
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cache, json.dumps({**kept, **new}, indent=1))
    except OSError as error:
        logger.warning("%s: cannot be written: %s", cache, error.strerror)
