"""naga.ops.selective_scan: both forms against the float64 recurrence, and row exactness."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from naga.ops.selective_scan import selective_scan, selective_scan_oracle, selective_scan_rows

# channels, state dim
SMALL, LARGE = (3, 5), (40, 16)
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
dims_of = pytest.mark.parametrize("dims", [SMALL, LARGE], ids=str)


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.x, self.dt, self.A, self.B, self.C, self.D

    def rows(self, rows: Tensor | slice) -> "Inputs":
        return Inputs(
            x=self.x[rows],
            dt=self.dt[rows],
            A=self.A,
            B=self.B[rows],
            C=self.C[rows],
            D=self.D,
        )


def make(count: int, dims: tuple[int, int] = SMALL, dt_scale: float = 1.0) -> Inputs:
    generator, (inner, state) = torch.Generator().manual_seed(0), dims

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return Inputs(
        x=normal(count, inner),
        dt=functional.softplus(normal(count, inner) - 1) * dt_scale,
        A=-torch.exp(normal(inner, state)),
        B=normal(count, state),
        C=normal(count, state),
        D=normal(inner),
    )


def states(count: int, dims: tuple[int, int] = SMALL) -> Tensor:
    return torch.randn(count, *dims, generator=torch.Generator().manual_seed(9))


@dims_of
@pytest.mark.parametrize("lengths", [(1,), (33,), (64,), (5, 1, 12, 70), (1, 1, 1)], ids=str)
def test_training_form_equals_the_recurrence(
    lengths: tuple[int, ...], dims: tuple[int, int]
) -> None:
    inputs = make(sum(lengths), dims)
    expected, _ = selective_scan_oracle(*inputs.tensors, lengths)
    y = selective_scan(*inputs.tensors, lengths)
    torch.testing.assert_close(y.double(), expected, **CLOSE)
    assert y.dtype == torch.float32


@dims_of
@pytest.mark.parametrize("lengths", [(7,), (5, 1, 12, 4), (32, 33), (65,)], ids=str)
def test_every_gradient_equals_that_of_the_recurrence(
    lengths: tuple[int, ...], dims: tuple[int, int]
) -> None:
    inputs = make(sum(lengths), dims)
    leaves = [t.requires_grad_() for t in inputs.tensors]
    y = selective_scan(*inputs.tensors, lengths)
    wide, _ = selective_scan_oracle(*inputs.tensors, lengths)
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
    found = torch.autograd.grad(y, leaves, direction)
    expected = torch.autograd.grad(wide, leaves, direction.double())
    for name, one, other in zip(("x", "dt", "A", "B", "C", "D"), found, expected, strict=True):
        assert other.norm() > 0
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: n + m)


def test_packed_equals_unpacked() -> None:
    lengths = (5, 1, 12, 50)
    inputs, start = make(sum(lengths), LARGE), 0
    packed = selective_scan(*inputs.tensors, lengths).split(lengths)
    for y, length in zip(packed, lengths, strict=True):
        alone = selective_scan(*inputs.rows(slice(start, start + length)).tensors, (length,))
        assert y.equal(alone)
        start += length


def test_bfloat16_inputs_stay_within_their_rounding() -> None:
    inputs = make(64, LARGE)
    x, dt, A, B, C, D = inputs.tensors
    x, B, C = (t.bfloat16() for t in (x, B, C))
    expected, _ = selective_scan_oracle(x, dt, A, B, C, D, (50, 14))
    leaves = [t.requires_grad_() for t in (x, B, C)]
    y = selective_scan(x, dt, A, B, C, D, (50, 14))
    assert y.dtype == torch.bfloat16
    # Rounded once, at the end: up to 2^-9 of each.
    assert (y.double() - expected).norm() < 2**-9 * expected.norm()
    assert all(g.dtype == torch.bfloat16 for g in torch.autograd.grad(y.sum(), leaves))


@dims_of
@pytest.mark.parametrize("lengths", [(1,), (1, 1, 1), (33,), (5, 1, 12, 40)], ids=str)
def test_rows_equal_the_recurrence(lengths: tuple[int, ...], dims: tuple[int, int]) -> None:
    inputs, memory = make(sum(lengths), dims), states(len(lengths), dims)
    expected, final = selective_scan_oracle(*inputs.tensors, lengths, memory)
    y = selective_scan_rows(*inputs.tensors, lengths, memory)
    torch.testing.assert_close(y.double(), expected, **CLOSE)
    torch.testing.assert_close(memory.double(), final, **CLOSE)


def run_rows(inputs: Inputs, spans: Sequence[tuple[int, int]], memory: Tensor) -> Tensor:
    """Tokens of each span as a sequence of one call; y of all spans, states moved on."""
    rows = torch.cat([torch.arange(start, end) for start, end in spans])
    lengths = [end - start for start, end in spans]
    return selective_scan_rows(*inputs.rows(rows).tensors, lengths, memory)


@dims_of
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_rows_are_bitwise_equal_under_any_cutting(dims: tuple[int, int], cuts: list[int]) -> None:
    total = sum(cuts)
    inputs, whole_state, cut_state = make(total, dims), states(1, dims), states(1, dims)
    whole = run_rows(inputs, [(0, total)], whole_state)
    start, pieces = 0, []
    for length in cuts:
        pieces.append(run_rows(inputs, [(start, start + length)], cut_state))
        start += length
    assert torch.cat(pieces).equal(whole)
    assert cut_state.equal(whole_state)


@dims_of
@settings(max_examples=25)
@given(lengths=st.lists(st.sampled_from([1, 1, 1, 2, 17, 40]), min_size=1, max_size=5))
def test_rows_are_bitwise_equal_alone_and_batched(
    dims: tuple[int, int], lengths: list[int]
) -> None:
    inputs, memory = make(sum(lengths), dims), states(len(lengths), dims)
    alone, memories, start = [], [], 0
    for sequence, length in enumerate(lengths):
        memories.append(memory[sequence : sequence + 1].clone())
        alone.append(run_rows(inputs, [(start, start + length)], memories[-1]))
        start += length
    y = selective_scan_rows(*inputs.tensors, lengths, memory)
    assert y.equal(torch.cat(alone))
    assert memory.equal(torch.cat(memories))


@pytest.mark.parametrize("lengths", [(1, 1, 1), (4, 9, 2)], ids=str)
def test_nan_of_one_sequence_or_of_padding_reaches_no_other_row(lengths: tuple[int, ...]) -> None:
    inputs, clean, spoilt = make(sum(lengths)), states(3), states(3)
    expected = selective_scan_rows(*inputs.tensors, lengths, clean)
    spoilt[1] = torch.nan
    x, dt, A, B, C, D = inputs.tensors
    x, dt, B, C = (torch.cat([t, torch.full_like(t[:2], torch.nan)]) for t in (x, dt, B, C))
    y = selective_scan_rows(x, dt, A, B, C, D, lengths, spoilt)
    for sequence, (found, wanted) in enumerate(
        zip(y[: sum(lengths)].split(lengths), expected.split(lengths), strict=True)
    ):
        assert found.isnan().all() if sequence == 1 else found.equal(wanted)
    assert spoilt[[0, 2]].equal(clean[[0, 2]])


@pytest.mark.parametrize("dt_scale", [1e3, 1e6])
def test_decays_that_vanish_give_no_nan(dt_scale: float) -> None:
    inputs, memory = make(25, dt_scale=dt_scale), torch.zeros(2, *SMALL)
    expected, _ = selective_scan_oracle(*inputs.tensors, (20, 5))
    rows = selective_scan_rows(*inputs.tensors, (20, 5), memory)
    leaves = [t.requires_grad_() for t in inputs.tensors]
    y = selective_scan(*inputs.tensors, (20, 5))
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(y.sum(), leaves))
    scale = expected.abs().max().item()
    for found in (y, rows):
        torch.testing.assert_close(found.double() / scale, expected / scale, rtol=1e-4, atol=1e-6)
