"""What was measured of this machine, kept for whoever wants an estimate without measuring again.

One small file under state_home(); of another processor, number of threads or instruction set it is
not believed. A file that is damaged or cannot be written costs a measurement, no more.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from naga.bench.doctor import READ_BYTES, Kernels, measure_kernels
from naga.bench.machine import cpu_model
from naga.disk import state_home, write_atomic

SPEEDS_FILE = "speeds.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Speeds:
    cpu: str
    threads: int
    kernels: Kernels


_SPEEDS = TypeAdapter(Speeds)


def known_or_measured(
    threads: int, *, again: bool = False, read_bytes: int = READ_BYTES
) -> Kernels | None:
    """Kept speeds if they are this machine's, else measured and kept; None without kernels.

    `again`: measured in any case.
    """
    kept = None if again else read_speeds(threads)
    if kept is not None:
        return kept
    found = measure_kernels(threads, read_bytes)
    if not isinstance(found, Kernels):
        return None
    keep_speeds(found, threads)
    return found


def read_speeds(threads: int) -> Kernels | None:
    """Those kept; None if there are none, or of another machine."""
    try:
        kept = _SPEEDS.validate_json(_file().read_bytes())
    except (OSError, ValidationError):
        return None
    same = (kept.cpu, kept.threads, kept.kernels.isa) == (cpu_model(), threads, _isa())
    return kept.kernels if same else None


def keep_speeds(kernels: Kernels, threads: int) -> None:
    kept = Speeds(cpu=cpu_model(), threads=threads, kernels=kernels)
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_atomic(_file(), _SPEEDS.dump_json(kept, indent=1).decode())
    except OSError as error:
        logger.warning("%s: cannot be written: %s", _file(), error.strerror)


def _file() -> Path:
    return state_home() / SPEEDS_FILE


def _isa() -> str | None:
    """None where the kernels are not built."""
    try:
        from naga import _cpu
    except ImportError:
        return None
    return str(_cpu.best_isa())
