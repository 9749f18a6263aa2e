"""naga.ops.linear: products, the dtype of weights, padding, rows alike in any company."""

import pytest
import torch
from torch import Tensor

from naga.ops.linear import ROW_MULTIPLE, linear, linear_rows, pad_rows, padded_len


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [16, 48])
def test_both_forms_are_products_with_the_transposed_weight(rows: int) -> None:
    x, weight = normal(rows, 21), normal(13, 21, seed=1)
    expected = x.double() @ weight.double().T
    for form in (linear, linear_rows):
        torch.testing.assert_close(form(x, weight).double(), expected, rtol=0, atol=1e-5)


def test_float32_master_weights_train_in_bfloat16() -> None:
    x, weight = normal(8, 12).bfloat16(), normal(5, 12, seed=1).requires_grad_()
    found = linear(x, weight)
    assert found.dtype == torch.bfloat16
    expected = x.double() @ weight.bfloat16().double().T
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=2**-8)
    found.float().sum().backward()
    assert weight.grad is not None and weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("rows", "padded"), [(0, 0), (1, 16), (15, 16), (16, 16), (17, 32), (160, 160)]
)
def test_padded_len_is_the_next_multiple(rows: int, padded: int) -> None:
    assert padded_len(rows) == padded


@pytest.mark.parametrize("shape", [(1, 3), (16, 3), (17, 3), (5, 2, 4)])
def test_pad_rows_adds_rows_of_zeros(shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    padded = pad_rows(x)
    assert padded.shape == (padded_len(shape[0]), *shape[1:])
    assert padded[: shape[0]].equal(x)
    assert not padded[shape[0] :].any()


def test_the_row_form_refuses_a_number_of_rows_it_cannot_promise_for() -> None:
    with pytest.raises(AssertionError):
        linear_rows(normal(ROW_MULTIPLE + 1, 4), normal(4, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("inner", "outer"), [(8, 4), (44, 31), (64, 300), (129, 256)])
# A depth of 5 and 5 columns would fail: MKL. The engine's self-test refuses such a model.
def test_a_row_is_the_same_in_any_company(inner: int, outer: int, dtype: torch.dtype) -> None:
    x, weight = normal(150, inner).to(dtype), normal(outer, inner, seed=1).to(dtype)
    whole = linear_rows(pad_rows(x), weight)
    for start, length in [(0, 1), (149, 1), (3, 2), (30, 16), (7, 17), (1, 100)]:
        rows = slice(start, start + length)
        assert linear_rows(pad_rows(x[rows]), weight)[:length].equal(whole[rows])
