"""Forks the process that becomes a program, or the checker beside it, and confines it.

The forked process has nothing of the keeper but its code: pipes of its own as 0, 1, 2 (3 and 4 to
be called by), its own session, limits, filter, Landlock domain. It says one byte when it is confined
or else why it is not, before any untrusted line runs. Does not wait for its end.
"""

import base64
import os
import signal
from dataclasses import dataclass
from typing import Any

from naga.sandbox.guest import checker, confine, pipes

READY = b"1"


@dataclass(kw_only=True)
class Started:
    """The keeper's side of a program."""

    process: int
    failure: str
    """Why it was not started; empty if it was."""
    stdin: int
    stdout: int
    stderr: int
    requests: int
    answers: int
    feed: bytes
    """For its stdin."""
    asking: bytes = b""
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
    return Started(
        process=process,
        failure="" if said == READY else said.decode(errors="replace") or "it ended at once",
        stdin=stdin[1],
        stdout=stdout[0],
        stderr=stderr[0],
        requests=requests[1],
        answers=answers[0],
        feed=base64.b64decode(order["stdin"]),
    )


def start_checker(
    settings: dict[str, Any], order: dict[str, Any], started: Started, asked: dict[str, Any]
) -> int:
    """The pipe its verdict comes by; the program's requests and answers are its own from now on."""
    verdicts, ready = os.pipe(), os.pipe()
    if os.fork() == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        inner = (nothing, nothing, nothing, started.requests, started.answers, verdicts[1])
        _become(settings, order, inner, ready[1], hidden=True)
        verdict = checker.verdict_of(asked["test"], asked["entry_point"], 3, 4)
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
        # Python ignores these; a program expects the usual.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL if order["command"] else signal.SIG_IGN)
        _confine(settings, order, hidden)
        os.write(said, READY)
        os.close(said)
    except BaseException as error:  # whatever it is, the program must not start
        os.write(said, f"{type(error).__name__}: {error}".encode())
        os._exit(1)


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
        confine.filter_calls(base64.b64decode(settings["filter"]))
