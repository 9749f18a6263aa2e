"""Writing files and folders so that nothing is half there: write, put on the disk, rename.

Assumes POSIX: a rename within a folder is atomic. A file is replaced at once. A folder that takes
another's place leaves, if killed between two renames, the former one under `previous_of(path)`;
`standing` finds it there. Two processes that write one folder at once: the later one is refused.
Imports no torch.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Readers see the old file or the whole new one."""
    beside = hidden_of(path)
    beside.write_text(text, encoding="utf-8")
    sync(beside)
    beside.replace(path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A hidden folder to fill, which takes the place of `path` when the block ends well.

    What was at `path` stays until the new one is on the disk; if anything fails, nothing is left of
    the new one. BlockingIOError while another process is writing `path`.
    """
    beside, previous = hidden_of(path), previous_of(path)
    claim = _claim(beside)
    try:
        _clear(beside)
        yield beside
        sync_folder(beside)
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
            path.rename(previous)
        beside.rename(path)
        sync(path.parent)
        shutil.rmtree(previous, ignore_errors=True)
    except BaseException:
        if previous.exists() and not path.exists():
            previous.rename(path)
        shutil.rmtree(beside, ignore_errors=True)
        raise
    finally:
        os.close(claim)


def standing(path: Path) -> Path:
    """Where the folder `path` is: there, or where a kill between two renames left it."""
    previous = previous_of(path)
    return previous if previous.is_dir() and not path.exists() else path


def tidy(folder: Path) -> None:
    """Undo what killed processes left in `folder`: hidden folders go, lost ones come back.

    Leaves alone what a living process is writing.
    """
    for previous in folder.glob(".*.previous"):
        path = folder / previous.name.removeprefix(".").removesuffix(".previous")
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
        else:
            previous.rename(path)
    for beside in folder.glob(".*.tmp"):
        if not beside.is_dir():
            continue
        with suppress(BlockingIOError):
            claim = _claim(beside)
            shutil.rmtree(beside, ignore_errors=True)
            os.close(claim)


def remove_folder(path: Path) -> None:
    """Hides it first, so that a kill halfway leaves no torn folder under a good name."""
    hidden = hidden_of(path)
    claim = _claim(hidden)
    try:
        _clear(hidden)
        path.rename(hidden)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(claim)


def hidden_of(path: Path) -> Path:
    """Where `path` is while it is written or removed."""
    return path.with_name(f".{path.name}.tmp")


def previous_of(path: Path) -> Path:
    """Where the former folder `path` is while another takes its place."""
    return path.with_name(f".{path.name}.previous")


def sync_folder(folder: Path) -> None:
    """Put a folder and the files directly in it on the disk."""
    for path in (*folder.iterdir(), folder):
        sync(path)


def sync(path: Path) -> None:
    """Put what the system holds back of a file, or of a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def state_home() -> Path:
    """Where naga keeps what it can make again: NAGA_STATE_DIR, else XDG_STATE_HOME/naga."""
    named = os.environ.get("NAGA_STATE_DIR")
    if named:
        return Path(named)
    shared = os.environ.get("XDG_STATE_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "state") / "naga"


def _claim(folder: Path) -> int:
    """Makes the folder if need be and locks it, as long as the handle is open or the process lives.

    BlockingIOError if it is another's.
    """
    while True:
        folder.mkdir(exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have renamed or removed it in between.
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise
        os.close(handle)


def _clear(folder: Path) -> None:
    """What a killed process left in it."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
