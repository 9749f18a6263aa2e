"""naga.ops.norm: accuracy against float64, groups, gates, rows that depend on no other row."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from naga.ops.norm import (
    gated,
    gated_rms_norm,
    gated_rms_norm_rows,
    gated_rows,
    norm_gated,
    norm_gated_rows,
    rms_norm,
)

EPS = 1e-5
FORMS = [gated_rms_norm, gated_rms_norm_rows]
NORM_FIRST = [norm_gated, norm_gated_rows]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def exact_rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    x, weight = x.double(), weight.double()
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + EPS) * weight


def ulps(found: Tensor, exact: Tensor) -> float:
    magnitude = exact.float().abs()
    steps = torch.nextafter(magnitude, torch.tensor(torch.inf)) - magnitude
    return ((found.double() - exact).abs() / steps.double()).max().item()


@pytest.mark.parametrize("dim", [1, 7, 64, 300, 4096])
def test_rms_norm_is_good_to_four_ulps_from_tiny_to_huge(dim: int) -> None:
    """One ulp each for the sum, the root, the reciprocal and the two products."""
    x = normal(40, dim) * torch.logspace(-15, 15, 40)[:, None]
    weight = normal(dim, seed=1)
    assert ulps(rms_norm(x, weight, EPS), exact_rms_norm(x, weight)) < 4


def test_a_row_of_zeros_stays_zero() -> None:
    assert not rms_norm(torch.zeros(2, 8), normal(8), EPS).any()


def test_statistics_of_bfloat16_rows_are_float32() -> None:
    """In bfloat16 a sum of 4096 squares would be wrong in its second digit."""
    x, weight = normal(3, 4096).bfloat16(), torch.ones(4096)
    found = rms_norm(x, weight, EPS)
    assert found.dtype == torch.bfloat16
    assert found.equal(exact_rms_norm(x, weight).bfloat16())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_the_gate_comes_before_the_norm_of_each_group(form, groups: int) -> None:  # type: ignore[no-untyped-def]
    y, z, weight = normal(5, 12), normal(5, 12, seed=1), normal(12, seed=2)
    parts = (functional.silu(z.double()) * y.double()).unflatten(-1, (groups, -1))
    ones = torch.ones(12 // groups)
    expected = exact_rms_norm(parts, ones).flatten(-2) * weight.double()
    found = form(y, z, weight, EPS, groups)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", NORM_FIRST)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_the_gate_comes_after_the_norm_of_each_group(form, groups: int) -> None:  # type: ignore[no-untyped-def]
    y, z, weight = normal(5, 12), normal(5, 12, seed=1), normal(12, seed=2)
    normed = exact_rms_norm(y.double().unflatten(-1, (groups, -1)), torch.ones(12 // groups))
    expected = normed.flatten(-2) * weight.double() * functional.silu(z.double())
    found = form(y, z, weight, EPS, groups)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", [gated, gated_rows])
def test_the_gate_alone(form) -> None:  # type: ignore[no-untyped-def]
    y, z = normal(5, 12), normal(5, 12, seed=1)
    expected = y.double() * functional.silu(z.double())
    torch.testing.assert_close(form(y, z).double(), expected, rtol=1e-5, atol=1e-6)
    assert form(y, z.bfloat16()).equal(form(y, z.bfloat16().float()).bfloat16())


@pytest.mark.parametrize("form", FORMS + NORM_FIRST)
def test_gated_norm_takes_a_float32_scan_and_gives_the_dtype_of_its_gate(form) -> None:  # type: ignore[no-untyped-def]
    y, z, weight = normal(5, 12), normal(5, 12, seed=1).bfloat16(), normal(12, seed=2)
    found = form(y, z, weight, EPS, 2)
    assert found.dtype == torch.bfloat16
    assert found.equal(form(y, z.float(), weight, EPS, 2).bfloat16())


@pytest.mark.parametrize("dim", [1, 5, 14, 96, 1000])
def test_rows_do_not_depend_on_the_rows_beside_them(dim: int) -> None:
    y, z, weight = normal(70, dim), normal(70, dim, seed=1), normal(dim, seed=2)
    plain = rms_norm(y, weight, EPS)
    normed = [form(y, z, weight, EPS, 1) for form in (gated_rms_norm_rows, norm_gated_rows)]
    gate_alone = gated_rows(y, z)
    for start, length in [(0, 1), (3, 2), (7, 16), (13, 31), (1, 69)]:
        rows = slice(start, start + length)
        assert rms_norm(y[rows].contiguous(), weight, EPS).equal(plain[rows])
        one, gate = y[rows].contiguous(), z[rows].contiguous()
        assert gated_rms_norm_rows(one, gate, weight, EPS, 1).equal(normed[0][rows])
        assert norm_gated_rows(one, gate, weight, EPS, 1).equal(normed[1][rows])
        assert gated_rows(one, gate).equal(gate_alone[rows])


def test_gradients_equal_those_of_the_formula() -> None:
    y, z, weight = (t.requires_grad_() for t in (normal(4, 6), normal(4, 6, seed=1), normal(6)))
    direction = normal(4, 6, seed=3)
    found = torch.autograd.grad(gated_rms_norm(y, z, weight, EPS, 2), (y, z, weight), direction)
    parts = (functional.silu(z.double()) * y.double()).unflatten(-1, (2, -1))
    scaled = parts / torch.sqrt(parts.square().mean(-1, keepdim=True) + EPS)
    expected = scaled.flatten(-2) * weight.double()
    wanted = torch.autograd.grad(expected, (y, z, weight), direction.double())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_norm_before_the_gate_equal_those_of_the_formula() -> None:
    y, z, weight = (t.requires_grad_() for t in (normal(4, 6), normal(4, 6, seed=1), normal(6)))
    direction = normal(4, 6, seed=3)
    found = torch.autograd.grad(norm_gated(y, z, weight, EPS, 2), (y, z, weight), direction)
    parts = y.double().unflatten(-1, (2, -1))
    scaled = parts / torch.sqrt(parts.square().mean(-1, keepdim=True) + EPS)
    expected = scaled.flatten(-2) * weight.double() * functional.silu(z.double())
    wanted = torch.autograd.grad(expected, (y, z, weight), direction.double())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
