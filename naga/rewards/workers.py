"""Who grades by rule: here, or in children that can be killed.

A child that does not answer in time, dies, or answers out of turn (a grader that forked) is killed
with all of its process group, and the row is missing, never wrong. Each row is asked once more of a
fresh child where the fault may have been that of the row before. Threads may share a Workers.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import LifoQueue
from typing import Any, Protocol, Self

from naga.rewards.types import Row
from naga.rewards.worker import grade
from naga.tasks import Task, Verdict

COMMAND = (sys.executable, "-m", "naga.rewards.worker")
START_S = 120.0


class Grades(Protocol):
    def __call__(self, row: Row, reply: str) -> Verdict:
        """Judge `reply`, what follows the thinking of the row's response."""


class Here:
    """In this process: for graders that are known to end, and those that run programs."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks

    def __call__(self, row: Row, reply: str) -> Verdict:
        return grade(self._tasks, row, reply)


class Workers:
    def __init__(
        self, *, size: int = 2, timeout_s: float = 30.0, command: tuple[str, ...] = COMMAND
    ) -> None:
        """`command` starts what speaks as worker.py does."""
        self._timeout_s, self._command, self._size = timeout_s, command, size
        self._free: LifoQueue[_Child | None] = LifoQueue()
        for _ in range(size):
            self._free.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for what is being graded."""
        for child in [self._free.get() for _ in range(self._size)]:
            if child is not None:
                child.kill()
            self._free.put(None)

    def __call__(self, row: Row, reply: str) -> Verdict:
        child = self._free.get()
        used = child is not None
        try:
            try:
                child = child or _Child(self._command)
                return child.ask(row, reply, self._timeout_s)
            except _OutOfTurn:
                if not used or child is None:
                    raise
                child.kill()
                child = _Child(self._command)
                return child.ask(row, reply, self._timeout_s)
        except _Failed as failure:
            if child is not None:
                child.kill()
            child = None
            return Verdict(score=None, reason=f"task {row.task!r}: {failure}")
        except BaseException:  # interrupted: the next row would get this one's verdict
            if child is not None:
                child.kill()
            child = None
            raise
        finally:
            self._free.put(child)


class _Failed(Exception):
    """One line."""


class _OutOfTurn(_Failed):
    """Dead, or an answer to another question: the row before may have left it so."""


class _Child:
    def __init__(self, command: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._left, self._asked = b"", 0
        try:
            self._read("ready", START_S)
        except BaseException:
            self.kill()
            raise

    def ask(self, row: Row, reply: str, timeout_s: float) -> Verdict:
        self._asked += 1
        prompt = [(message.role, message.content) for message in row.prompt]
        question = {"id": f"{self._asked}", "task": row.task, "prompt": prompt}
        # A grader needs no gold where there is an answer.
        compared = {"answer": row.answer, "gold": "" if row.answer else row.gold}
        line = json.dumps({**question, **compared, "reply": reply}).encode() + b"\n"
        deadline = time.monotonic() + timeout_s
        self._write(line, deadline)
        found = self._read(f"{self._asked}", deadline - time.monotonic())
        return Verdict(
            score=found["score"],
            parts=found["parts"],
            matched_by=found["matched_by"],
            reason=found["reason"],
        )

    def kill(self) -> None:
        """And all that it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _write(self, line: bytes, deadline: float) -> None:
        assert self._process.stdin is not None
        target = self._process.stdin.fileno()
        os.set_blocking(target, False)
        while line:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([], [target], [], left)[1]:
                raise _Failed("the grader does not read its question; it was killed")
            try:
                line = line[os.write(target, line) :]
            except BrokenPipeError:
                raise _OutOfTurn("the grader died") from None

    def _read(self, wanted: str, timeout_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        source, deadline = self._process.stdout.fileno(), time.monotonic() + timeout_s
        while b"\n" not in self._left:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([source], [], [], left)[0]:
                raise _Failed(f"the grader did not answer in {timeout_s:.3g} s; it was killed")
            part = os.read(source, 1 << 16)
            if not part:
                raise _OutOfTurn("the grader died")
            self._left += part
        line, _, self._left = self._left.partition(b"\n")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            raise _OutOfTurn("the grader does not speak JSON") from None
        if found.get("id") != wanted:
            raise _OutOfTurn("the grader answered another question")
        return found
