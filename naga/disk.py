"""Writing files so that nothing is half there: write, put on the disk, rename.

Assumes POSIX: a rename within a folder is atomic. Serialises nothing. Imports no torch.
"""

import os
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Readers see the old file or the whole new one."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    sync(beside)
    beside.replace(path)


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
