"""Command lines that start a sandbox of each tier, and the source text of what starts in it.

The launcher's environment is empty but for the seed of Python's hashes, so that a program does the
same thing twice; what is in a process's environment can be read under /proc in the sandbox. Started
by root, everything from the launcher on runs as a user of its own, since the kernel counts no
processes of root. Does not start anything (worker.py does).
"""

import base64
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from naga.sandbox.types import Tier

BWRAP = Path("/usr/bin/bwrap")
SETPRIV = Path("/usr/bin/setpriv")
SHELL = Path("/bin/sh")
GUEST = Path(__file__).parent / "guest"
MODULES = ("values", "pipes", "confine", "checker", "program", "descendants", "start", "watch")

# Numbers that no distribution and no part of systemd gives away, and that containers have too.
FIRST_USER, NUM_USERS = 60706, 478
PREFIX = "naga-sandbox-"
SCRATCH_BYTES = 16 << 20
HASH_SEED = {"PYTHONHASHSEED": "0"}
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
SETTINGS = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
# What a program must find either readable or missing: node ends where it is refused.
READ_OR_MISSING = ("/etc/ssl/openssl.cnf",)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

# Reads modules as text from its input and runs the keeper; nothing of naga need be readable inside.
BOOT = """
import binascii, json, marshal, os, sys, types
def exactly(count):
    parts = b""
    while len(parts) < count:
        part = os.read(0, count - len(parts))
        if not part:
            raise SystemExit(3)
        parts += part
    return parts
sent = json.loads(exactly(int(exactly(8), 16)))
for name in ("naga", "naga.sandbox", "naga.sandbox.guest"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
if sent["code"]:
    modules = marshal.loads(binascii.a2b_base64(sent["code"]))
else:
    modules = [(name, compile(source, name, "exec")) for name, source in sent["modules"]]
for name, code in modules:
    full = "naga.sandbox.guest." + name
    module = sys.modules[full] = types.ModuleType(full)
    setattr(sys.modules["naga.sandbox.guest"], name, module)
    exec(code, module.__dict__)
made = "" if sent["code"] else binascii.b2a_base64(marshal.dumps(modules), newline=False).decode()
sys.modules["naga.sandbox.guest.keeper"].main(sent["settings"], made)
"""

_serial = count(os.getpid() * 97)


@dataclass(frozen=True, kw_only=True)
class Python:
    """One that runs in the sandbox."""

    executable: str
    prefix: str
    version: str = ""
    code: str = ""
    """The guest's modules as this Python compiled them; never read on the host."""

    def __str__(self) -> str:
        return f"{self.executable} ({self.version})"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One sandbox, about to be."""

    user: int | None
    """Whose; None is whoever we are."""
    folder: Path | None
    """On the host, to compile in, where the sandbox has no /tmp of its own."""


def pythons() -> tuple[Python, ...]:
    """The one that runs naga, then the system's: the first that works inside is used."""
    base = Path(sys.base_prefix)
    own = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [Python(executable=str(own), prefix=str(base))] if own.exists() else []
    system = Python(executable="/usr/bin/python3", prefix="/usr")
    return (*found, system) if base != Path("/usr") else (system,)


def clear_places() -> None:
    """Removes folders of processes of naga that are dead."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if not Path("/proc", left.name.removeprefix(PREFIX).split("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)


def new_place(tier: Tier) -> Place:
    """Raises OSError if there is no room for its folder."""
    root = os.geteuid() == 0 and tier != "unsafe"
    user = FIRST_USER + next(_serial) % NUM_USERS if root else None
    if tier in ("cgroup", "namespace"):
        return Place(user=user, folder=None)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    if user is not None:
        os.chown(folder, user, user)
    return Place(user=user, folder=folder)


def command_line(
    tier: Tier, python: Python, place: Place, entrances: tuple[Path, ...]
) -> list[str]:
    """What to execute, with `BOOT` already in it."""
    inner = [python.executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", BOOT]
    if tier in ("cgroup", "namespace"):
        inner = [str(BWRAP), *_bubble(python), *inner]
    if place.user is not None:
        inner = [*_drop(place.user), *inner]
    if entrances:
        # The shell enters the groups before anything is started that could be counted elsewhere.
        enter = "".join(f'echo 0 > "${number + 1}" && ' for number in range(len(entrances)))
        rest = f"shift {len(entrances)} && exec" + ' "$@"'
        inner = [str(SHELL), "-c", enter + rest, "sh", *map(str, entrances), *inner]
    return inner


def _drop(user: int) -> list[str]:
    groups = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return [str(SETPRIV), *groups, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _bubble(python: Python) -> list[str]:
    shown: list[str] = []
    for path in SYSTEM:
        if Path(path).is_symlink():
            shown += ["--symlink", os.readlink(path), path]
        elif Path(path).is_dir():
            shown += ["--ro-bind", path, path]
    for path in SETTINGS:
        shown += ["--ro-bind-try", path, path]
    if not python.prefix.startswith("/usr"):
        shown += ["--ro-bind", python.prefix, python.prefix]
    for path in DEVICES:
        shown += ["--dev-bind", path, path]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        shown += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    size = ["--size", str(SCRATCH_BYTES), "--tmpfs"]
    scratch = ["--symlink", "/proc/self/fd", "/dev/fd", *size, "/dev/shm", *size, "/tmp"]
    # Whatever is not a mount of its own lies on the root, which has no limit of its own.
    closed = ["--remount-ro", "/", "--chdir", "/tmp"]
    apart = ["--unshare-all", "--unshare-user", "--die-with-parent", "--as-pid-1"]
    rights = ["--new-session", "--cap-drop", "ALL", "--clearenv"]
    seed = [word for pair in HASH_SEED.items() for word in ("--setenv", *pair)]
    return [*apart, *rights, *seed, *shown, "--proc", "/proc", *scratch, *closed]


def boot_message(tier: Tier, python: Python, place: Place, filters: bytes | None) -> dict[str, Any]:
    folder = str(place.folder) if place.folder else "/tmp"
    settings = {
        "first": tier in ("cgroup", "namespace"),
        "polled": tier != "cgroup",
        "folder": folder,
        "environment": {**ENVIRONMENT, "HOME": folder, "TMPDIR": folder},
        "filter": base64.b64encode(filters).decode() if filters else "",
        "grants": grants(python, place) if tier == "landlock" else {},
    }
    names = (*MODULES, "keeper")
    if python.code:
        return {"modules": [], "code": python.code, "settings": settings}
    modules = [[name, (GUEST / f"{name}.py").read_text(encoding="utf-8")] for name in names]
    return {"modules": modules, "code": "", "settings": settings}


def grants(python: Python, place: Place) -> Mapping[str, list[str]]:
    return {
        "read": [
            *SYSTEM,
            *SETTINGS,
            *READ_OR_MISSING,
            python.prefix,
            *DEVICES[1:],
            str(place.folder),
        ],
        "null": ["/dev/null"],
    }
