"""Follows one program until it ends, answers, or uses more than it may.

A single loop over its pipes: what it prints is kept up to the limit, what it should read is given
to it as it reads. Time in which the keeper itself stood still (a stopped or overloaded machine) is
not the program's. Does not end the program; says what for.
"""

from __future__ import annotations

import os
import select
import time

from naga.sandbox.guest import pipes
from naga.sandbox.guest.descendants import memory_of_all, sweep
from naga.sandbox.guest.start import Started

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TICK_S = 0.05
STALL_S = 0.5
"""A tick late by more than this was not waited for but lost."""
CHUNK = 1 << 16
LONGEST_ANSWER = 1 << 24
READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Watch:
    def __init__(
        self,
        order: dict[str, Any],
        started: Started,
        verdicts: int | None,
        *,
        polled: bool,
        first: bool,
    ) -> None:
        self.stdout, self.stderr, self.answer = bytearray(), bytearray(), bytearray()
        self.wall_s = 0.0
        self._order, self._first = order, first
        self._polled = polled
        self._awaited = started.answers if verdicts is None else verdicts
        self._sinks = {started.stdout: self.stdout, started.stderr: self.stderr}
        self._sinks[self._awaited] = self.answer
        self._feeds = {started.stdin: started.feed}
        if started.requests >= 0:
            self._feeds[started.requests] = started.asking
        # A checker outlives the program it asks for long enough to say that it failed.
        self._end = os.pidfd_open(started.process) if verdicts is None else -1
        self._poll = select.poll()
        for end in self._sinks:
            os.set_blocking(end, False)
            self._poll.register(end, select.POLLIN)
        if self._end >= 0:
            self._poll.register(self._end, select.POLLIN)
        # The host's side: reported when it is gone, whatever is asked for.
        self._poll.register(0, 0)
        for end in list(self._feeds):
            os.set_blocking(end, False)
            self._poll.register(end, select.POLLOUT)
            if not self._feeds[end]:
                self._forget(end)

    def follow(self) -> str:
        """exit, answer, wall, output or memory."""
        begun = before = time.monotonic()
        lost = 0.0
        while True:
            self.wall_s = time.monotonic() - begun - lost
            left = self._order["wall_s"] - self.wall_s
            if left <= 0:
                return "wall"
            ready = self._poll.poll(1000 * min(TICK_S, left))
            now = time.monotonic()
            late = now - before - TICK_S
            lost += late if late > STALL_S else 0.0
            before = now
            ended = self._handle(ready) or self._over_limit()
            if ended:
                self.wall_s = now - begun - lost
                return ended

    def drain(self) -> None:
        """What is in the pipes still, once nobody writes any more."""
        for end in list(self._sinks):
            while end in self._sinks and self._read(end):
                if self._too_much():
                    break

    def close(self) -> None:
        for end in [*self._sinks, *self._feeds]:
            os.close(end)
        if self._end >= 0:
            os.close(self._end)

    def _handle(self, ready: list[tuple[int, int]]) -> str:
        for end, event in ready:
            if end == 0:
                sweep(self._first)
                os._exit(0)
            if end in self._feeds:
                self._write(end)
            elif end in self._sinks and event & READABLE:
                self._read(end)
        if self._answered():
            return "answer"
        gone = any(end == self._end for end, _ in ready)
        # A checker that ended without a verdict has closed its pipe.
        silent = self._end < 0 and self._awaited not in self._sinks
        return "exit" if gone or silent else ""

    def _over_limit(self) -> str:
        if self._too_much():
            return "output"
        if self._polled and memory_of_all(self._first) > self._order["memory_bytes"]:
            return "memory"
        return ""

    def _too_much(self) -> bool:
        longest = self._order["output_bytes"]
        return (
            max(len(self.stdout), len(self.stderr)) > longest or len(self.answer) > LONGEST_ANSWER
        )

    def _answered(self) -> bool:
        if not self._order["awaits"]:
            return False
        try:
            return pipes.unpack(bytes(self.answer), LONGEST_ANSWER) is not None
        except (ValueError, RecursionError):
            # No message: the host, who sees the same bytes, says so.
            return True

    def _read(self, end: int) -> bool:
        try:
            part = os.read(end, CHUNK)
        except BlockingIOError:
            return False
        self._sinks[end] += part
        if not part:
            self._forget(end)
        return bool(part)

    def _write(self, end: int) -> None:
        rest = self._feeds[end]
        try:
            self._feeds[end] = rest[os.write(end, rest[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._feeds[end] = b""
        if not self._feeds[end]:
            self._forget(end)

    def _forget(self, end: int) -> None:
        self._poll.unregister(end)
        self._sinks.pop(end, None)
        self._feeds.pop(end, None)
        os.close(end)
