"""naga.ops.pointwise: accuracy in units of the last place, extreme inputs, position invariance."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from naga.ops.pointwise import (
    relu2,
    scale,
    scale_parts,
    silu,
    silu_rows,
    softplus,
    softplus_rows,
    swiglu,
    swiglu_rows,
    weighted_sum,
)

Function = Callable[[Tensor], Tensor]


def exact_silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def exact_softplus(x: Tensor) -> Tensor:
    # log1p of a tiny exp(x) is exp(x): written so, float64 does not underflow to 0 too early.
    return torch.where(x < -40, torch.exp(x), torch.log1p(torch.exp(x)))


def values(low: float, high: float) -> Tensor:
    """Ordinary and tiny numbers, and a fine grid of the whole range."""
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(-7, 2, 10).repeat_interleave(2000)
    normal = torch.randn(20_000, generator=generator) * scales
    return torch.cat([normal, torch.linspace(low, high, 20_001)]).clamp(low, high)


def ulps(found: Tensor, exact: Tensor) -> float:
    """The largest distance of float32 values from float64 ones, in steps between float32 values."""
    magnitude = exact.float().abs()
    steps = torch.nextafter(magnitude, torch.tensor(torch.inf)) - magnitude
    return ((found.double() - exact).abs() / steps.double()).max().item()


@pytest.mark.parametrize("form", [silu, silu_rows])
def test_silu_is_good_to_three_ulps(form: Function) -> None:
    x = values(-88, 300)
    assert ulps(form(x), exact_silu(x.double())) < 3


@pytest.mark.parametrize("form", [softplus, softplus_rows])
def test_softplus_is_good_to_three_ulps(form: Function) -> None:
    x = values(-103, 300)
    assert ulps(form(x), exact_softplus(x.double())) < 3


@pytest.mark.parametrize("form", [silu, silu_rows, softplus, softplus_rows])
def test_huge_inputs_are_the_limits(form: Function) -> None:
    huge = torch.tensor([3e38, 1e10, 100.0])
    assert form(huge).equal(huge)
    assert form(torch.tensor([-3e38, -1e10, -1000.0])).abs().sum() == 0
    assert form(torch.tensor([torch.nan])).isnan().all()


@pytest.mark.parametrize("form", [silu_rows, softplus_rows, swiglu_rows, relu2])
@pytest.mark.parametrize("threads", [1, 2])
def test_row_forms_do_not_depend_on_where_an_element_lies(form: Function, threads: int) -> None:
    """Odd starts, odd lengths, and as many elements as several threads share between them."""
    x = torch.randn(50_000, 2, generator=torch.Generator().manual_seed(1)) * 8
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = form(x)
        for start, length in [(0, 1), (1, 3), (5, 7), (8, 16), (13, 100), (777, 4099), (3, 40_001)]:
            rows = slice(start, start + length)
            assert form(x[rows].contiguous()).equal(whole[rows])
        assert form(x.T.contiguous().T).equal(whole), "strides changed the rounding"
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("form", [swiglu, swiglu_rows])
def test_swiglu_gates_the_second_half_by_the_first(form: Function) -> None:
    gate, up = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(2))
    found = form(torch.cat([gate, up], dim=-1))
    expected = exact_silu(gate.double()) * up.double()
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


def test_relu2_is_the_square_of_the_positive_part() -> None:
    x = torch.tensor([-3.0, -0.0, 0.0, 0.5, 3.0])
    assert relu2(x).equal(torch.tensor([0.0, 0.0, 0.0, 0.25, 9.0]))


@pytest.mark.parametrize(
    ("form", "law"),
    [(silu_rows, exact_silu), (swiglu_rows, None), (relu2, None), (silu, exact_silu)],
)
def test_bfloat16_comes_back_as_bfloat16(form: Function, law: Function | None) -> None:
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(3)).bfloat16()
    found = form(x)
    assert found.dtype == torch.bfloat16
    expected = (law or form)(x.double())
    torch.testing.assert_close(found.double(), expected.double(), rtol=2**-7, atol=1e-6)


@pytest.mark.parametrize("form", [softplus, softplus_rows])
def test_softplus_is_float32_whatever_comes_in(form: Function) -> None:
    x = torch.randn(9, generator=torch.Generator().manual_seed(4)).bfloat16()
    assert form(x).dtype == torch.float32
    torch.testing.assert_close(form(x), functional.softplus(x.float()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_are_scaled_each_by_its_factor_and_rounded_once(dtype: torch.dtype) -> None:
    x = torch.randn(5, 9, generator=torch.Generator().manual_seed(5)).to(dtype)
    factors = (0.3, 1.0, 1.7)
    vector = torch.tensor(factors).repeat_interleave(torch.tensor([2, 3, 4]))
    assert scale_parts(x, (2, 3, 4), factors).equal((x.float() * vector).to(dtype))
    assert scale(x, 0.3).equal((x.float() * 0.3).to(dtype))


def test_factors_of_one_leave_the_tensor_itself() -> None:
    x = torch.ones(2, 3)
    assert scale(x, 1.0) is x
    assert scale_parts(x, (1, 2), (1.0, 1.0)) is x


def test_a_weighted_sum_is_rounded_once() -> None:
    a, b = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(6)).bfloat16()
    found = weighted_sum(a, b, (0.3, 1.7))
    assert found.equal((a.float() * 0.3 + b.float() * 1.7).bfloat16())
    assert not found.equal(a * 0.3 + b * 1.7)
