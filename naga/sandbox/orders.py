"""What a keeper is told to start, and under which limits: script, program to call, command."""

import base64
import os
from pathlib import Path
from typing import Any

from naga.sandbox.languages import Language
from naga.sandbox.types import Form, Limits

# Of 1 byte a core is too small to be written, and not handed to a program of the machine's either.
NO_CORE = 1
OWN_PROCESSES = 3
"""The keeper, the program, a checker."""
COMPILED_BYTES = 64 << 20


def script_order(
    source: str, stdin: str, limits: Limits, *, called: bool = False, form: Form | None = None
) -> dict[str, Any]:
    """A Python program, run as a script or (`called`) loaded to be asked."""
    order = _order(limits, stdin, memory_bytes=limits.memory_bytes)
    return {**order, "source": source, "awaits": called, "form": form}


def command_order(language: Language, stdin: str, limits: Limits) -> dict[str, Any]:
    """A program that has a command, compiled already if it must be."""
    order = _order(limits, stdin, memory_bytes=limits.memory_bytes)
    if not language.address_space:
        del order["limits"]["AS"]
    return {**order, "command": list(language.run)}


def compile_order(language: Language, source: str, limits: Limits, folder: str) -> dict[str, Any]:
    """Writes the source; compiles it, or does nothing where nothing is to be."""
    order = _order(limits, "", memory_bytes=limits.compile_memory_bytes)
    order["limits"] |= {"CPU": int(limits.compile_s) + 1, "FSIZE": COMPILED_BYTES, "NOFILE": 256}
    return {
        **order,
        "files": {language.file: source},
        "command": list(language.compile) or ["/usr/bin/true"],
        "wall_s": limits.compile_s,
        "writable": [folder],
    }


def _order(limits: Limits, stdin: str, memory_bytes: int) -> dict[str, Any]:
    processes = limits.processes + OWN_PROCESSES + _processes_beside()
    return {
        "files": {},
        "source": "",
        "command": [],
        "awaits": False,
        "form": None,
        "stdin": base64.b64encode(stdin.encode(errors="surrogatepass")).decode(),
        "writable": [],
        "wall_s": limits.wall_s,
        "output_bytes": limits.output_bytes,
        "memory_bytes": memory_bytes,
        "limits": {
            "AS": memory_bytes,
            "CPU": limits.cpu_s,
            "FSIZE": limits.file_bytes,
            "NOFILE": limits.open_files,
            "CORE": NO_CORE,
            "NPROC": processes,
            "MSGQUEUE": 0,
        },
    }


def _processes_beside() -> int:
    """Of our own user, whose programs' processes count with them; root's have a user each."""
    user = os.geteuid()
    if user == 0:
        return 0
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == user:
                found += len(os.listdir(process / "task"))
        except OSError:
            continue
    return found
