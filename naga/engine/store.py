"""StateStore: named states on disk within a byte budget, the least recently used one goes first.

One folder for each name (state_folder.py). Whoever writes or removes holds a lock file, so that two
processes may share a store: one waits for the other. Readers take no lock: what is removed under
them is refused as missing. A kill at any moment leaves each name with its old or its new state;
what was half written is cleared when a store is opened. Times are the system's clock: if it jumps,
another state may be the one that goes, nothing else.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from naga.data.documents import Document
from naga.disk import remove_folder, standing, tidy
from naga.engine.memory import size
from naga.engine.saved import Identity, SavedState, StateError
from naga.engine.sealed import folder_bytes
from naga.engine.state_folder import read_manifest, read_state, write_state

ENDING = ".state"
LOCK_FILE = "lock"
# What a file system takes, less the endings of hidden folders.
NAME_BYTES = 200


@dataclass(frozen=True, kw_only=True)
class StoredState:
    name: str
    num_bytes: int
    num_tokens: int | None
    """None where the manifest is damaged."""
    used: float
    """When it was last saved or loaded, in seconds since 1970."""


class StateStore:
    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Makes the folder if there is none; StateError if it cannot be had."""
        self._folder, self._max_bytes = folder, max_bytes
        with self._naming(), self._lock():
            tidy(folder)
            self._shrink(keep=None)

    def save(
        self,
        name: str,
        identity: Identity,
        state: SavedState,
        documents: Sequence[Document] = (),
    ) -> None:
        """Keep a state under `name`, in the place of its former one; others may have to go.

        StateError, and all stays as it was, if it is larger than the whole budget or the disk.
        """
        path = self._path(name)
        needed = identity.state_bytes(len(state.tokens), len(state.snapshots))
        if needed > self._max_bytes:
            raise StateError(
                f"state {name!r}: {size(needed)}, the store's whole budget is "
                f"{size(self._max_bytes)}"
            )
        with self._naming(), self._lock():
            write_state(path, identity, state, documents)
            self._shrink(keep=path)

    def has(self, name: str) -> bool:
        """Whether a state is kept under `name`, damaged ones included."""
        return standing(self._path(name)).exists()

    def load(self, name: str, identity: Identity) -> SavedState | None:
        """The state kept under `name`, which is now the last one to go; None if there is none.

        StateError, with the reason, if it is damaged or of another model: it stays until removed.
        """
        if not self.has(name):
            return None
        path = self._path(name)
        state = read_state(path, identity)
        with self._naming():
            self._touch(path)
        return state

    def remove(self, name: str) -> None:
        """Does nothing if there is no such state."""
        path = self._path(name)
        with self._naming(), self._lock():
            tidy(self._folder)
            if path.exists():
                remove_folder(path)

    def list(self) -> tuple[StoredState, ...]:
        """Every state, the next one to go first."""
        with self._naming():
            found = [stored for path in self._paths() if (stored := _look(path))]
        return tuple(sorted(found, key=lambda stored: (stored.used, stored.name)))

    def _paths(self) -> Iterator[Path]:
        return (path for path in self._folder.glob(f"*{ENDING}") if path.name[0] != ".")

    def _shrink(self, keep: Path | None) -> None:
        """Remove states until the others are within the budget; with the lock held."""
        stored = self.list()
        total = sum(state.num_bytes for state in stored)
        for state in stored:
            path = self._path(state.name)
            if total > self._max_bytes and path != keep:
                remove_folder(path)
                total -= state.num_bytes

    def _path(self, name: str) -> Path:
        """No name leads out of the folder, hides, or is another's."""
        try:
            quoted = quote(name, safe="").replace(".", "%2E").replace("~", "%7E")
        except UnicodeEncodeError:
            raise StateError(f"state name {name!a}: not valid Unicode") from None
        if not 0 < len(quoted) <= NAME_BYTES:
            raise StateError(f"state name {name!r:.40}: 1 to {NAME_BYTES} bytes; use another")
        return self._folder / f"{quoted}{ENDING}"

    def _touch(self, path: Path) -> None:
        now = time.time_ns()
        try:
            os.utime(path, ns=(now, now))
        except FileNotFoundError:
            return  # just removed by another process; what was read is whole

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateError(f"{self._folder}: {error.strerror}") from None


def _look(path: Path) -> StoredState | None:
    """None if it has just gone."""
    try:
        num_bytes, used = folder_bytes(path), path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        num_tokens = read_manifest(path).num_tokens
    except StateError:
        num_tokens = None
    name = unquote(path.name.removesuffix(ENDING))
    return StoredState(name=name, num_bytes=num_bytes, num_tokens=num_tokens, used=used)
