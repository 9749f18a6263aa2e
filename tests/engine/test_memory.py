"""memory.py: what the system has left, what an engine needs, and the refusal between the two."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga import _cpu
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.quantisation import Group, Quantisation, Weights
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine import backend, memory
from naga.engine.chat import open_engine
from naga.engine.engine import Engine
from naga.engine.memory import (
    WORKSPACE,
    MemoryNeed,
    SystemMemory,
    check_fits,
    memory_need,
    read_memory,
    require_memory,
)
from naga.model.account import account
from naga.model.lm import HybridLM
from naga.model.native import NativeModel
from naga.model.state import StatePool
from naga.runtime import Runtime

GB = 10**9
MEMINFO = """\
MemTotal:       16000000 kB
MemFree:         1000000 kB
MemAvailable:    9000000 kB
HugePages_Total:       0
SwapTotal:       2000000 kB
SwapFree:        1500000 kB
"""


def machine(root: Path, cgroup: str | None, groups: dict[str, tuple[str, int, int]]) -> Path:
    """A /proc and a /sys; `groups`: folder under /sys/fs/cgroup -> limit, usage, inactive_file."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(MEMINFO)
    if cgroup is not None:
        (root / "proc" / "self" / "cgroup").write_text(cgroup)
    for name, (limit, used, inactive) in groups.items():
        folder = root / "sys" / "fs" / "cgroup" / name
        folder.mkdir(parents=True, exist_ok=True)
        first = name.split("/")[0] == "memory"
        files = ("limit_in_bytes", "usage_in_bytes") if first else ("max", "current")
        (folder / f"memory.{files[0]}").write_text(f"{limit}\n")
        (folder / f"memory.{files[1]}").write_text(f"{used}\n")
        key = "total_inactive_file" if first else "inactive_file"
        (folder / "memory.stat").write_text(f"anon 5\ninactive_anon 7\n{key} {inactive}\n")
    return root


def test_without_control_groups_the_kernel_says_what_is_available(tmp_path: Path) -> None:
    found = read_memory(machine(tmp_path, None, {}))
    assert found == SystemMemory(
        total=16_384_000_000,
        available=9_216_000_000,
        limit=None,
        swap_total=2_048_000_000,
        swap_free=1_536_000_000,
    )


@pytest.mark.parametrize(
    ("cgroup", "groups", "limit", "available"),
    [
        # v2, in its own namespace: the limit is at the mount.
        ("0::/\n", {".": ("6000000000", 4 * GB, GB)}, 6 * GB, 3 * GB),
        # v2, the tightest room is above the process's own group, which has no limit.
        (
            "0::/a/b\n",
            {"a": (f"{8 * GB}", 6 * GB, 0), "a/b": ("max", 5 * GB, 0)},
            8 * GB,
            2 * GB,
        ),
        # v1, with the host's path to be seen.
        (
            "9:cpu:/x\n4:memory:/x\n0::/\n",
            {"memory": ("9223372036854771712", GB, 0), "memory/x": (f"{3 * GB}", 2 * GB, GB)},
            3 * GB,
            2 * GB,
        ),
        # v1 in a container: the path is the host's, the limit is at the mount.
        ("4:cpu,memory:/docker/f00\n", {"memory": (f"{GB}", 100, 0)}, GB, GB - 100),
        # A path out of the namespace.
        ("0::/../..\n", {".": (f"{GB}", 0, 0)}, GB, GB),
        # Over its limit: none left.
        ("0::/\n", {".": (f"{GB}", 2 * GB, 0)}, GB, 0),
        # A limit above what the machine has.
        ("0::/\n", {".": (f"{99 * GB}", GB, 0)}, 99 * GB, 9_216_000_000),
        # No limit at all.
        ("0::/\n", {".": ("max", GB, 0)}, None, 9_216_000_000),
        # v1's memory controller is not this process's.
        ("4:cpuset:/\n", {"memory": (f"{GB}", 0, 0)}, None, 9_216_000_000),
    ],
)
def test_control_groups_bound_what_is_available(
    tmp_path: Path,
    cgroup: str,
    groups: dict[str, tuple[str, int, int]],
    limit: int | None,
    available: int,
) -> None:
    found = read_memory(machine(tmp_path, cgroup, groups))
    assert (found.limit, found.available) == (limit, available)


def test_this_machine_tells() -> None:
    found = read_memory()
    assert 0 < found.available <= found.total
    assert 0 <= found.swap_free <= found.swap_total


@given(
    st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 2**44)
)
def test_what_exceeds_the_available_is_refused(
    weights: int, loading: int, pools: int, available: int
) -> None:
    need = MemoryNeed(weights=weights, loading=loading, states=pools // 3, kv=pools - pools // 3)
    assert need.total == weights + max(loading, pools) + WORKSPACE
    if need.total <= available:
        check_fits(need, available)
    else:
        with pytest.raises(ConfigError):
            check_fits(need, available)


def test_a_refusal_has_the_numbers_on_one_line() -> None:
    need = MemoryNeed(weights=14 * GB, loading=15 * GB, states=GB // 2, kv=2 * GB)
    with pytest.raises(ConfigError) as refused:
        check_fits(need, 20 * GB)
    assert str(refused.value).startswith(
        "the model needs 29.25 GB of memory (weights 14.00 GB, while loading 15.00 GB more; "
        "states 0.50 GB, KV pages 2.00 GB; workspace 0.25 GB) but 20.00 GB are available"
    )
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_the_need_is_what_tensors_take(model: HybridLM, runtime: Runtime, backend: str) -> None:
    dtype = str(runtime.dtype).removeprefix("torch.")
    given = {"dtype": dtype, "backend": backend, "max_running": 3, "kv_tokens": 1000}
    one = account(model.config, runtime.dtype.itemsize).state_bytes
    # Room for two snapshots, and not for a third.
    config = EngineConfig.model_validate(given | {"snapshot_bytes": 3 * one - 1})
    need = memory_need(model.config, config)
    if backend == "reference":
        held = sum(tensor.nbytes for tensor in model.state_dict().values())
        assert (need.weights, need.loading) == (held, 0)
    else:
        native = NativeModel.of(model, runtime.dtype, 1, _cpu.best_isa())
        # Packed, a matrix has whole panels of rows; these are as small as matrices get.
        assert need.weights <= native._plan.weight_bytes < 4 * need.weights
        largest = max(tensor.numel() for tensor in model.state_dict().values())
        assert need.loading == largest * (4 + runtime.dtype.itemsize)
    pool = StatePool.create(model.config, runtime, num_slots=8, num_pages=1000 // 64, page_size=64)
    assert need.states == sum(memory.nbytes for memory in pool.by_slot.values())
    assert need.kv == pool.keys.nbytes + pool.values.nbytes


@pytest.mark.parametrize(
    ("weights", "group"),
    [*product(("int8", "int4"), (32, 64, 128)), ("int8", "channel")],
)
def test_quantised_weights_are_counted_to_the_byte(
    model: HybridLM, runtime: Runtime, weights: Weights, group: Group
) -> None:
    dtype = str(runtime.dtype).removeprefix("torch.")
    quantisation = Quantisation(format=weights, group=group)
    config = EngineConfig.model_validate({"dtype": dtype, "weights": weights})
    need = memory_need(model.config, config, quantisation)
    native = NativeModel.of(model, runtime.dtype, 1, _cpu.best_isa(), quantisation)
    assert need.weights == native._plan.weight_bytes
    packed = memory_need(model.config, config, quantisation, packed=True)
    assert (packed.weights, packed.loading) == (need.weights, 0) != (need.weights, need.loading)
    if group == Quantisation(format=weights).group:
        assert memory_need(model.config, config) == need


def test_only_the_cpus_memory_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, small_model: HybridLM
) -> None:
    monkeypatch.setattr(memory, "read_memory", full)
    config = EngineConfig(device="cuda", dtype="float32")
    require_memory(small_model.config, config)
    with pytest.raises(ConfigError, match="the model needs"):
        require_memory(small_model.config, config.model_copy(update={"device": "cpu"}))


def full() -> SystemMemory:
    return SystemMemory(total=GB, available=0, limit=None, swap_total=9 * GB, swap_free=9 * GB)


def test_what_does_not_fit_is_refused_before_it_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_model: HybridLM,
    small_runtime: Runtime,
    tokenizer: Tokenizer,
) -> None:
    config, state = small_model.config, small_model.state_dict()
    save_model(tmp_path / "m", config, state, dtype=small_runtime.dtype, tokenizer=tokenizer)

    def load_nothing(*_: object) -> Engine:
        raise AssertionError("loaded")

    with monkeypatch.context() as patch:
        patch.setattr(memory, "read_memory", full)
        patch.setattr(backend, "load_model", load_nothing)
        patch.setattr(backend, "StoredModel", load_nothing)
        for name in ("native", "reference"):
            with pytest.raises(ConfigError, match="GB are available, and swapping"):
                open_engine(tmp_path / "m", EngineConfig(backend=name))
    open_engine(tmp_path / "m", EngineConfig()).close()
