"""Forks the process that becomes a program, or the checker beside it, and confines it.

The forked process has nothing of the keeper but its code: pipes of its own as 0, 1, 2 (3 and 4 to
be called by), its own session, limits, filter, Landlock domain. Before any untrusted line runs it
says one byte, that it is confined, or else why it is not. Does not wait for its end.
"""

from __future__ import annotations

import binascii
import os
import signal

from naga.sandbox.guest import checker, confine, pipes

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READY = b"1"


class Started:
    """The keeper's side of a program: its process, and its pipes' other ends, -1 if given away."""

    def __init__(self, process: int, failure: str, ends: tuple[int, ...], feed: bytes) -> None:
        self.process = process
        self.failure = failure
        """Why it was not started; empty if it was."""
        self.stdin, self.stdout, self.stderr, self.requests, self.answers = ends
        self.feed = feed
        """For its stdin."""
        self.asking = b""
        """For its requests."""

    def close(self) -> None:
        """What nobody else has closed: a second close is an error that hides others."""
        for end in (self.stdin, self.stdout, self.stderr, self.requests, self.answers):
            if end >= 0:
                os.close(end)


def start(settings: dict[str, Any], order: dict[str, Any]) -> Started | None:
    """None in the new process, which is confined then and goes on as the program."""
    pairs = [os.pipe() for _ in range(6)]
    stdin, stdout, stderr, requests, answers, ready = pairs
    process = os.fork()
    if process == 0:
        inner = (stdin[0], stdout[1], stderr[1], requests[0], answers[1])
        _become(settings, order, inner, ready[1])
        return None
    for end in (stdin[0], stdout[1], stderr[1], requests[0], answers[1], ready[1]):
        os.close(end)
    said = os.read(ready[0], 4096)
    os.close(ready[0])
    failure = "" if said == READY else said.decode(errors="replace") or "it ended at once"
    ends = (stdin[1], stdout[0], stderr[0], requests[1], answers[0])
    return Started(process, failure, ends, binascii.a2b_base64(order["stdin"]))


def start_checker(
    settings: dict[str, Any], order: dict[str, Any], started: Started, asked: dict[str, Any]
) -> int:
    """The pipe its verdict comes by; the program's requests and answers are its own from now on."""
    verdicts, ready = os.pipe(), os.pipe()
    if os.fork() == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        inner = (nothing, nothing, nothing, started.requests, started.answers, verdicts[1])
        _become(settings, order, inner, ready[1], hidden=True)
        verdict = checker.verdict_of(asked, requests=3, answers=4)
        pipes.send(5, {"nonce": asked["nonce"], **verdict})
        os._exit(0)
    for end in (started.requests, started.answers, verdicts[1], ready[1]):
        os.close(end)
    started.requests = started.answers = -1
    os.read(ready[0], 4096)
    os.close(ready[0])
    return verdicts[0]


def _become(
    settings: dict[str, Any],
    order: dict[str, Any],
    inner: tuple[int, ...],
    ready: int,
    hidden: bool = False,
) -> None:
    try:
        # Past the numbers they get, so that none overwrites another.
        inner = tuple(_above(end, 64) for end in inner)
        said = _above(ready, 64)
        for number, end in enumerate(inner):
            os.dup2(end, number, inheritable=True)
        os.closerange(len(inner), said)
        os.closerange(said + 1, 1 << 16)
        os.setsid()
        _default_signals(bool(order["command"]))
        _confine(settings, order, hidden)
        os.write(said, READY)
        os.close(said)
    except BaseException as error:  # whatever it is, the program must not start
        os.write(said, f"{type(error).__name__}: {error}".encode())
        os._exit(1)


def _default_signals(command: bool) -> None:
    """What a program expects to find: of Python's three, only Python's own handler is kept."""
    signal.signal(signal.SIGINT, signal.SIG_DFL if command else signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ) if command else ():
        signal.signal(number, signal.SIG_DFL)


def _above(end: int, least: int) -> int:
    import fcntl

    return fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, least)


def _confine(settings: dict[str, Any], order: dict[str, Any], hidden: bool) -> None:
    if not hidden:
        # A hidden process may not write this either. A checker stays hidden from its first moment.
        confine.hide(False)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    grants = settings["grants"]
    if grants:
        confine.landlock({**grants, "write": order["writable"]})
    confine.limit(order["limits"])
    if settings["filter"]:
        confine.filter_calls(binascii.a2b_base64(settings["filter"]))
