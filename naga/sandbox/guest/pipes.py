"""Messages over a pipe: eight hexadecimal digits of length, then as many bytes of JSON.

Blocking. Does not judge what a message says; one longer than `longest` is refused unread.
"""

from __future__ import annotations

import json
import os

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIGITS = 8


def pack(message: Any) -> bytes:
    text = json.dumps(message, allow_nan=False).encode()
    return b"%08x" % len(text) + text


def unpack(received: bytes, longest: int) -> tuple[Any, bytes] | None:
    """The first message and what follows it; None if it is not whole yet.

    ValueError or RecursionError for what is no message.
    """
    if len(received) < DIGITS:
        return None
    length = int(received[:DIGITS], 16)
    if not 0 <= length <= longest:
        raise ValueError(f"a message of {length} bytes")
    end = DIGITS + length
    return (json.loads(received[DIGITS:end]), received[end:]) if len(received) >= end else None


def send(descriptor: int, message: Any) -> None:
    rest = pack(message)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int, longest: int) -> Any:
    """The next message; EOFError if the pipe ends before it does."""
    header = _exactly(descriptor, DIGITS)
    length = int(header, 16)
    if not 0 <= length <= longest:
        raise ValueError(f"a message of {length} bytes")
    return json.loads(_exactly(descriptor, length))


def _exactly(descriptor: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(descriptor, min(count, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
