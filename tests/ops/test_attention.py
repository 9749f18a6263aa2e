"""naga.ops.attention: both forms against softmax attention in float64, row exactness, rotation."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from naga.ops.attention import KEY_BLOCK, attention, attention_rows, rotate
from naga.ops.attention.reference import QUERY_BLOCK

DIM = 8
SCALE = 0.4
LONG = QUERY_BLOCK + 2 * KEY_BLOCK + 3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(length: int, heads: int = 4, kv_heads: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    q = 2 * normal(length, heads, DIM)
    return q, normal(length, kv_heads, DIM, seed=1), normal(length, kv_heads, DIM, seed=2)


def exact(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """float64; queries are the last positions of the keys."""
    q, k, v = q.double(), k.double(), v.double()
    group = q.shape[1] // k.shape[1]
    k, v = (t.repeat_interleave(group, dim=1) for t in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) * SCALE
    start = k.shape[0] - q.shape[0]
    future = torch.arange(k.shape[0]) > start + torch.arange(q.shape[0])[:, None]
    weights = scores.masked_fill(future, -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, v)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (6, 1), (1, 1)])
@pytest.mark.parametrize("length", [1, 17, KEY_BLOCK - 1, KEY_BLOCK, KEY_BLOCK + 1, LONG])
def test_rows_equal_softmax_attention(length: int, heads: int, kv_heads: int) -> None:
    q, k, v = inputs(length, heads, kv_heads)
    found = attention_rows(q, k, v, 0, SCALE)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact(q, k, v), rtol=0, atol=1e-5)


@pytest.mark.parametrize("start", [1, KEY_BLOCK - 1, KEY_BLOCK, 100])
def test_later_queries_see_every_earlier_key(start: int) -> None:
    q, k, v = inputs(start + 5)
    found = attention_rows(q[start:], k, v, start, SCALE)
    torch.testing.assert_close(found.double(), exact(q[start:], k, v), rtol=0, atol=1e-5)


@pytest.mark.parametrize("lengths", [(1,), (9,), (5, 1, 12), (70, 3)], ids=str)
def test_training_form_equals_softmax_attention_of_each_sequence(lengths: tuple[int, ...]) -> None:
    q, k, v = inputs(sum(lengths))
    parts = zip(q.split(lengths), k.split(lengths), v.split(lengths), strict=True)
    expected = torch.cat([exact(*part) for part in parts])
    found = attention(q, k, v, lengths, SCALE)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_gradients_of_the_training_form() -> None:
    lengths = (5, 1, 12)
    leaves = [t.requires_grad_() for t in inputs(18)]
    direction = normal(18, 4, DIM, seed=3)
    found = torch.autograd.grad(attention(*leaves, lengths, SCALE), leaves, direction)
    parts = zip(*(leaf.split(lengths) for leaf in leaves), strict=True)
    expected = torch.cat([exact(*part) for part in parts])
    wanted = torch.autograd.grad(expected, leaves, direction.double())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 2), (3, 1), (5, 5)])
@settings(max_examples=12)
@given(cuts=st.lists(st.sampled_from([1, 2, 15, 16, 40, 64, 130]), min_size=1, max_size=6))
def test_rows_are_bitwise_equal_under_any_chunking_with_nan_beyond_the_end(
    heads: int, kv_heads: int, cuts: list[int]
) -> None:
    total = sum(cuts)
    q, k, v = inputs(total, heads, kv_heads)
    whole = attention_rows(q, k, v, 0, SCALE)
    start = 0
    for length in cuts:
        end = start + length
        known = torch.full((total + 9, kv_heads, DIM), torch.nan)
        keys, values = known.clone(), known
        keys[:end], values[:end] = k[:end], v[:end]
        found = attention_rows(q[start:end], keys, values, start, SCALE)
        assert found.equal(whole[start:end])
        start = end


def test_scores_beyond_exp_stay_exact() -> None:
    """A difference of 1000 between scores: only the largest key of each query counts."""
    q, k, v = inputs(KEY_BLOCK + 30)
    found = attention_rows(1000 * q, k, v, 0, SCALE)
    torch.testing.assert_close(found.double(), exact(1000 * q, k, v), rtol=0, atol=1e-3)


def test_bfloat16_inputs_are_attended_in_float32() -> None:
    q, k, v = (t.bfloat16() for t in inputs(80))
    found = attention_rows(q, k, v, 0, SCALE)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact(q, k, v), rtol=0, atol=1e-5)


def naive_rotation(x: Tensor, positions: Sequence[int], base: float) -> Tensor:
    """Coordinate i and i + d/2 are one complex number, turned by position · base^(-2i/d)."""
    half = x.shape[-1] // 2
    numbers = torch.complex(x[..., :half].double(), x[..., half:].double())
    for token, position in enumerate(positions):
        for index in range(half):
            angle = torch.tensor(position * base ** (-2 * index / x.shape[-1]), dtype=torch.float64)
            numbers[token, :, index] *= torch.polar(torch.ones_like(angle), angle)
    return torch.cat([numbers.real, numbers.imag], dim=-1)


@pytest.mark.parametrize(("theta", "ntk_alpha"), [(10_000.0, 1.0), (500.0, 1.0), (10_000.0, 50.0)])
def test_rotation_turns_complex_numbers(theta: float, ntk_alpha: float) -> None:
    positions = [0, 1, 5, 900]
    x = normal(4, 3, DIM)
    found = rotate(x, torch.tensor(positions), theta, ntk_alpha)
    base = theta * ntk_alpha ** (DIM / (DIM - 2))
    torch.testing.assert_close(
        found.double(), naive_rotation(x, positions, base), rtol=0, atol=3e-4
    )
    assert found[0].equal(x[0])


def test_only_the_first_dims_rotate() -> None:
    positions, x = torch.tensor([0, 1, 5, 900]), normal(4, 3, DIM)
    found = rotate(x, positions, 500.0, 2.0, 6)
    assert found[..., 6:].equal(x[..., 6:])
    assert found[..., :6].equal(rotate(x[..., :6], positions, 500.0, 2.0))


def test_scales_slow_frequencies_down() -> None:
    positions, x = torch.tensor([0, 2, 6, 900]), normal(4, 3, DIM)
    halves = rotate(x, positions, 500.0, 1.0, None, [0.5] * (DIM // 2))
    assert halves.equal(rotate(x, positions // 2, 500.0, 1.0))


def test_rotated_products_depend_on_the_distance_alone() -> None:
    q, k = normal(1, 1, DIM), normal(1, 1, DIM, seed=1)

    def product(first: int, second: int) -> float:
        turned = [
            rotate(t, torch.tensor([position]), 100.0, 1.0)
            for t, position in ((q, first), (k, second))
        ]
        return (turned[0] * turned[1]).sum().item()

    assert product(3, 10) == pytest.approx(product(40, 47), abs=1e-4)
    assert product(3, 10) != pytest.approx(product(3, 11), abs=1e-3)


def test_a_rotated_row_does_not_depend_on_the_rows_beside_it() -> None:
    x, positions = normal(96, 2, DIM), torch.arange(96) * 7
    whole = rotate(x, positions, 10_000.0, 4.0)
    for start, length in [(0, 16), (5, 16), (11, 80)]:
        rows = slice(start, start + length)
        assert rotate(x[rows], positions[rows], 10_000.0, 4.0).equal(whole[rows])
