"""Takes rights away from the process that calls it: resource limits, Landlock, system calls.

Runs inside the sandbox, in the process that will be the program. Assumes Linux, x86-64 or AArch64
(the three Landlock calls have one number everywhere). What it cannot take away raises OSError: the
program is not started then. Gives nothing back.
"""

from __future__ import annotations

import ctypes
import os
import resource

# At run time `typing` would cost a sandbox milliseconds that it need not wait.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
PATH_BENEATH = 1
VERSION_FLAG = 1

EXECUTE, WRITE, READ, LIST = 1, 2, 4, 8
# Rights over files that each version of Landlock knows: 13 in the first, then refer, truncate,
# (network,) ioctl.
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
RIGHTS_NOW = (1 << 16) - 1
OF_FILES = EXECUTE | WRITE | READ | 1 << 14 | 1 << 15
CONNECT_AND_BIND = 3
ABSTRACT_SOCKETS_AND_SIGNALS = 3
# What a folder grants, by the word that a request uses.
GRANTS = {"read": READ | LIST | EXECUTE, "null": READ | WRITE, "write": RIGHTS_NOW & ~(1 << 15)}

_c = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("program", ctypes.c_void_p))


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def hide(hidden: bool) -> None:
    """Hidden: no other process of this user reads this one's memory, descriptors, environment."""
    control(PR_SET_DUMPABLE, int(not hidden))


def control(option: int, *arguments: Any) -> None:
    given = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_c.prctl(option, *given), f"prctl {option}")


def limit(limits: dict[str, int]) -> None:
    """By the names of setrlimit; none may be raised again."""
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        # SIGXCPU says why; the hard limit is for a program that ignores it.
        last = value + 1 if name == "CPU" else value
        if hard != resource.RLIM_INFINITY:
            value, last = min(value, hard), min(last, hard)
        resource.setrlimit(number, (value, last))


def filter_calls(program: bytes) -> None:
    control(PR_SET_NO_NEW_PRIVS, 1)
    memory = ctypes.create_string_buffer(program, len(program))
    described = _Filter(len(program) // 8, ctypes.addressof(memory))
    control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(described))


def landlock_version() -> int:
    """0 where the kernel has none."""
    return max(0, int(_c.syscall(LANDLOCK_CREATE, None, 0, VERSION_FLAG)))


def landlock(grants: dict[str, list[str]]) -> None:
    """Nothing of the file system but `grants`: paths by what they are granted for; no TCP.

    From version 6 on, no signals to and no abstract sockets of anything outside.
    """
    version = landlock_version()
    files = RIGHTS.get(version, RIGHTS_NOW)
    network = CONNECT_AND_BIND if version >= 4 else 0
    scoped = ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    wanted = _Ruleset(files, network, scoped)
    ruleset = _checked(_c.syscall(LANDLOCK_CREATE, ctypes.byref(wanted), size, 0), "landlock")
    for word, paths in grants.items():
        for path in paths:
            _grant(ruleset, path, GRANTS[word] & files)
    control(PR_SET_NO_NEW_PRIVS, 1)
    _checked(_c.syscall(LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _grant(ruleset: int, path: str, rights: int) -> None:
    if not os.path.exists(path):
        return
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):
        rights &= OF_FILES
    rule = _Beneath(rights, parent)
    added = _c.syscall(LANDLOCK_ADD, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
    _checked(added, f"landlock {path}")
    os.close(parent)


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result
