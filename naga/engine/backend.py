"""The backend of a run, chosen once at the start: who computes the row form of the model.

`load_backend` makes one of a checkpoint folder, `make_backend` of a model in memory. Native kernels
promise row invariance by how they are written; what PyTorch does on this machine is proved first
(selftest.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from naga.checkpoint.config import read_dtype, read_model_config, read_quantisation
from naga.checkpoint.load import Progress, StoredModel, load_model, unseen
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation
from naga.config.serve import EngineConfig
from naga.engine.memory import require_memory
from naga.engine.selftest import check_row_invariance
from naga.model.lm import HybridLM, value_dtype
from naga.model.state import Batch, StatePool
from naga.ops.sampling import Draw, Sample
from naga.runtime import Runtime, make_runtime

if TYPE_CHECKING:
    from naga.model.native import NativeModel


# Goes up whenever a kernel's bits change on any machine: states saved before are then refused.
NUMERICS_VERSION = 1


class RowModel(Protocol):
    """What the engine needs of a model; HybridLM says what the methods mean."""

    config: ModelConfig

    def step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor: ...

    def logits_rows(self, hidden: Tensor) -> Tensor: ...

    def choose(
        self,
        tokens: Sequence[int],
        batch: Batch,
        pool: StatePool,
        rows: Sequence[int],
        draws: Sequence[Draw],
    ) -> list[Sample | None]: ...


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """What the bits of an answer depend on, besides the model and the request."""

    backend: str
    """native, or reference-TORCHVERSION."""
    processor: str
    """Instruction set of the native kernels, or the device."""
    dtype: str
    weights: Quantisation | None = None
    """Where matrices are held in less than the dtype."""
    kv: str | None = None
    """Where keys and values are."""

    def __str__(self) -> str:
        kv = None if self.kv is None else f"kv-{self.kv}"
        parts = (self.backend, self.processor, self.dtype, self.weights, kv)
        return "-".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Backend:
    """A model that computes, and what that takes."""

    model: RowModel
    runtime: Runtime
    numerics: Numerics

    def load(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Put new weights, under in-memory names, into the places of the old ones."""
        if not isinstance(self.model, HybridLM):
            _native(self.model).load(tensors)
            return
        held = self.model.state_dict()
        for name, tensor in tensors:
            held[name].copy_(tensor.detach().to(value_dtype(name, self.runtime.dtype)))

    def settle(self) -> bool:
        """Move a part of the weights to faster memory, between steps; False once all are there."""
        return not isinstance(self.model, HybridLM) and _native(self.model).settle()


def load_backend(path: Path, config: EngineConfig, progress: Progress = unseen) -> Backend:
    """Of the checkpoint folder `path`, read tensor by tensor into what computes with it.

    ConfigError where the asked-for backend cannot be had, breaks its promise or does not fit into
    memory, and for a folder that cannot be read or is quantised otherwise than asked for.
    `progress` is of the bytes that are read; what is mapped takes no time.
    """
    model_config, converted = read_model_config(path), read_quantisation(path)
    runtime = make_runtime(config.device, config.dtype or read_dtype(path))
    native = _computes_natively(config, runtime)
    quantisation = converted or _asked(config)
    if converted is not None:
        _check_converted(path, converted, config, native)
    given = config.model_copy(update={"dtype": _name(runtime.dtype)})
    require_memory(model_config, given, quantisation, packed=converted is not None)
    if not native:
        return make_backend(load_model(path, runtime, progress), config, runtime)
    from naga.checkpoint.quantised import PackedModel
    from naga.model.native import NativeModel, best_isa

    threads, isa = torch.get_num_threads(), best_isa()
    model = NativeModel(model_config, runtime.dtype, threads, isa, quantisation)
    if converted is None:
        stored = StoredModel(path)
        with progress(stored.num_bytes) as advance:
            model.load(stored.tensors(advance))
    else:
        PackedModel(path).lend(model)
    assert not model.missing, model.missing
    return _backend(model, runtime, config)


def make_backend(model: HybridLM, config: EngineConfig, runtime: Runtime) -> Backend:
    """Of a model in memory, in `runtime`'s dtype; ConfigError as of load_backend."""
    if not _computes_natively(config, runtime):
        check_row_invariance(model, runtime)
        return _backend(model, runtime, config)
    from naga.model.native import NativeModel, best_isa

    threads, isa = torch.get_num_threads(), best_isa()
    native = NativeModel.of(model, runtime.dtype, threads, isa, _asked(config))
    return _backend(native, runtime, config)


def _computes_natively(config: EngineConfig, runtime: Runtime) -> bool:
    on_cpu = runtime.device.type == "cpu"
    if config.backend == "native" and not on_cpu:
        raise ConfigError(f"backend native: for device cpu, not {runtime.device}; use reference")
    native = on_cpu and config.backend != "reference"
    if config.weights is not None and not native:
        raise ConfigError(
            f"weights {config.weights}: for the native backend on the CPU alone; leave them out"
        )
    return native


def _asked(config: EngineConfig) -> Quantisation | None:
    return None if config.weights is None else Quantisation(format=config.weights)


def _check_converted(
    path: Path, converted: Quantisation, config: EngineConfig, native: bool
) -> None:
    if not native:
        raise ConfigError(
            f"{path}: its weights are quantised ({converted}), for the native backend on the CPU "
            "alone; use that, or the checkpoint it was converted from"
        )
    if config.weights not in (None, converted.format):
        raise ConfigError(
            f"{path}: its weights are {converted.format} already, not {config.weights}; use the "
            "checkpoint it was converted from"
        )


def _backend(model: RowModel, runtime: Runtime, config: EngineConfig) -> Backend:
    return Backend(model=model, runtime=runtime, numerics=_numerics(model, runtime, config))


def _numerics(model: RowModel, runtime: Runtime, config: EngineConfig) -> Numerics:
    dtype, kv = _name(runtime.dtype), config.kv
    if isinstance(model, HybridLM):
        backend = f"reference-{torch.__version__}"
        return Numerics(backend=backend, processor=str(runtime.device), dtype=dtype, kv=kv)
    native = _native(model)
    return Numerics(
        backend="native", processor=native.isa, dtype=dtype, weights=native.quantisation, kv=kv
    )


def _native(model: RowModel) -> "NativeModel":
    from naga.model.native import NativeModel

    assert isinstance(model, NativeModel)
    return model


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
