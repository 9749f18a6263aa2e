"""The start-up proof passes on real layers and catches arithmetic that depends on the batch."""

import time

import pytest
import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.engine import selftest
from naga.engine.selftest import check_row_invariance, products
from naga.model.lm import HybridLM
from naga.model.mamba2 import Mamba2
from naga.ops.linear import linear_rows
from naga.runtime import Runtime


def test_it_passes_on_every_kind_of_layer_in_no_time(model: HybridLM, runtime: Runtime) -> None:
    start = time.process_time()
    check_row_invariance(model, runtime)
    assert time.process_time() - start < 2


def test_every_matrix_of_the_model_is_a_product(
    small_model: HybridLM, small_runtime: Runtime
) -> None:
    names = {product.name for product in products(small_model, small_runtime.dtype)}
    # The embedding is tied: it is the head.
    matrices = {
        name.removesuffix(".weight")
        for name, parameter in small_model.named_parameters()
        if parameter.dim() >= 2 and "conv" not in name and name != "embed.weight"
    }
    assert names == matrices | {"head"}


def test_a_product_that_sees_its_neighbours_is_refused_by_name(
    small_model: HybridLM, small_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rounds_otherwise(x: Tensor, weight: Tensor) -> Tensor:
        y = linear_rows(x, weight)
        # As a library does that has another routine for few rows.
        small = len(x) < 64 and tuple(weight.shape) == (80, 32)
        return torch.nextafter(y, torch.full_like(y, torch.inf)) if small else y

    monkeypatch.setattr(selftest, "linear_rows", rounds_otherwise)
    with pytest.raises(ConfigError, match=r"^layers\.2\.mixer\.up: .* 1 rows, float32, torch"):
        check_row_invariance(small_model, small_runtime)


def test_a_layer_that_sees_its_neighbours_is_refused_by_name(
    small_model: HybridLM, small_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Mamba2.step

    def leaks(self: Mamba2, x: Tensor, *rest: object) -> Tensor:
        y = honest(self, x, *rest)
        return y * (1 + y[:1].abs() * 1e-6)

    monkeypatch.setattr(Mamba2, "step", leaks)
    with pytest.raises(ConfigError, match=r"^layers\.0 \(M\): on this machine"):
        check_row_invariance(small_model, small_runtime)


def test_a_damaged_weight_is_named(small_model: HybridLM, small_runtime: Runtime) -> None:
    weight = small_model.get_parameter("layers.1.mixer.q_proj.weight")
    before = weight[3, 3].item()
    weight[3, 3] = torch.nan
    try:
        with pytest.raises(ConfigError, match=r"layers\.1\.mixer\.q_proj: .* damaged"):
            check_row_invariance(small_model, small_runtime)
    finally:
        weight[3, 3] = before
