"""On what the numbers were taken: processor, threads, versions, commit. Measures no speed."""

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from naga import __version__

CPUINFO = Path("/proc/cpuinfo")
# One-minute load per core above which another program plainly had its share.
BUSY = 0.5


@dataclass(frozen=True, kw_only=True)
class Machine:
    cpu: str
    cores: int
    threads: int
    """What every side computes with."""
    python: str
    torch: str
    naga: str
    commit: str | None
    """Of the working tree naga runs from, with + if it differs; None if it runs from none."""
    load_at_start: float
    """Average of the minute before: near 0 on a machine that does nothing else."""

    @property
    def busy(self) -> bool:
        return self.load_at_start > BUSY * self.cores

    @property
    def warning(self) -> str:
        """To be said before measuring on a busy one."""
        return (
            f"the machine is busy (load {self.load_at_start} on {self.cores} cores): what is "
            "measured now means little"
        )


def describe_machine(threads: int) -> Machine:
    return Machine(
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        threads=threads,
        python=platform.python_version(),
        torch=version("torch"),
        naga=__version__,
        commit=commit(Path(__file__)),
        load_at_start=round(os.getloadavg()[0], 2),
    )


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name, or its architecture where the system does not tell."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def commit(file: Path) -> str | None:
    """Abbreviated commit of the tree that tracks `file`; None without git or outside of one."""
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    head = _git(file.parent, "rev-parse", "--short=12", "HEAD")
    changed = _git(file.parent, "status", "--porcelain", "--untracked-files=no")
    return f"{head}+" if head and changed else head


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
