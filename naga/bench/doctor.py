"""What this machine is, what it can do, and which models fit and how fast they can be at most.

Measures how fast memory is read and products are computed, for some tenths of a second each.
Expected speeds are limits, not forecasts: a decoded token reads the active weights once and reads
and writes its state; a token of a prompt computes its FLOPs, logits of the last one aside. Changes
nothing, loads no model.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from rich.console import Group, RenderableType
from rich.table import Table

from naga.bench.limits import (
    ELEMENTS,
    PRODUCTS,
    Arithmetic,
    Precision,
    dtype_of,
    weights_of,
)
from naga.bench.machine import cpu_model
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.engine.memory import MemoryNeed, SystemMemory, memory_need, read_memory, size
from naga.model.account import Account, account
from naga.runtime import DTYPES

ISAS = ("portable", "avx2", "avx512", "avx512_bf16")
# What a model may be held in, as --weights and --dtype say it.
HELD: tuple[Precision, ...] = ("bf16", "int8", "int4")
# Many times any last cache.
READ_BYTES = 1 << 29
NOT_BUILT = (
    "install naga again where there is a C++17 compiler (Debian: apt install g++; "
    "macOS: xcode-select --install)"
)


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The native kernels and what they were measured to do."""

    isa: str
    """Chosen: the best of `isas`."""
    isas: tuple[str, ...]
    """Instruction sets that this processor has and kernels were built for."""
    read_one_thread: float
    """Bytes of memory read, a second."""
    read_all_threads: float
    product_flops: Mapping[Arithmetic, float]
    """FLOP of products a second on all threads, by arithmetic."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One model in one precision, in an engine with default settings."""

    model: str
    precision: Precision
    weight_bytes: int
    state_bytes: int
    """Of one sequence."""
    kv_bytes_per_1k_tokens: int
    need_bytes: int
    """At the worst moment, with the pools of max_running sequences and kv_tokens tokens."""
    fits: bool
    decode_tokens_per_s: float | None
    """At most, batch 1, empty context; None where nothing was measured."""
    prefill_tokens_per_s: float | None
    """At most, short context."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    cpu: str
    cores: int
    threads: int
    """What the engine computes with."""
    kernels: Kernels | None
    problem: str | None
    """Why there are no kernels."""
    memory: SystemMemory
    fits: tuple[Fit, ...]

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.doctor.1", **asdict(self)}, indent=2, ensure_ascii=False)

    def table(self) -> RenderableType:
        facts = Table(box=None, show_header=False)
        for name, value in self._facts():
            facts.add_row(name, value)
        return Group(facts, "", _models_table(self.fits), NOTE) if self.fits else facts

    def _facts(self) -> list[tuple[str, str]]:
        facts = [
            ("processor 处理器", f"{self.cpu}, {self.cores} cores 核"),
            ("threads 线程", f"{self.threads}"),
        ]
        if self.kernels is None:
            facts.append(
                ("kernels 内核", f"not built 未构建: {self.problem}; fix 修复: {NOT_BUILT}")
            )
        else:
            facts += _kernel_facts(self.kernels, self.threads)
        return [*facts, ("memory 内存", _describe_memory(self.memory))]


NOTE = (
    "Speeds in tokens/s are this machine's limits (batch 1, empty context), not forecasts. "
    "A model needs its weights, the largest twice while it is loaded, and the engine's pools.\n"
    "速度（词元/秒）为本机上限（批大小 1，空上下文），并非预测。"
    "所需内存：权重（加载时最大的一个另有一份）与引擎的缓存池。"
)


def diagnose(models: Mapping[str, ModelConfig], *, read_bytes: int = READ_BYTES) -> Diagnosis:
    """Measure the machine; `models` by the name they are shown under."""
    threads, memory = torch.get_num_threads(), read_memory()
    kernels = measure_kernels(threads, read_bytes)
    found = kernels if isinstance(kernels, Kernels) else None
    return Diagnosis(
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        threads=threads,
        kernels=found,
        problem=None if isinstance(kernels, Kernels) else kernels,
        memory=memory,
        fits=tuple(
            fit(name, config, precision, memory.available, found)
            for name, config in models.items()
            for precision in HELD
        ),
    )


def measure_kernels(threads: int, read_bytes: int) -> Kernels | str:
    """What the native kernels can do here, or why there are none."""
    try:
        from naga import _cpu
    except ImportError as error:
        return str(error)
    isa, counts = _cpu.best_isa(), (1, threads)
    before = [_cpu.read_bandwidth(read_bytes, count) for count in counts]
    products = {
        name: _cpu.product_peak(element, isa, threads) for name, element in ELEMENTS.items()
    }
    # Twice, some time apart: where others share the memory it is slow for tenths of a second.
    after = [_cpu.read_bandwidth(read_bytes, count) for count in counts]
    one, every = map(max, zip(before, after, strict=True))
    return Kernels(
        isa=isa,
        isas=tuple(name for name in ISAS if _cpu.has_isa(name)),
        read_one_thread=one,
        read_all_threads=every,
        product_flops=products,
    )


def fit(
    name: str, config: ModelConfig, precision: Precision, available: int, kernels: Kernels | None
) -> Fit:
    """What one model needs of `available` bytes, and how fast `kernels` can be on it at most."""
    asked = {"dtype": dtype_of(precision), "weights": weights_of(precision)}
    engine = EngineConfig.model_validate(asked)
    need = memory_need(config, engine)
    costs = account(config, DTYPES[dtype_of(precision)].itemsize)
    decode = prefill = None
    if kernels is not None:
        decode = decode_limit(costs, need, kernels.read_all_threads)
        prefill = prefill_limit(config, costs, kernels.product_flops[PRODUCTS[precision]])
    return Fit(
        model=name,
        precision=precision,
        weight_bytes=need.weights,
        state_bytes=costs.state_bytes,
        kv_bytes_per_1k_tokens=1000 * costs.kv_bytes_per_token,
        need_bytes=need.total,
        fits=need.total <= available,
        decode_tokens_per_s=decode,
        prefill_tokens_per_s=prefill,
    )


def decode_limit(costs: Account, need: MemoryNeed, bandwidth: float) -> float:
    """Tokens a second: the active share of the weights is read, the state read and written."""
    active = need.weights * costs.active_parameters / costs.parameters
    return bandwidth / (active + 2 * costs.state_bytes)


def prefill_limit(config: ModelConfig, costs: Account, flops: float) -> float:
    """Tokens a second of a long prompt: only its last token needs logits."""
    head = 2 * config.vocab_size * config.hidden_dim
    return flops / (costs.flops_per_token - head)


def _kernel_facts(kernels: Kernels, threads: int) -> list[tuple[str, str]]:
    one, every = (
        f"{speed / 1e9:.1f} GB/s" for speed in (kernels.read_one_thread, kernels.read_all_threads)
    )
    products = (f"{name} {flops / 1e9:,.0f}" for name, flops in kernels.product_flops.items())
    return [
        ("instruction sets 指令集", ", ".join(kernels.isas)),
        ("kernels 内核", f"native 原生, {kernels.isa}"),
        ("memory reads 内存读取", f"{one} on 1 thread, {every} on {threads}"),
        ("products 乘法", f"{', '.join(products)} GFLOP/s"),
    ]


def _describe_memory(memory: SystemMemory) -> str:
    parts = [size(memory.total), f"{size(memory.available)} available 可用"]
    if memory.limit is not None:
        parts.append(f"limit 限制 {size(memory.limit)}")
    parts.append(f"swap 交换 {size(memory.swap_total)}" if memory.swap_total else "no swap 无交换")
    return ", ".join(parts)


def _models_table(fits: tuple[Fit, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns
    table.add_column("model\n模型", no_wrap=True)
    table.add_column("held\n精度")
    for heading in (
        "weights\n权重 GB", "state\n状态 MB", "KV/1k\n缓存 MB", "needs\n需要 GB",
        "fits\n放得下", "decode\n解码/s", "prefill\n预填/s",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    before = None
    for row in fits:
        table.add_row(
            row.model if row.model != before else "",
            row.precision,
            digits(row.weight_bytes / 1e9),
            digits(row.state_bytes / 1e6),
            digits(row.kv_bytes_per_1k_tokens / 1e6),
            digits(row.need_bytes / 1e9),
            "yes 是" if row.fits else "no 否",
            "-" if row.decode_tokens_per_s is None else digits(row.decode_tokens_per_s),
            "-" if row.prefill_tokens_per_s is None else digits(row.prefill_tokens_per_s),
        )
        before = row.model
    return table


def digits(value: float) -> str:
    """Three of them, as far as there is a fraction to cut: 0.68, 13.9, 1118."""
    places = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{places}f}"
