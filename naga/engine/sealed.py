"""Files of a folder that are only taken if they are, bit for bit, what was written.

A file's size and SHA-256 stand in a manifest, or its SHA-256 in a file beside it, as sha256sum
writes it. Opens plain files of the folder, never links, and takes memory for no more than their
size was said to be. Says what is wrong in one line.
"""

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

import torch
from pydantic import Field
from torch import Tensor

from naga.config.base import Config
from naga.disk import standing
from naga.engine.saved import StateError

SEAL_BYTES = 200
PIECE_BYTES = 4 << 20

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FileFacts(Config):
    name: str
    num_bytes: int = Field(ge=0)
    sha256: Digest


class SealedFolder:
    """A state's folder while it is read: what is opened in it is a plain file, never a link."""

    def __init__(self, path: Path) -> None:
        try:
            self._handle = os.open(standing(path), os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise StateError("no such state; naga read makes one") from None
        except NotADirectoryError:
            raise StateError("a state is a folder, this is a file") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def open(self, name: str) -> io.FileIO:
        # Without O_NONBLOCK a pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(name, flags, dir_fd=self._handle)
        except FileNotFoundError:
            raise StateError(f"{name} is missing") from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise StateError(f"{name} is no plain file")
        return io.FileIO(handle)


def read_verified(facts: FileFacts, file: io.FileIO) -> Tensor:
    """The bytes of a file as uint8, once they have proved to be those that were written."""
    buffer = torch.empty(facts.num_bytes, dtype=torch.uint8)
    target, digest, first = buffer.numpy().data, hashlib.sha256(), 0
    while first < len(target):
        count = file.readinto(target[first : first + PIECE_BYTES])
        if not count:
            raise StateError(f"{facts.name} ends after {first} of {len(target)} bytes")
        # While the piece is in the processor's cache.
        digest.update(target[first : first + count])
        first += count
    if digest.hexdigest() != facts.sha256:
        raise StateError(f"{facts.name} is damaged: its SHA-256 is not that of what was written")
    return buffer


def seal(folder: Path, name: str, text: bytes) -> None:
    """Write a file and, beside it, the checksum that `sha256sum -c` reads."""
    (folder / name).write_bytes(text)
    (folder / seal_of(name)).write_bytes(_seal_text(name, text))


def read_sealed(
    folder: SealedFolder, name: str, most: int, facts: FileFacts | None = None
) -> bytes:
    """A file with its checksum beside it and, where `facts` are known, by those too."""
    seal = _read_small(folder, seal_of(name), SEAL_BYTES)
    text = _read_small(folder, name, most)
    if seal != _seal_text(name, text) or (facts and seal[:64].decode() != facts.sha256):
        raise StateError(f"{name} is damaged: its SHA-256 is not that of what was written")
    return text


def _read_small(folder: SealedFolder, name: str, most: int) -> bytes:
    with folder.open(name) as file:
        found = os.fstat(file.fileno()).st_size
        if found > most:
            raise StateError(f"{name} has {found} bytes; at most {most} are read")
        with io.BufferedReader(file) as reader:
            return reader.read(most)


def seal_of(name: str) -> str:
    return f"{name}.sha256"


def _seal_text(name: str, text: bytes) -> bytes:
    return f"{hashlib.sha256(text).hexdigest()}  {name}\n".encode()


def facts_of(file: Path) -> FileFacts:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileFacts(name=file.name, num_bytes=file.stat().st_size, sha256=digest)


def folder_bytes(path: Path) -> int:
    """What the files of a folder take."""
    return sum(file.lstat().st_size for file in path.iterdir())


@contextmanager
def naming(path: Path, fault: str) -> Iterator[None]:
    """Whatever goes wrong inside is one line that begins with `path`."""
    try:
        yield
    except StateError as reason:
        raise StateError(f"{path}: {reason}") from None
    except BlockingIOError:
        raise StateError(f"{path}: {fault}: another process is writing it") from None
    except OSError as error:
        link = error.errno == errno.ELOOP
        why = "a link in it, which is never followed" if link else error.strerror
        raise StateError(f"{path}: {fault}: {why}") from None
