"""naga.ops.ssd: the chunked and the row form against the float64 recurrence, and row exactness."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from naga.ops.ssd import ssd_chunked, ssd_final_states, ssd_oracle, ssd_rows

HEADS = 4
# head dim, state dim: torch multiplies small matrices in a loop of its own, larger ones by MKL.
SMALL, LARGE = (3, 5), (16, 32)
CLOSE = {"rtol": 1e-4, "atol": 2e-5}


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor
    lengths: tuple[int, ...]

    @property
    def segments(self) -> Tensor:
        lengths = torch.tensor(self.lengths)
        return torch.arange(len(lengths)).repeat_interleave(lengths)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.x, self.dt, self.A, self.B, self.C, self.D

    def part(self, start: int, end: int) -> "Inputs":
        """Tokens start … end as one sequence."""
        rows = slice(start, end)
        return Inputs(
            x=self.x[rows],
            dt=self.dt[rows],
            A=self.A,
            B=self.B[rows],
            C=self.C[rows],
            D=self.D,
            lengths=(end - start,),
        )


def make(
    lengths: Sequence[int],
    groups: int = 2,
    dims: tuple[int, int] = SMALL,
    dt_scale: float = 1.0,
) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    total, (head_dim, state_dim) = sum(lengths), dims

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return Inputs(
        x=normal(total, HEADS, head_dim),
        dt=functional.softplus(normal(total, HEADS) - 1) * dt_scale,
        A=-torch.exp(normal(HEADS)),
        B=normal(total, groups, state_dim),
        C=normal(total, groups, state_dim),
        D=normal(HEADS),
        lengths=tuple(lengths),
    )


def states(count: int, dims: tuple[int, int] = SMALL) -> Tensor:
    return torch.randn(count, HEADS, *dims, generator=torch.Generator().manual_seed(9))


LENGTHS = [(1,), (7,), (16,), (33,), (5, 1, 12, 20), (4, 4, 4), (1, 1, 1), (40, 1)]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("chunk_size", [1, 4, 16, 64])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_chunked_equals_the_recurrence(
    lengths: tuple[int, ...], chunk_size: int, groups: int
) -> None:
    inputs, initial = make(lengths, groups), states(len(lengths))
    expected, final = ssd_oracle(*inputs.tensors, lengths, initial)
    y = ssd_chunked(*inputs.tensors, inputs.segments, chunk_size, initial)
    torch.testing.assert_close(y.double(), expected, **CLOSE)
    x, dt, A, B, *_ = inputs.tensors
    found = ssd_final_states(x, dt, A, B, inputs.segments, initial)
    torch.testing.assert_close(found.double(), final, **CLOSE)
    assert y.dtype == found.dtype == torch.float32


def test_no_initial_state_means_zeros() -> None:
    inputs = make((9, 3))
    zeros = torch.zeros_like(states(2))
    given_zeros = ssd_chunked(*inputs.tensors, inputs.segments, 4, zeros)
    torch.testing.assert_close(ssd_chunked(*inputs.tensors, inputs.segments, 4), given_zeros)
    x, dt, A, B, *_ = inputs.tensors
    assert torch.equal(
        ssd_final_states(x, dt, A, B, inputs.segments),
        ssd_final_states(x, dt, A, B, inputs.segments, zeros),
    )


@pytest.mark.parametrize("chunk_size", [4, 16])
@pytest.mark.parametrize("lengths", [(7,), (5, 1, 12, 4), (16, 16)], ids=str)
def test_every_gradient_equals_that_of_the_recurrence(
    lengths: tuple[int, ...], chunk_size: int
) -> None:
    inputs, initial = make(lengths), states(len(lengths))
    leaves = [t.requires_grad_() for t in (*inputs.tensors, initial)]
    y = ssd_chunked(*inputs.tensors, inputs.segments, chunk_size, initial)
    x, dt, A, B, *_ = inputs.tensors
    final = ssd_final_states(x, dt, A, B, inputs.segments, initial)
    outputs, wide_outputs = (y, final), ssd_oracle(*inputs.tensors, lengths, initial)
    directions = [torch.randn(t.shape, generator=torch.Generator().manual_seed(3)) for t in outputs]
    found = torch.autograd.grad(outputs, leaves, directions)
    expected = torch.autograd.grad(wide_outputs, leaves, [d.double() for d in directions])
    names = ("x", "dt", "A", "B", "C", "D", "initial_states")
    for name, one, other in zip(names, found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("chunk_size", [4, 32])
def test_packed_equals_unpacked(chunk_size: int) -> None:
    lengths = (5, 1, 12, 20)
    inputs, initial = make(lengths), states(4)
    packed = ssd_chunked(*inputs.tensors, inputs.segments, chunk_size, initial).split(lengths)
    start = 0
    for sequence, (y, length) in enumerate(zip(packed, lengths, strict=True)):
        alone = inputs.part(start, start + length)
        own = initial[sequence : sequence + 1]
        expected = ssd_chunked(*alone.tensors, alone.segments, chunk_size, own)
        torch.testing.assert_close(y, expected, **CLOSE)
        start += length


@pytest.mark.parametrize("cut", [1, 8, 15, 22])
def test_a_sequence_may_be_cut_where_its_state_is_carried(cut: int) -> None:
    inputs, initial = make((23,)), states(1)
    whole = ssd_chunked(*inputs.tensors, inputs.segments, 8, initial)
    head, tail = inputs.part(0, cut), inputs.part(cut, 23)
    x, dt, A, B, *_ = head.tensors
    carried = ssd_final_states(x, dt, A, B, head.segments, initial)
    parts = [
        ssd_chunked(*head.tensors, head.segments, 8, initial),
        ssd_chunked(*tail.tensors, tail.segments, 8, carried),
    ]
    torch.testing.assert_close(torch.cat(parts), whole, **CLOSE)


def test_bfloat16_inputs_stay_within_their_rounding() -> None:
    inputs = make((50, 14))
    x, dt, A, B, C, D = inputs.tensors
    x, B, C = (t.bfloat16() for t in (x, B, C))
    expected, _ = ssd_oracle(x, dt, A, B, C, D, inputs.lengths)
    y = ssd_chunked(x, dt, A, B, C, D, inputs.segments, 16)
    assert y.dtype == torch.bfloat16
    # One rounding to bfloat16 is up to 2^-9; each y is made of several rounded products.
    assert (y.double() - expected).norm() < 2**-7 * expected.norm()


@pytest.mark.parametrize("dims", [SMALL, LARGE], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("lengths", [(1,), (1, 1, 1), (33,), (5, 1, 12, 40)], ids=str)
def test_rows_equal_the_recurrence(
    lengths: tuple[int, ...], groups: int, dims: tuple[int, int]
) -> None:
    inputs, memory = make(lengths, groups, dims), states(len(lengths), dims)
    expected, final = ssd_oracle(*inputs.tensors, lengths, memory)
    y = ssd_rows(*inputs.tensors, lengths, memory)
    torch.testing.assert_close(y.double(), expected, **CLOSE)
    torch.testing.assert_close(memory.double(), final, **CLOSE)


def run_rows(inputs: Inputs, spans: Sequence[tuple[int, int]], memory: Tensor) -> Tensor:
    """Tokens of each span as a sequence of one call; y of all spans, states moved on."""
    rows = torch.cat([torch.arange(start, end) for start, end in spans])
    x, dt, A, B, C, D = inputs.tensors
    lengths = [end - start for start, end in spans]
    return ssd_rows(x[rows], dt[rows], A, B[rows], C[rows], D, lengths, memory)


@pytest.mark.parametrize("dims", [SMALL, LARGE], ids=str)
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_rows_are_bitwise_equal_under_any_cutting(dims: tuple[int, int], cuts: list[int]) -> None:
    total = sum(cuts)
    inputs, whole_state, cut_state = make((total,), 2, dims), states(1, dims), states(1, dims)
    whole = run_rows(inputs, [(0, total)], whole_state)
    start, pieces = 0, []
    for length in cuts:
        pieces.append(run_rows(inputs, [(start, start + length)], cut_state))
        start += length
    assert torch.cat(pieces).equal(whole)
    assert cut_state.equal(whole_state)


@pytest.mark.parametrize("dims", [SMALL, LARGE], ids=str)
@settings(max_examples=25)
@given(lengths=st.lists(st.sampled_from([1, 1, 1, 2, 17, 40]), min_size=1, max_size=5))
def test_rows_are_bitwise_equal_alone_and_batched(
    dims: tuple[int, int], lengths: list[int]
) -> None:
    inputs, memory = make(lengths, 2, dims), states(len(lengths), dims)
    alone, memories, start = [], [], 0
    for sequence, length in enumerate(lengths):
        memories.append(memory[sequence : sequence + 1].clone())
        alone.append(run_rows(inputs, [(start, start + length)], memories[-1]))
        start += length
    y = ssd_rows(*inputs.tensors, lengths, memory)
    assert y.equal(torch.cat(alone))
    assert memory.equal(torch.cat(memories))


@pytest.mark.parametrize("dims", [SMALL, LARGE], ids=str)
def test_one_token_of_one_head_is_bitwise_equal_in_any_company(dims: tuple[int, int]) -> None:
    """A batch of one matrix is a case of its own for torch, and rounds differently."""
    inputs = make((6,), 2, dims)
    x, dt, A, B, C, D = inputs.tensors
    one = Inputs(x=x[:, :1], dt=dt[:, :1], A=A[:1], B=B[:, :1], C=C[:, :1], D=D[:1], lengths=(6,))
    memory = states(1, dims)[:, :1].contiguous()
    whole = run_rows(one, [(0, 6)], memory.clone())
    alone = run_rows(one, [(0, 1)], memory.clone())
    beside = run_rows(one, [(0, 1), (0, 1), (0, 1)], memory.repeat(3, 1, 1, 1))
    assert alone.equal(whole[:1]) and beside[1:2].equal(whole[:1])


def test_small_decays_survive_a_large_one_before_them() -> None:
    """In float32 the differences of sums near 3e4 would be wrong in their second digit."""
    inputs = make((32,))
    x, _, A, B, C, D = inputs.tensors
    dt = torch.full((32, HEADS), 0.01)
    dt[1] = 3e4
    arguments = (x, dt, -torch.ones_like(A), B, C, D)
    expected, final = ssd_oracle(*arguments, (32,))
    y = ssd_chunked(*arguments, inputs.segments, 32)
    found = ssd_final_states(x, dt, -torch.ones_like(A), B, inputs.segments)
    later = slice(2, None)
    assert (y[later] - expected[later]).norm() < 1e-6 * expected[later].norm()
    assert (found - final).norm() < 1e-6 * final.norm()


@pytest.mark.parametrize("lengths", [(1, 1, 1), (4, 9, 2)], ids=str)
def test_nan_of_one_sequence_or_of_padding_reaches_no_other_row(lengths: tuple[int, ...]) -> None:
    inputs, clean, spoilt = make(lengths), states(3), states(3)
    expected = ssd_rows(*inputs.tensors, lengths, clean)
    spoilt[1] = torch.nan
    x, dt, A, B, C, D = inputs.tensors
    padded = [torch.cat([t, torch.full_like(t[:2], torch.nan)]) for t in (x, dt, B, C)]
    y = ssd_rows(padded[0], padded[1], A, padded[2], padded[3], D, lengths, spoilt)
    for sequence, (found, wanted) in enumerate(
        zip(y[: sum(lengths)].split(lengths), expected.split(lengths), strict=True)
    ):
        assert found.isnan().all() if sequence == 1 else found.equal(wanted)
    assert spoilt[[0, 2]].equal(clean[[0, 2]])


@pytest.mark.parametrize("dt_scale", [1e3, 1e6])
def test_decays_that_vanish_give_no_nan(dt_scale: float) -> None:
    """exp(dt·A) is 0 from one token to the next, so differences of sums are far beyond exp."""
    inputs, initial = make((20, 5), dt_scale=dt_scale), states(2)
    leaves = [t.requires_grad_() for t in (*inputs.tensors, initial)]
    y = ssd_chunked(*inputs.tensors, inputs.segments, 8, initial)
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(y.sum(), leaves))
    detached = [t.detach() for t in inputs.tensors]
    expected, final = ssd_oracle(*detached, inputs.lengths, initial.detach())
    memory = initial.detach().clone()
    rows = ssd_rows(*detached, inputs.lengths, memory)
    for found, wanted in ((y, expected), (rows, expected), (memory, final)):
        scale = wanted.abs().max().item()
        torch.testing.assert_close(found.double() / scale, wanted / scale, rtol=1e-4, atol=1e-6)
