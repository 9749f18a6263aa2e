"""The backend of a run, chosen once at the start: who computes the row form of the model.

Native kernels promise row invariance by how they are written; what PyTorch does on this machine is
proved first (selftest.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.engine.selftest import check_row_invariance
from naga.model.lm import HybridLM
from naga.model.state import Batch, StatePool
from naga.ops.sampling import Draw, Sample
from naga.runtime import Runtime


class RowModel(Protocol):
    """What the engine needs of a model; HybridLM says what the methods mean."""

    config: ModelConfig

    def step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor: ...

    def logits_rows(self, hidden: Tensor) -> Tensor: ...

    def sample(self, logits: Tensor, draws: Sequence[Draw]) -> list[Sample | None]: ...


def make_backend(model: HybridLM, config: EngineConfig, runtime: Runtime) -> RowModel:
    """ConfigError where the asked-for backend cannot be had or breaks its promise."""
    on_cpu = runtime.device.type == "cpu"
    if config.backend == "native" and not on_cpu:
        raise ConfigError(f"backend native: for device cpu, not {runtime.device}; use reference")
    if config.backend == "reference" or not on_cpu:
        check_row_invariance(model, runtime)
        return model
    from naga.model.native import NativeModel, best_isa

    return NativeModel(model, runtime.dtype, torch.get_num_threads(), best_isa())


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """What the bits of an answer depend on, besides the model and the request."""

    backend: str
    """native, or reference-TORCHVERSION."""
    processor: str
    """Instruction set of the native kernels, or the device."""
    dtype: str

    def __str__(self) -> str:
        return f"{self.backend}-{self.processor}-{self.dtype}"


def numerics_of(model: RowModel, runtime: Runtime) -> Numerics:
    dtype = str(runtime.dtype).removeprefix("torch.")
    if isinstance(model, HybridLM):
        backend = f"reference-{torch.__version__}"
        return Numerics(backend=backend, processor=str(runtime.device), dtype=dtype)
    from naga.model.native import NativeModel

    assert isinstance(model, NativeModel)
    return Numerics(backend="native", processor=model.isa, dtype=dtype)
