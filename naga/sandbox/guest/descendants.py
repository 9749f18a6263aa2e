"""Every process that a program has left behind: found, counted, ended.

As the first process of a namespace all others are ours; elsewhere they are those below us, orphans
included, for whom this process has made itself the parent (PR_SET_CHILD_SUBREAPER).
"""

import os
import signal

PAGE = os.sysconf("SC_PAGE_SIZE")


def sweep(first: bool) -> None:
    """End all and wait for their end."""
    while True:
        if first:
            # To all but the sender and process 1, who are one; no fork slips through.
            _signal(-1)
        else:
            for process in descendants():
                _signal(process)
        try:
            while os.waitpid(-1, os.WNOHANG if not first else 0)[0]:
                continue
        except ChildProcessError:
            return


def descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        parent = _parent(name) if name.isdigit() else None
        if parent is not None:
            children.setdefault(parent, []).append(int(name))
    found, rest = [], [os.getpid()]
    while rest:
        below = children.get(rest.pop(), [])
        found += below
        rest += below
    return found


def memory_of_all(first: bool) -> int:
    """Bytes resident that no file or shared memory backs; what forks share counts for each."""
    here = os.getpid()
    everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()] if first else None
    return sum(_memory(process) for process in everyone or descendants() if process != here)


def _signal(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _parent(name: str) -> int | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _memory(process: int) -> int:
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            _, resident, shared = map(int, file.read().split()[:3])
    except (OSError, ValueError):
        return 0
    return (resident - shared) * PAGE
