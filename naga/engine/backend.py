"""The backend of a run, chosen once at the start: who computes the row form of the model.

Native kernels promise row invariance by how they are written; what PyTorch does on this machine is
proved first (selftest.py).
"""

from typing import Protocol

import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.engine.selftest import check_row_invariance
from naga.model.lm import HybridLM
from naga.model.state import Batch, StatePool
from naga.runtime import Runtime


class RowModel(Protocol):
    """What the engine needs of a model; HybridLM says what the methods mean."""

    config: ModelConfig

    def step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor: ...

    def logits_rows(self, hidden: Tensor) -> Tensor: ...


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


def describe(model: RowModel, runtime: Runtime) -> str:
    """One line for people: what computes, on what, in which dtype."""
    dtype = str(runtime.dtype).removeprefix("torch.")
    if isinstance(model, HybridLM):
        return f"reference (PyTorch {torch.__version__}) on {runtime.device}, {dtype}"
    return f"{model} on cpu, {dtype}"
