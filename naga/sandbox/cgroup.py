"""Control groups around sandboxes: memory and processes of all that is inside, counted together.

Both versions of the kernel's interface, under one's own group: version 1 with a hierarchy for each
of memory and pids, version 2 with one for all, where the group above one's own must have been
delegated (a group that holds processes gives its children no controllers). A group is removed when
its processes are gone. Assumes nothing about systemd. Does not change groups that it has not made.
"""

import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from naga.config.base import ConfigError

MOUNTS = Path("/proc/self/mountinfo")
OWN = Path("/proc/self/cgroup")
REMOVAL_S = 5.0
PREFIX = "naga-"

_serial = count()


class Group(ABC):
    """One sandbox's group."""

    @property
    @abstractmethod
    def entrances(self) -> tuple[Path, ...]:
        """Files to which a process writes 0 to be in."""

    @abstractmethod
    def limit_memory(self, memory_bytes: int) -> None: ...

    @abstractmethod
    def limit_processes(self, processes: int) -> None: ...

    @abstractmethod
    def kills(self) -> int:
        """How many processes the kernel has ended for want of memory; no exit code tells."""

    @property
    @abstractmethod
    def folders(self) -> tuple[Path, ...]: ...

    def remove(self) -> None:
        """Once its processes are dead; the kernel may take a moment to let them go."""
        deadline = time.monotonic() + REMOVAL_S
        for folder in self.folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.002)


@dataclass(frozen=True, kw_only=True)
class FirstVersion(Group):
    memory: Path
    pids: Path

    @property
    def entrances(self) -> tuple[Path, ...]:
        return self.memory / "cgroup.procs", self.pids / "cgroup.procs"

    def limit_memory(self, memory_bytes: int) -> None:
        plain = self.memory / "memory.limit_in_bytes"
        swap = self.memory / "memory.memsw.limit_in_bytes"
        # With swap it is never to be less than without: lower the one first, or raise it last.
        written = [file for file in (plain, swap) if file.exists()]
        if int(plain.read_text()) < memory_bytes:
            written.reverse()
        for file in written:
            file.write_text(str(memory_bytes))

    def limit_processes(self, processes: int) -> None:
        (self.pids / "pids.max").write_text(str(processes))

    def kills(self) -> int:
        return _field(self.memory / "memory.oom_control", "oom_kill")

    @property
    def folders(self) -> tuple[Path, ...]:
        return self.memory, self.pids


@dataclass(frozen=True, kw_only=True)
class SecondVersion(Group):
    folder: Path

    @property
    def entrances(self) -> tuple[Path, ...]:
        return (self.folder / "cgroup.procs",)

    def limit_memory(self, memory_bytes: int) -> None:
        (self.folder / "memory.max").write_text(str(memory_bytes))
        swap = self.folder / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    def limit_processes(self, processes: int) -> None:
        (self.folder / "pids.max").write_text(str(processes))

    def kills(self) -> int:
        return _field(self.folder / "memory.events", "oom_kill")

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.folder,)


@dataclass(frozen=True, kw_only=True)
class Parent:
    """Where groups are made."""

    version: int
    folders: tuple[Path, ...]
    """Of memory and of pids; one folder in version 2."""

    def new_group(self) -> Group:
        """OSError where it may not be made, or lacks a controller."""
        name = f"{PREFIX}{os.getpid()}-{next(_serial)}"
        made = [folder / name for folder in self.folders]
        for folder in made:
            folder.mkdir()
        group: Group
        if self.version == 1:
            group = FirstVersion(memory=made[0], pids=made[1])
            needed = [made[0] / "memory.oom_control", made[1] / "pids.max"]
        else:
            group = SecondVersion(folder=made[0])
            needed = [made[0] / "memory.max", made[0] / "pids.max"]
        for file in needed:
            if not file.exists():
                group.remove()
                raise FileNotFoundError(f"{file.parent} has no {file.name}")
        return group

    def clear(self) -> None:
        """Removes what processes of naga that are dead could not; a group in use stays."""
        for folder in self.folders:
            for left in folder.glob(f"{PREFIX}*-*"):
                if not Path("/proc", left.name.split("-")[1]).exists():
                    with suppress(OSError):
                        left.rmdir()


def find_parent(mounts: Path = MOUNTS, own: Path = OWN) -> Parent:
    """The first place where a group can be made; ConfigError says why there is none."""
    refused = []
    for parent in _parents(_mounted(mounts), _memberships(own)):
        try:
            parent.new_group().remove()
        except OSError as error:
            refused.append(f"{error.strerror or error}")
            continue
        return parent
    raise ConfigError("no control group: " + ("; ".join(refused) or "none is mounted"))


def _parents(mounted: dict[str, tuple[Path, str]], own: dict[str, str]) -> list[Parent]:
    found = []
    if "memory" in mounted and "pids" in mounted:
        folders = tuple(_inside(*mounted[name], own.get(name, "/")) for name in ("memory", "pids"))
        found.append(Parent(version=1, folders=folders))
    if "" in mounted:
        folder = _inside(*mounted[""], own.get("", "/"))
        top = mounted[""][0]
        places = [folder] if folder == top else [folder, folder.parent]
        found += [Parent(version=2, folders=(place,)) for place in places]
    return found


def _inside(mount: Path, root: str, group: str) -> Path:
    """A container's mount may show only what is below `root`."""
    shown = group.removeprefix(root) if root != "/" else group
    return mount / shown.strip("/")


def _mounted(mounts: Path) -> dict[str, tuple[Path, str]]:
    """Mount point and shown root by controller; version 2 is the empty name."""
    found = {}
    for line in mounts.read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        kind, _, options = right.split(maxsplit=2)
        if kind == "cgroup2":
            found[""] = (Path(point), root)
        elif kind == "cgroup":
            for option in options.split(","):
                found[option] = (Path(point), root)
    return found


def _memberships(own: Path) -> dict[str, str]:
    found = {}
    for line in own.read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = group
    return found


def _field(file: Path, name: str) -> int:
    with suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
