"""Symbolic equality by math-verify, which runs in child processes and never in this one.

A `Pool` keeps a few children (child.py), started when first needed. Each request has a limit on
processor time, which the *answer* can use up (wrong), and a far longer one on wall time, which only
a stalled machine can (missing). A child that does not reply is killed and another started. Outcomes
are kept in a bounded cache. Expects what guard rules in shape.py let through, but is safe without
them: they save time, not lives. `command` is all that ties it to this machine's Python: put a
sandbox in front of it if wished.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from types import TracebackType
from typing import Literal, Self

from naga.config.base import ConfigError

CHILD = (sys.executable, "-I", str(Path(__file__).with_name("child.py")))
START_S = 120.0
GRACE_S = 5.0
"""How long beyond its own wall limit a child may take to say so."""

Status = Literal["equal", "different", "refused", "missing"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    cpu_s: float = 0.4
    """Processor time for one comparison; what needs more is no answer."""
    wall_s: float = 20.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Comparison:
    status: Status
    """refused: the answer's own fault (unparsable, endless, huge); missing: anyone else's."""
    reason: str = ""


class ChildFailed(RuntimeError):
    """The child died or did not reply in time."""


class Child:
    """One process; its requests come one at a time."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            self._read(START_S)
        except ChildFailed:
            self.kill()
            raise

    def ask(self, request: dict[str, object], wall_s: float) -> dict[str, str]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise ChildFailed("the child has died") from None
        return self._read(wall_s)

    def _read(self, wall_s: float) -> dict[str, str]:
        assert self.process.stdout is not None
        source, line = self.process.stdout.fileno(), b""
        deadline = time.monotonic() + wall_s
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([source], [], [], left)[0]:
                raise ChildFailed("the child does not reply")
            part = os.read(source, 1 << 16)
            if not part:
                raise ChildFailed("the child has died")
            line += part
        try:
            reply: dict[str, str] = json.loads(line)
        except ValueError:
            raise ChildFailed("the child does not speak JSON") from None
        return reply

    def kill(self) -> None:
        """The child and, since it leads a process group of its own, whatever it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


class Pool:
    """Use as a context manager, or close it. May be used from several threads, not after a fork."""

    def __init__(
        self,
        *,
        size: int = 2,
        limits: Limits | None = None,
        cache_size: int = 20_000,
        command: tuple[str, ...] = CHILD,
    ) -> None:
        self.limits = limits or Limits()
        self._start: Callable[[], Child] = lambda: Child(command)
        self._free: LifoQueue[Child | None] = LifoQueue()
        for _ in range(size):
            self._free.put(None)
        self._size = size
        self._cache: OrderedDict[tuple[str, str], Comparison] = OrderedDict()
        self._cache_size = cache_size
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Waits for comparisons under way; the pool may be used again."""
        children = [self._free.get() for _ in range(self._size)]
        for child in children:
            _kill(child)
            self._free.put(None)

    def compare(self, gold: str, answer: str) -> Comparison:
        """Both in LaTeX without delimiters. Never raises for what the answer holds."""
        key = (gold, answer)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        found = self._ask(gold, answer)
        if found.status != "missing":
            with self._lock:
                self._cache[key] = found
                while len(self._cache) > self._cache_size:
                    self._cache.popitem(last=False)
        return found

    def _ask(self, gold: str, answer: str) -> Comparison:
        request: dict[str, object] = {
            "gold": gold,
            "answer": answer,
            "cpu_s": self.limits.cpu_s,
            "wall_s": self.limits.wall_s,
            "memory_bytes": self.limits.memory_bytes,
        }
        child = self._free.get()
        try:
            if child is None:
                child = self._start()
            return _comparison(child.ask(request, self.limits.wall_s + GRACE_S))
        except ChildFailed as failure:
            _kill(child)
            child = None
            return Comparison(status="missing", reason=str(failure))
        except BaseException:  # interrupted between question and reply: the next would get this one
            _kill(child)
            child = None
            raise
        finally:
            self._free.put(child)


def _kill(child: Child | None) -> None:
    if child is not None:
        child.kill()


def _comparison(reply: dict[str, str]) -> Comparison:
    outcome = reply["outcome"]
    if outcome == "equal":
        return Comparison(status="equal")
    if outcome == "different":
        return Comparison(status="different", reason="not the same expression")
    if outcome == "gold unparsable":
        return Comparison(status="missing", reason="the gold answer cannot be parsed")
    if outcome == "answer unparsable":
        return Comparison(status="refused", reason="the answer cannot be parsed")
    if reply["fault"] == "answer":
        return Comparison(status="refused", reason=f"comparing the answer is {outcome}")
    whose = {"gold": "the gold answer", "machine": "the child"}[reply["fault"]]
    return Comparison(status="missing", reason=f"{whose}: {outcome}")


def require_math_verify() -> None:
    if find_spec("math_verify") is None:
        raise ConfigError(
            "symbolic comparison: math-verify is not installed; pip install 'naga-lm[rl]'"
        )
