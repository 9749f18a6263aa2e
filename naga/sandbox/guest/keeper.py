"""The first process in a sandbox: starts one program at a time, watches it, tells how it ended.

It runs no untrusted code, and what it knows a program never sees: a program is forked before the
nonce of its result and the call or test it faces arrive, has none of the keeper's pipes, and cannot
read the keeper's memory or, being in a process namespace or a Landlock domain, signal it. Between
programs every process is killed. Ends when its input does, which is when the host's side dies.
Does not judge: expected outputs stay on the host.
"""

from __future__ import annotations

import binascii
import os
import signal
import sys
from contextlib import suppress

from naga.sandbox.guest import confine, pipes, program
from naga.sandbox.guest.descendants import sweep
from naga.sandbox.guest.start import Started, start, start_checker
from naga.sandbox.guest.watch import Watch

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST = 1 << 28


def main(settings: dict[str, Any], code: str) -> None:
    """Serve turns until the input ends. In a program's process: returns when the program has."""
    confine.hide(True)
    # The one signal that Python handles, and that the first process of a namespace would get.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not settings["first"]:
        confine.control(confine.PR_SET_CHILD_SUBREAPER, 1)
    os.environ.update(settings["environment"])
    os.chdir(settings["folder"])
    version = ".".join(map(str, sys.version_info[:3]))
    pipes.send(1, {"python": version, "prefix": sys.base_prefix, "code": code})
    while True:
        try:
            order = pipes.receive(0, LONGEST)
        except EOFError:
            return
        for name, text in order["files"].items():
            with open(name, "w", encoding="utf-8", errors="surrogatepass") as file:
                file.write(text)
        started = start(settings, order)
        if started is None:
            program.take_over(order)
            return
        question = pipes.receive(0, LONGEST)
        told = follow(settings, order, started, question)
        pipes.send(1, {"nonce": question["nonce"], **told})


def follow(
    settings: dict[str, Any], order: dict[str, Any], started: Started, question: dict[str, Any]
) -> dict[str, Any]:
    if started.failure:
        sweep(settings["first"])
        started.close()
        return {"failed": started.failure}
    asked, verdicts = question["ask"], None
    if asked and "test" in asked and order["form"] == "isolated":
        verdicts = start_checker(settings, order, started, asked)
    elif asked:
        started.asking = pipes.pack(asked)
    watch = Watch(order, started, verdicts, polled=settings["polled"], first=settings["first"])
    ended = watch.follow()
    code, usage = _ended(started.process)
    sweep(settings["first"])
    watch.drain()
    answer = bytes(watch.answer)
    watch.close()
    return {
        "ended": ended,
        "code": code,
        "stdout": binascii.b2a_base64(watch.stdout, newline=False).decode(),
        "stderr": binascii.b2a_base64(watch.stderr, newline=False).decode(),
        "wall_s": watch.wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "max_rss": usage.ru_maxrss << 10,
        "answer": binascii.b2a_base64(answer, newline=False).decode(),
    }


def _ended(process: int) -> tuple[int, Any]:
    """Ends it, if it has not; its exit code, or minus its signal."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage
