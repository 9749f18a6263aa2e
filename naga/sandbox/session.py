"""One program in one sandbox: compiled once, run or asked as often as it has tests.

Says whose fault a broken sandbox is. Before a program runs it is ours (`Unavailable`: missing).
Once it runs, the sandbox is replaced and the program tried again; if that breaks too, it is the
program that breaks sandboxes, and that is an error of its own. A run's status never rests on its
exit code alone: the kernel's count of processes ended for want of memory is read each time.
"""

import base64
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from naga.sandbox.languages import Language
from naga.sandbox.orders import command_order, compile_order, script_order
from naga.sandbox.pool import Pool
from naga.sandbox.types import Form, Limits, Status
from naga.sandbox.worker import Broken, Worker

# The kernel counts ticks for the limit and nanoseconds for the account, and they differ.
MOST = 0.8
OUT_OF_MEMORY = ("MemoryError", "std::bad_alloc")


class Unavailable(Exception):
    """No sandbox could be had for it: missing, not wrong."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one run of it went."""

    status: Status
    exit: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    answer: bytes = b""
    """What it said when asked, as it came: anything at all."""
    wall_s: float = 0.0
    max_rss: int = 0
    reason: str = ""


class Session:
    """A context; what it holds is thrown away at its end."""

    def __init__(self, pool: Pool, language: Language, source: str, limits: Limits) -> None:
        self._pool, self._language, self._limits = pool, language, limits
        self._source = source
        self._worker: Worker | None = None
        self.compiled: Ended | None = None
        """Set if it does not compile."""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def run(self, stdin: str) -> Ended:
        if self._language.run:
            return self._twice(command_order(self._language, stdin, self._limits), None)
        return self._twice(script_order(self._source, stdin, self._limits), None)

    def ask(self, question: Mapping[str, Any], form: Form | None = None) -> Ended:
        """Of a Python program."""
        order = script_order(self._source, "", self._limits, called=True, form=form)
        return self._twice(order, question)

    def compile(self) -> Ended | None:
        """None if it compiles, or need not; else why not. Runs do it by themselves."""
        self._entered()
        return self.compiled

    def _twice(self, order: Mapping[str, Any], question: Mapping[str, Any] | None) -> Ended:
        reason = ""
        for _ in range(2):
            worker = self._entered()
            if worker is None:
                assert self.compiled is not None
                return self.compiled
            try:
                return self._turn(worker, order, question)
            except Broken as error:
                self._leave()
                reason = f"{error}"
        return Ended(status="error", reason=f"it broke its sandbox twice: {reason}")

    def _turn(
        self, worker: Worker, order: Mapping[str, Any], question: Mapping[str, Any] | None
    ) -> Ended:
        kills = worker.kills()
        told = worker.turn(order, question)
        if "failed" in told:
            self._leave()
            raise Unavailable(f"the sandbox confines nothing: {told['failed']}")
        try:
            return _ended(told, order["limits"]["CPU"], starved=worker.kills() > kills)
        except (KeyError, TypeError, ValueError) as error:
            raise Broken(f"no account of a run: {error}") from None

    def _entered(self) -> Worker | None:
        """A sandbox with the program in it; None if it does not compile."""
        if self.compiled:
            return None
        if self._worker is None:
            self._worker = self._take()
            if self._language.run:
                self.compiled = self._compiled()
            if self.compiled is None:
                self._worker.limit(self._limits.memory_bytes, self._limits.processes)
        return self._worker if self.compiled is None else None

    def _compiled(self) -> Ended | None:
        """The failure, if it fails."""
        for _ in range(2):
            worker = self._worker or self._take()
            self._worker = worker
            worker.limit(self._limits.compile_memory_bytes, self._limits.processes)
            order = compile_order(self._language, self._source, self._limits, worker.folder)
            try:
                ended = self._turn(worker, order, None)
            except Broken:
                self._leave()
                continue
            if ended.status == "ok":
                return None
            reason = ended.reason if ended.status == "error" else f"compiler: {ended.reason}"
            return replace(ended, status="compile", reason=reason)
        return Ended(status="compile", reason="the compiler broke its sandbox twice")

    def _take(self) -> Worker:
        try:
            return self._pool.take()
        except Broken as error:
            raise Unavailable(f"{error}") from None

    def _leave(self) -> None:
        if self._worker:
            self._pool.throw_away(self._worker)
            self._worker = None


def _ended(told: Mapping[str, Any], cpu_s: int, *, starved: bool) -> Ended:
    stdout, stderr = base64.b64decode(told["stdout"]), base64.b64decode(told["stderr"])
    code = int(told["code"])
    spent = float(told["cpu_s"]) >= MOST * cpu_s
    status, reason = _judged(str(told["ended"]), code, stderr, starved=starved, spent=spent)
    return Ended(
        status=status,
        exit=code if told["ended"] == "exit" else None,
        stdout=stdout,
        stderr=stderr,
        answer=base64.b64decode(told["answer"]),
        wall_s=float(told["wall_s"]),
        max_rss=int(told["max_rss"]),
        reason=reason,
    )


def _judged(
    ended: str, code: int, stderr: bytes, *, starved: bool, spent: bool
) -> tuple[Status, str]:
    last = _last_line(stderr)
    if starved or ended == "memory":
        return "memory", "out of memory"
    if ended == "output":
        return "output", "too much output"
    if ended == "wall":
        return "timeout", "out of time"
    if ended == "answer" or code == 0:
        return "ok", ""
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and spent):
        return "timeout", "out of processor time"
    if any(word in last for word in OUT_OF_MEMORY):
        return "memory", last
    how = f"exit code {code}" if code > 0 else f"ended by {_signal_name(-code)}"
    return "error", f"{how}: {last}" if last else how


def _last_line(stderr: bytes) -> str:
    lines = stderr[-4096:].decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
