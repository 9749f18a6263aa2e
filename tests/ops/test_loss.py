"""naga.ops.loss: the chunked cross-entropy against the plain one, forward and backward."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from naga.ops.loss import cross_entropy, cross_entropy_reference
from naga.ops.loss.chunked import cross_entropy as chunked

T, D, V = 37, 12, 53


def inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(T, D, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(V, D, generator=generator).requires_grad_()
    targets = torch.randint(V, (T,), generator=generator)
    loss_mask = torch.rand(T, generator=generator) < 0.6
    return hidden, weight, targets, loss_mask


@pytest.mark.parametrize("chunk_rows", [1, 7, 64])
@pytest.mark.parametrize("logits_divisor", [1.0, 6.0])
def test_loss_and_gradients_equal_the_reference(chunk_rows: int, logits_divisor: float) -> None:
    hidden, weight, targets, mask = inputs()
    options = {"denominator": 19.0, "logits_divisor": logits_divisor}
    expected = cross_entropy_reference(hidden, weight, targets, mask, **options)
    expected_grads = torch.autograd.grad(3.0 * expected, (hidden, weight))
    loss = chunked(hidden, weight, targets, mask, **options, chunk_rows=chunk_rows)
    grads = torch.autograd.grad(3.0 * loss, (hidden, weight))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(grads, expected_grads)


def test_bfloat16_hidden_keeps_a_float32_weight_gradient() -> None:
    hidden, weight, targets, mask = inputs(torch.bfloat16)
    expected = cross_entropy_reference(hidden, weight, targets, mask, denominator=1.0)
    expected_grads = torch.autograd.grad(expected, (hidden, weight))
    loss = cross_entropy(hidden, weight, targets, mask, denominator=1.0)
    grads = torch.autograd.grad(loss, (hidden, weight))
    assert loss.dtype == torch.float32
    assert [grad.dtype for grad in grads] == [torch.bfloat16, torch.float32]
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(grads, expected_grads, rtol=0.05, atol=0.05)


class LargestTensor(TorchDispatchMode):
    """Notes the size of the largest tensor any operation makes, in elements."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def test_no_tensor_is_larger_than_one_chunk_of_logits() -> None:
    hidden, weight, targets, mask = inputs()
    with LargestTensor() as plain:
        cross_entropy_reference(hidden, weight, targets, mask, denominator=1.0).backward()
    with LargestTensor() as largest:
        chunked(hidden, weight, targets, mask, denominator=1.0, chunk_rows=13).backward()
    assert plain.elements == T * V
    assert largest.elements == 13 * V


def test_masked_rows_cannot_spoil_the_loss() -> None:
    hidden, weight, targets, mask = inputs()
    expected = cross_entropy(hidden, weight, targets, mask, denominator=5.0)
    poisoned = torch.where(mask[:, None], hidden, torch.nan)
    loss = cross_entropy(poisoned, weight, targets, mask, denominator=5.0)
    assert torch.equal(loss, expected)
    assert not torch.autograd.grad(loss, weight)[0].isnan().any()


def test_an_empty_mask_gives_zero_loss_and_zero_gradients() -> None:
    hidden, weight, targets, mask = inputs()
    loss = cross_entropy(hidden, weight, targets, torch.zeros_like(mask), denominator=1.0)
    grads = torch.autograd.grad(loss, (hidden, weight))
    assert loss == 0 and all(not grad.any() for grad in grads)


def test_losses_of_parts_sum_to_the_loss_of_the_whole() -> None:
    hidden, weight, targets, mask = inputs()
    whole = cross_entropy(hidden, weight, targets, mask, denominator=11.0)
    first, rest = slice(20), slice(20, None)
    parts = [
        cross_entropy(hidden[rows], weight, targets[rows], mask[rows], denominator=11.0)
        for rows in (first, rest)
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_large_logits_stay_finite() -> None:
    hidden, weight, targets, mask = inputs()
    loss = cross_entropy(hidden * 1e3, weight, targets, mask, denominator=1.0)
    assert loss.isfinite()


def test_without_gradients_no_gradient_is_formed() -> None:
    hidden, weight, targets, mask = inputs()
    with torch.no_grad():
        loss = cross_entropy(hidden, weight, targets, mask, denominator=1.0)
    assert not loss.requires_grad
