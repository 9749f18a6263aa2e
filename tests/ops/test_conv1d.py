"""naga.ops.conv1d: both forms against a loop over tokens and taps, boundaries, carried inputs."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from naga.ops.conv1d import carried_rows, conv1d, conv1d_rows, tap_rows

CHANNELS = 7
LENGTHS = [(1,), (2, 1, 3), (9,), (4, 4), (1, 1, 12, 2)]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weights(width: int) -> tuple[Tensor, Tensor]:
    return normal(CHANNELS, width, seed=1), normal(CHANNELS, seed=2)


def segments_of(lengths: Sequence[int]) -> Tensor:
    return torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))


def naive(
    x: Tensor, weight: Tensor, bias: Tensor, lengths: Sequence[int], before: Tensor | None = None
) -> Tensor:
    """float64, one token and one tap at a time."""
    x, weight, bias = x.double(), weight.double(), bias.double()
    carried = weight.shape[1] - 1
    rows = []
    for sequence, own in enumerate(x.split(list(lengths))):
        earlier = x.new_zeros(carried, CHANNELS) if before is None else before[sequence].double()
        known = torch.cat([earlier, own])
        for token in range(len(own)):
            total = bias
            for tap in range(carried + 1):
                total = total + weight[:, tap] * known[token + tap]
            rows.append(functional.silu(total))
    return torch.stack(rows)


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_training_form_equals_the_loop(lengths: tuple[int, ...], width: int) -> None:
    x, (weight, bias) = normal(sum(lengths), CHANNELS), weights(width)
    found = conv1d(x, weight, bias, segments_of(lengths))
    torch.testing.assert_close(found.double(), naive(x, weight, bias, lengths), rtol=0, atol=1e-5)


@pytest.mark.parametrize("lengths", [(1,), (2, 1, 3), (1, 1, 12, 2)], ids=str)
def test_gradients_equal_those_of_the_loop(lengths: tuple[int, ...]) -> None:
    x, (weight, bias) = normal(sum(lengths), CHANNELS), weights(4)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    direction = normal(sum(lengths), CHANNELS, seed=5)
    found = torch.autograd.grad(conv1d(*leaves, segments_of(lengths)), leaves, direction)
    expected = torch.autograd.grad(naive(*leaves, lengths), leaves, direction.double())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_nothing_crosses_a_boundary() -> None:
    lengths, (weight, bias) = (5, 3, 6), weights(4)
    x, other = normal(14, CHANNELS), normal(14, CHANNELS, seed=8)
    middle = slice(5, 8)
    changed = torch.where(segments_of(lengths)[:, None] == 1, x, other)
    whole = conv1d(x, weight, bias, segments_of(lengths))
    assert conv1d(changed, weight, bias, segments_of(lengths))[middle].equal(whole[middle])


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_row_form_continues_from_the_carried_inputs(lengths: tuple[int, ...], width: int) -> None:
    x, (weight, bias) = normal(sum(lengths), CHANNELS), weights(width)
    before = normal(len(lengths), width - 1, CHANNELS, seed=4)
    found = conv1d_rows(x, weight, bias, before, tap_rows(lengths, width))
    expected = naive(x, weight, bias, lengths, before)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_carried_rows_are_the_last_inputs(lengths: tuple[int, ...], width: int) -> None:
    x, before = normal(sum(lengths), CHANNELS), normal(len(lengths), width - 1, CHANNELS, seed=4)
    kept = torch.cat([before.flatten(0, 1), x])[carried_rows(lengths, width)]
    for old, own, found in zip(before, x.split(lengths), kept, strict=True):
        assert found.equal(torch.cat([old, own])[1 - width :])


def test_forms_agree_in_bfloat16() -> None:
    lengths, (weight, bias) = (6, 11), weights(4)
    x = normal(17, CHANNELS).bfloat16()
    trained = conv1d(x, weight, bias, segments_of(lengths))
    before = torch.zeros(2, 3, CHANNELS, dtype=torch.bfloat16)
    rows = conv1d_rows(x, weight, bias, before, tap_rows(lengths, 4))
    assert trained.dtype == rows.dtype == torch.bfloat16
    torch.testing.assert_close(rows, trained, rtol=2**-7, atol=1e-6)


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8), neighbours=st.integers(0, 3))
def test_row_form_is_bitwise_equal_under_any_cutting(cuts: list[int], neighbours: int) -> None:
    """A sequence in pieces, each beside `neighbours` single tokens of other sequences."""
    x, (weight, bias) = normal(sum(cuts), CHANNELS), weights(4)
    fresh = torch.zeros(1, 3, CHANNELS)
    whole = conv1d_rows(x, weight, bias, fresh, tap_rows((len(x),), 4))
    before, rows = fresh, []
    for piece in x.split(cuts):
        lengths = (*[1] * neighbours, len(piece))
        beside = normal(neighbours, CHANNELS, seed=6)
        earlier = torch.cat([normal(neighbours, 3, CHANNELS, seed=7), before])
        flat = torch.cat([beside, piece])
        rows.append(conv1d_rows(flat, weight, bias, earlier, tap_rows(lengths, 4))[neighbours:])
        before = torch.cat([earlier.flatten(0, 1), flat])[carried_rows(lengths, 4)][neighbours:]
    assert torch.cat(rows).equal(whole)
