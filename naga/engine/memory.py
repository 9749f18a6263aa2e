"""Whether a model fits into memory: what the system has left against what an engine will hold.

Available is what can be taken without swapping: the kernel's MemAvailable, and the room under every
memory limit of this process's control groups (v1 and v2), of which the page cache that can be
dropped is free. Where the system tells none of it (macOS), all physical memory. Knows the CPU's
memory alone; allocates nothing.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from naga.checkpoint.layout import Shape
from naga.checkpoint.load import memory_shapes, meta_model
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation
from naga.config.serve import EngineConfig
from naga.engine.cache import snapshots_within
from naga.model.account import account
from naga.model.lm import memory_dtype, value_dtype
from naga.runtime import DTYPES

# A limit above this is how control groups v1 say that there is none.
NO_LIMIT = 1 << 60
# Activations of one step, packing buffers, Python's own growth while it serves.
WORKSPACE = 250_000_000


@dataclass(frozen=True, kw_only=True)
class SystemMemory:
    """In bytes."""

    total: int
    available: int
    """Can be taken without swapping, under the control groups' limits too."""
    limit: int | None
    """The tightest of the control groups; None where there is none."""
    swap_total: int
    swap_free: int


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """Of one engine, in bytes."""

    weights: int
    """As the engine computes with them."""
    loading: int
    """The largest tensor as read and converted, held until the native one is packed from it."""
    states: int
    """Two recurrent states for each of max_running sequences, and the snapshots' budget."""
    kv: int
    """Keys and values of kv_tokens tokens."""

    @property
    def total(self) -> int:
        """At the worst moment: pools take memory when they are first used, after loading."""
        return self.weights + max(self.loading, self.states + self.kv) + WORKSPACE


def require_memory(
    config: ModelConfig,
    engine: EngineConfig,
    quantisation: Quantisation | None = None,
    *,
    packed: bool = False,
) -> None:
    """ConfigError, with the numbers, if an engine on the CPU would not fit; to call before loading.

    Other devices say themselves when they are full. Otherwise as memory_need.
    """
    if engine.device.startswith("cpu"):
        check_fits(
            memory_need(config, engine, quantisation, packed=packed), read_memory().available
        )


def check_fits(need: MemoryNeed, available: int) -> None:
    """ConfigError if `need` exceeds `available` bytes."""
    if need.total <= available:
        return
    loading = f", while loading {size(need.loading)} more" if need.loading else ""
    raise ConfigError(
        f"the model needs {size(need.total)} of memory (weights {size(need.weights)}{loading}; "
        f"states {size(need.states)}, KV pages {size(need.kv)}; workspace {size(WORKSPACE)}) but "
        f"{size(available)} are available, and swapping would make it useless; free some, lower "
        "max_running or kv_tokens, or take a smaller dtype or model"
    )


def memory_need(
    config: ModelConfig,
    engine: EngineConfig,
    quantisation: Quantisation | None = None,
    *,
    packed: bool = False,
) -> MemoryNeed:
    """What an engine holds of which `engine` names the dtype.

    `quantisation`: of the weights, if not what `engine` asks for. `packed`: they are read as they
    are, with nothing to convert.
    """
    assert engine.dtype is not None, "the checkpoint's own has been looked up"
    dtype = DTYPES[engine.dtype]
    native = engine.backend != "reference" and engine.device.startswith("cpu")
    if quantisation is None and engine.weights is not None:
        quantisation = Quantisation(format=engine.weights)
    shapes = memory_shapes(meta_model(config))
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    if quantisation is not None:
        weights = _quantised_bytes(shapes, quantisation)
    else:
        held = value_dtype if native else memory_dtype
        weights = sum(n * held(name, dtype).itemsize for name, n in sizes.items())
    # At most float32 as read, besides what it is converted to.
    loading = (4 + dtype.itemsize) * max(sizes.values()) if native and not packed else 0
    costs = account(config, dtype.itemsize, engine.kv)
    pages = engine.kv_tokens // engine.page_size
    snapshots = snapshots_within(engine.snapshot_bytes, costs.state_bytes)
    return MemoryNeed(
        weights=weights,
        loading=loading,
        states=(2 * engine.max_running + snapshots) * costs.state_bytes,
        kv=pages * engine.page_size * costs.kv_bytes_per_token,
    )


def _quantised_bytes(shapes: Mapping[str, Shape], quantisation: Quantisation) -> int:
    from naga.checkpoint.quantised import is_packed, packed_shapes

    held = packed_shapes(dict(shapes), quantisation)
    return sum(math.prod(shape) * (1 if is_packed(name) else 4) for name, shape in held.items())


def read_memory(root: Path = Path("/")) -> SystemMemory:
    """Of this machine and process; `root` is where /proc and /sys are."""
    meminfo = root / "proc" / "meminfo"
    if not meminfo.is_file():
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return SystemMemory(total=total, available=total, limit=None, swap_total=0, swap_free=0)
    found = {}
    for line in meminfo.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        found[name] = 1024 * int(value.split()[0])
    limits = list(_limits(root))
    return SystemMemory(
        total=found["MemTotal"],
        available=min([found["MemAvailable"], *(max(limit - used, 0) for limit, used in limits)]),
        limit=min((limit for limit, _ in limits), default=None),
        swap_total=found["SwapTotal"],
        swap_free=found["SwapFree"],
    )


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, used) of every control group above this process that has a limit."""
    listing, mounted = root / "proc" / "self" / "cgroup", root / "sys" / "fs" / "cgroup"
    text = listing.read_text(encoding="utf-8") if listing.is_file() else ""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            files = ("memory.max", "memory.current", "inactive_file")
            yield from _limits_above(mounted, path, *files)
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _limits_above(mounted / "memory", path, *files)


def _limits_above(
    base: Path, path: str, limit_file: str, usage_file: str, reclaimable: str
) -> Iterator[tuple[int, int]]:
    # Inside a container the path may be the host's, of which only the root is to be seen.
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts) + 1):
        folder = base.joinpath(*parts[:depth])
        if not (folder / limit_file).is_file():
            continue
        limit = (folder / limit_file).read_text(encoding="utf-8").strip()
        if limit == "max" or int(limit) >= NO_LIMIT:
            continue
        used = int((folder / usage_file).read_text(encoding="utf-8"))
        statistics = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
        rows = dict(line.split() for line in statistics)
        yield int(limit), used - int(rows.get(reclaimable, 0))


def size(count: int) -> str:
    """Bytes for people: `13.88 GB`."""
    return f"{count / 1e9:.2f} GB"
