"""Which backend computes: native by default on the CPU, the reference by name, never a fallback."""

import sys
from dataclasses import replace

import pytest
import torch

import naga
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.engine.backend import make_backend, numerics_of
from naga.model.lm import HybridLM
from naga.model.native import NativeModel, best_isa
from naga.runtime import Runtime


def test_the_cpu_computes_natively_unless_told_otherwise(
    small_model: HybridLM, small_runtime: Runtime
) -> None:
    made = make_backend(small_model, EngineConfig(), small_runtime)
    assert isinstance(made, NativeModel)
    assert str(numerics_of(made, small_runtime)) == f"native-{best_isa()}-float32"


def test_the_reference_is_had_by_name(small_model: HybridLM, small_runtime: Runtime) -> None:
    made = make_backend(small_model, EngineConfig(backend="reference"), small_runtime)
    assert made is small_model
    expected = f"reference-{torch.__version__}-cpu-float32"
    assert str(numerics_of(made, small_runtime)) == expected


def test_native_kernels_for_another_device_are_refused(
    small_model: HybridLM, small_runtime: Runtime
) -> None:
    elsewhere = replace(small_runtime, device=torch.device("cuda"))
    with pytest.raises(ConfigError, match=r"backend native: for device cpu, not cuda"):
        make_backend(small_model, EngineConfig(backend="native"), elsewhere)


def test_missing_kernels_are_an_error_that_names_the_way_out(
    small_model: HybridLM, small_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(naga, "_cpu")
    monkeypatch.setitem(sys.modules, "naga._cpu", None)
    monkeypatch.delitem(sys.modules, "naga.model.native")
    with pytest.raises(ConfigError, match=r"not built .*--backend reference"):
        make_backend(small_model, EngineConfig(), small_runtime)
