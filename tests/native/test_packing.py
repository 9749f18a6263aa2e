"""int8 and int4 weights: their bytes, how they round, and products with them.

Every instruction set that this processor has. Bytes are what files hold, so `reference_bytes` says
them again in numpy; products are compared with whole numbers in int64 and sums in float64.
"""

import hashlib
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from naga import _cpu

ISAS = [isa for isa in ("portable", "avx2", "avx512", "avx512_bf16") if _cpu.has_isa(isa)]
INT8, INT4 = _cpu.Format.int8, _cpu.Format.int4
PANEL = 32
BITS = {INT8: 8, INT4: 4}
formats = pytest.mark.parametrize("format", [INT8, INT4])
CHANNEL = 0  # a scale for all columns
CHOICES = [(f, g) for f in (INT8, INT4) for g in (32, 64, 128)] + [(INT8, CHANNEL)]
choices = pytest.mark.parametrize(("format", "group"), CHOICES)
# The most columns that may share a scale.
MOST = 66_311
some_columns = st.one_of(st.integers(1, 300), st.sampled_from([1, 31, 33, 129, 1000]))
isas = pytest.mark.parametrize("isa", ISAS)


class Layout(NamedTuple):
    rows: int
    columns: int
    format: _cpu.Format
    group: int


def pack(
    weight: Tensor,
    format: _cpu.Format,
    group: int = 32,
    importance: Tensor | None = None,
    isa: str | None = None,
) -> Tensor:
    out = torch.full((_cpu.packed_bytes(*weight.shape, format, group),), 77, dtype=torch.uint8)
    _cpu.pack(weight, format, group, importance, out, isa)
    return out


def unpack(packed: Tensor, layout: Layout) -> Tensor:
    out = torch.full(layout[:2], torch.nan)
    _cpu.unpack(packed, *layout, out)
    return out


def rounded(weight: Tensor, format: _cpu.Format, group: int = 32, **more: Tensor) -> Tensor:
    return unpack(pack(weight, format, group, **more), Layout(*weight.shape, format, group))


def product(x: Tensor, packed: Tensor, layout: Layout, isa: str) -> Tensor:
    y = torch.full((len(x), layout.rows), torch.nan)
    _cpu.product(x, packed, layout.rows, layout.format, layout.group, y, isa)
    return y


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = torch.rand((*shape[:1], 1), generator=generator).mul(6).sub(3).exp()
    return (torch.randn(shape, generator=generator) * size).to(dtype)


def in_groups(x: np.ndarray, group: int) -> np.ndarray:
    """(R, K) -> (R, groups, group), zeros beyond K."""
    held = np.pad(x, ((0, 0), (0, -x.shape[1] % (group or 32))))
    return held.reshape(len(x), -1, group or held.shape[1])


def bfloat16(x: np.ndarray) -> np.ndarray:
    return torch.from_numpy(x).bfloat16().float().numpy()


def whole_weights(weight: Tensor, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers (N, groups, group) int64 and scales (N, groups) float32, plainly rounded."""
    parts = in_groups(weight.float().numpy(), layout.group)
    if layout.format == INT8:
        scales, least, most = np.abs(parts).max(2) / np.float32(127), -127, 127
    else:
        high, low = parts.max(2), parts.min(2)
        scales, least, most = np.where(high >= -low, high, low) / np.float32(-8), -8, 7
    scales = bfloat16(scales)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(scales == 0, 0, np.float32(1) / scales)[..., None]
    return np.rint((parts * inverse).clip(least, most)).astype(np.int64), scales


def reference_bytes(weight: Tensor, layout: Layout) -> np.ndarray:
    whole, scales = whole_weights(weight, layout)
    rows = -len(whole) % PANEL
    whole = np.pad(whole, ((0, rows), (0, 0), (0, 0))) + (8 if layout.format == INT4 else 128)
    scales = np.pad(scales, ((0, rows), (0, 0)))
    panels, group_count = len(whole) // PANEL, whole.shape[1]
    words = (scales.view(np.uint32) >> 16).astype("<u2")
    heads = words.reshape(panels, PANEL, group_count).transpose(0, 2, 1).copy().view(np.uint8)
    # (panels, PANEL, groups, fours, 4) -> (panels, groups, fours, PANEL, 4)
    planes = whole.reshape(panels, PANEL, group_count, -1, 4).transpose(0, 2, 3, 1, 4)
    if layout.format == INT4:
        planes = planes[:, :, 0::2] | planes[:, :, 1::2] << 4
    body = planes.reshape(panels, group_count, -1).astype(np.uint8)
    return np.concatenate([heads, body], axis=2).reshape(-1)


# ---- bytes


@choices
@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (32, 128), (9, 129), (67, 200), (33, 1000)])
def test_bytes_are_as_documented_on_every_instruction_set(
    shape: tuple[int, int], format: _cpu.Format, group: int
) -> None:
    layout = Layout(*shape, format, group)
    for dtype in (torch.float32, torch.bfloat16):
        weight = random(*shape, dtype=dtype)
        expected = reference_bytes(weight, layout)
        for isa in ISAS:
            np.testing.assert_array_equal(pack(weight, format, group, isa=isa), expected, isa)


# Files hold these bytes: none may change, of any weights.
DIGESTS = {
    ("float32", INT8, 32): "0c732af2f6c396a6",
    ("float32", INT8, 64): "6cf7ff3dd04ca47a",
    ("float32", INT8, 128): "fd86f878aaf17d3e",
    ("float32", INT4, 32): "6ef037af025fcfd8",
    ("float32", INT4, 64): "74556f0b417e33b7",
    ("float32", INT4, 128): "aa656834ebae753c",
    ("bfloat16", INT8, 32): "4f3265c06d74b6ae",
    ("bfloat16", INT8, 64): "231bbecf435c81f0",
    ("bfloat16", INT8, 128): "ece2ff809ccaa736",
    ("bfloat16", INT4, 32): "54a93d09021a1003",
    ("bfloat16", INT4, 64): "c762f18c039b0c46",
    ("bfloat16", INT4, 128): "12f4fe88f67ea34e",
}


def test_bytes_stay_what_they_have_always_been() -> None:
    """Plain and refined; with groups of zeros, of next to nothing, and of what is not finite."""
    mixed = torch.arange(70 * 300) * 2654435761 % 2**32 - 2**31
    sizes = 2.0 ** (31 + torch.arange(70 * 300) // 300 % 7)
    importance = (torch.arange(300) * 40503 % 65536 + 1).float()
    for (dtype, format, group), expected in DIGESTS.items():
        weight = (mixed.double() / sizes).float().view(70, 300).to(getattr(torch, dtype))
        weight[3, :130], weight[5, 40:90] = 0, 1e-35
        weight[9, 7], weight[10, 299] = torch.nan, -torch.inf
        found = [pack(weight, format, group, numbers) for numbers in (None, importance)]
        digest = hashlib.sha256(torch.cat(found).numpy().tobytes()).hexdigest()
        assert digest.startswith(expected), (dtype, format, group)


@choices
def test_refined_bytes_are_the_same_on_every_instruction_set(
    format: _cpu.Format, group: int
) -> None:
    weight, importance = random(50, 300), random(300, 1, seed=1).abs().flatten()
    found = [pack(weight, format, group, importance, isa) for isa in ISAS]
    assert all(bytes_.equal(found[0]) for bytes_ in found)
    assert not found[0].equal(pack(weight, format, group))


@formats
def test_bits_of_a_weight(format: _cpu.Format) -> None:
    for group in (32, 64, 128):
        size = _cpu.packed_bytes(64, 1024, format, group)
        assert size * 8 == 64 * 1024 * (BITS[format] + 16 / group)
    assert _cpu.packed_bytes(64, 1024, INT8, CHANNEL) * 8 == 64 * (1024 * 8 + 16)
    assert _cpu.packed_bytes(64, 993, INT8, CHANNEL) * 8 == 64 * (1024 * 8 + 16)
    assert _cpu.packed_bytes(64, 1024, INT4, 32) * 8 <= 4.65 * 64 * 1024
    assert all(_cpu.packed_bytes(n, k, format, 32) % 64 == 0 for n in (1, 33) for k in (1, 95))
    # Beyond 2³¹ weights.
    assert _cpu.packed_bytes(1 << 17, 1 << 15, INT8, 32) == (1 << 32) * 17 // 16


@formats
def test_rows_of_whole_panels_fill_their_own_part(format: _cpu.Format) -> None:
    weight = random(100, 70)
    whole = pack(weight, format)
    parts = [pack(weight[first : first + 32], format) for first in (0, 32, 64, 96)]
    assert torch.cat(parts).equal(whole)


# ---- rounding


@settings(max_examples=15)
@given(rows=st.integers(1, 70), columns=some_columns, seed=st.integers(0, 1000))
@choices
def test_weights_round_to_the_nearest(
    format: _cpu.Format, rows: int, columns: int, group: int, seed: int
) -> None:
    """Within half a step; where int4 ends, at 7 steps, within one of a rounded scale."""
    layout, weight = Layout(rows, columns, format, group), random(rows, columns, seed=seed)
    _, scales = whole_weights(weight, layout)
    width = in_groups(weight.numpy(), group).shape[2]
    step = np.abs(scales).repeat(width, axis=1)[:, :columns]
    error = (unpack(pack(weight, format, group), layout) - weight).abs().numpy()
    bound = np.full_like(error, 0.5)
    if format == INT4:
        bound[weight.numpy() / scales.repeat(width, axis=1)[:, :columns] > 7.5] = 1.04
    assert (error <= (bound + 1e-5) * step).all()


@formats
def test_groups_without_a_scale(format: _cpu.Format) -> None:
    """Zeros and what is next to nothing are zeros; what is not finite spoils its group alone."""
    weight = random(40, 96)
    weight[3, :32] = 0
    weight[5, 32:64] = 1e-35
    weight[6, 64:] = 3e38
    spoiled = {(7, 1): torch.nan, (8, 40): torch.inf, (35, 95): -torch.inf}
    for place, value in spoiled.items():
        weight[place] = value
    found = rounded(weight, format)
    assert found[3, :32].eq(0).all() and found[5, 32:64].eq(0).all()
    assert (found[6, 64:] / 3e38 - 1).abs().max() < 0.01
    expected = torch.zeros(40, 3, dtype=torch.bool)
    for n, k in spoiled:
        expected[n, k // 32] = True
    assert found.isnan().view(40, 3, 32).equal(expected[..., None].expand(40, 3, 32))


@settings(max_examples=10)
@given(
    rows=st.integers(1, 40),
    columns=some_columns,
    skew=st.floats(0, 4),
    seed=st.integers(0, 1000),
)
@choices
def test_importance_never_raises_the_weighted_error_of_a_group(
    format: _cpu.Format, rows: int, columns: int, group: int, skew: float, seed: int
) -> None:
    weight = random(rows, columns, seed=seed)
    importance = (random(columns, 1, seed=seed + 1).flatten() * skew).clamp(-20, 20).exp()
    errors = [
        in_groups(((found - weight).double() ** 2 * importance).numpy(), group).sum(2)
        for found in (
            rounded(weight, format, group),
            rounded(weight, format, group, importance=importance),
        )
    ]
    assert (errors[1] <= errors[0] * (1 + 1e-5)).all()


@pytest.mark.parametrize(("format", "skewed", "even"), [(INT8, 0.9, 0.99), (INT4, 0.7, 0.9)])
def test_importance_lowers_the_weighted_error(
    format: _cpu.Format, skewed: float, even: float
) -> None:
    """By how much: where few columns matter most, and where all matter alike."""
    weight = random(64, 512)
    for spread, most in ((2.0, skewed), (0.0, even)):
        importance = (torch.randn(512, generator=torch.Generator().manual_seed(1)) * spread).exp()
        plain, refined = (
            ((found - weight) ** 2 * importance).sum()
            for found in (
                rounded(weight, format),
                rounded(weight, format, importance=importance),
            )
        )
        assert refined < most * plain


def test_no_importance_at_all_is_plain_rounding() -> None:
    weight = random(33, 165)
    for format, group in CHOICES:
        plain = pack(weight, format, group)
        assert pack(weight, format, group, torch.zeros(165)).equal(plain)


# ---- one scale for a row


@pytest.mark.parametrize("columns", [32, 64, 128])
def test_a_row_as_long_as_a_group_has_that_groups_bytes(columns: int) -> None:
    weight, importance = random(50, columns), random(columns, 1, seed=1).abs().flatten()
    for numbers in (None, importance):
        expected = pack(weight, INT8, columns, numbers)
        assert pack(weight, INT8, CHANNEL, numbers).equal(expected)


@pytest.mark.parametrize("first", [0, 128, 256])
def test_importance_counts_wherever_in_a_long_row_it_is(first: int) -> None:
    """The columns that alone matter choose the scale that they would choose by themselves."""
    weight, importance = random(40, 350), torch.zeros(350)
    weight[:, ::90] = 1.1 * weight.abs().amax(1, keepdim=True)
    own = slice(first, first + 94)
    importance[own] = random(94, 1, seed=1).abs().flatten()
    alone = rounded(weight[:, own].contiguous(), INT8, CHANNEL, importance=importance[own])
    found = rounded(weight, INT8, CHANNEL, importance=importance)
    assert found[:, own].equal(alone)
    assert not found[:, own].equal(rounded(weight, INT8, CHANNEL)[:, own])


@pytest.mark.parametrize("importance", [None, torch.ones(1000)])
def test_what_is_not_finite_spoils_its_row_alone(importance: Tensor | None) -> None:
    weight = random(40, 1000)
    weight[3], weight[5] = 0, 1e-35
    expected = rounded(weight, INT8, CHANNEL, importance=importance)
    assert expected[[3, 5]].eq(0).all()
    for n, k, value in ((7, 1, torch.nan), (8, 140, torch.inf), (35, 999, -torch.inf)):
        weight[n, k] = value
        expected[n] = torch.nan
    found = rounded(weight, INT8, CHANNEL, importance=importance)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@isas
def test_the_largest_sums_of_a_row_fit(isa: str) -> None:
    """Weights and inputs of the largest size and of either sign, in as many columns as may be."""
    weight = torch.ones(2, MOST)
    weight[1] = -1
    x, layout = torch.cat([weight, torch.zeros(1, MOST)]), Layout(2, MOST, INT8, CHANNEL)
    found = product(x, pack(weight, INT8, CHANNEL), layout, isa)
    # bfloat16 holds 1 / 127 to 1 / 256 of it.
    scale = float(torch.tensor(1 / 127).bfloat16()) * 127
    expected = MOST * scale * torch.tensor([[1.0, -1], [-1, 1], [0, 0]])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_more_columns_than_a_sum_holds_are_refused() -> None:
    assert 255 * 127 * MOST < 2**31 <= 255 * 127 * (MOST + 1)
    refused = "columns: 66312 cannot share a scale, at most 66311 can; use groups of 32, 64 or 128"
    with pytest.raises(ValueError, match=refused):
        _cpu.packed_bytes(1, MOST + 1, INT8, CHANNEL)
    assert _cpu.packed_bytes(1, MOST + 1, INT8, 128) > _cpu.packed_bytes(1, MOST, INT8, CHANNEL)


# ---- products


def whole_inputs(x: Tensor, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows as the kernels round them: (T, groups, group) int64 and scales (T, groups) float32."""
    parts = in_groups(x.float().numpy(), group)
    peaks = np.abs(parts).max(2)
    with np.errstate(divide="ignore"):
        inverse = np.where(peaks > 1e-30, np.float32(127) / peaks, np.float32(0))
    whole = np.rint(parts * inverse[..., None].astype(np.float32)).astype(np.int64)
    return whole, peaks / np.float32(127)


@settings(max_examples=10)
@given(
    count=st.integers(1, 14),
    rows=st.integers(1, 100),
    columns=some_columns,
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    seed=st.integers(0, 1000),
)
@choices
@isas
def test_products_are_those_of_whole_numbers(
    isa: str,
    format: _cpu.Format,
    count: int,
    rows: int,
    columns: int,
    group: int,
    dtype: torch.dtype,
    seed: int,
) -> None:
    layout = Layout(rows, columns, format, group)
    x, weight = random(count, columns, seed=seed, dtype=dtype), random(rows, columns, seed=seed + 1)
    found = product(x, pack(weight, format, group), layout, isa)
    (inputs, x_scales), (weights, w_scales) = whole_inputs(x, group), whole_weights(weight, layout)
    sums = np.einsum("tgk,ngk->tng", inputs, weights)
    terms = sums * (x_scales[:, None].astype(np.float64) * w_scales)
    error = np.abs(found.numpy() - terms.sum(2))
    assert (error <= 3e-7 * np.abs(terms).sum(2) * (terms.shape[2] + 2) ** 0.5).all()


@settings(max_examples=10)
@given(count=st.integers(1, 20), columns=some_columns, seed=st.integers(0, 1000))
@pytest.mark.parametrize(("format", "group"), [(INT8, 32), (INT4, 32), (INT8, CHANNEL)])
@isas
def test_a_row_alone_has_the_bits_it_has_among_others(
    isa: str, format: _cpu.Format, group: int, count: int, columns: int, seed: int
) -> None:
    layout, weight = Layout(45, columns, format, group), random(45, columns, seed=seed)
    packed, x = pack(weight, format, group), random(count, columns, seed=seed + 1)
    together = product(x, packed, layout, isa)
    alone = torch.cat([product(x[t : t + 1], packed, layout, isa) for t in range(count)])
    assert together.equal(alone)


@choices
@isas
def test_rows_and_weights_that_are_not_finite_give_nan_and_spoil_no_others(
    isa: str, format: _cpu.Format, group: int
) -> None:
    layout, weight, x = Layout(40, 100, format, group), random(40, 100), random(9, 100, seed=1)
    expected = product(x, pack(weight, format, group), layout, isa)
    for t, k, value in ((1, 0, torch.nan), (4, 99, torch.inf), (8, 50, -torch.inf)):
        x[t, k] = value
    weight[11, 70] = torch.nan
    expected[[1, 4, 8]] = torch.nan
    expected[:, 11] = torch.nan
    found = product(x, pack(weight, format, group), layout, isa)
    assert torch.equal(found.isnan(), expected.isnan())
    assert found.nan_to_num().equal(expected.nan_to_num())


@isas
def test_extreme_rows_stay_finite(isa: str) -> None:
    """Zeros, what is next to nothing, and the largest numbers there are."""
    layout, packed = Layout(40, 64, INT8, 32), pack(random(40, 64) / 1e4, INT8)
    x = torch.stack([torch.zeros(64), torch.full((64,), 1e-38), torch.full((64,), 3e38)])
    found = product(x, packed, layout, isa)
    assert found[0].eq(0).all() and found[1].abs().max() < 1e-30
    assert found[2].isfinite().all() and found[2].abs().max() > 1e30


@formats
@isas
def test_packed_weights_may_lie_anywhere(isa: str, format: _cpu.Format) -> None:
    layout, x = Layout(70, 90, format, 32), random(5, 90, seed=1)
    packed = pack(random(70, 90), format)
    expected = product(x, packed, layout, isa)
    for offset in (1, 2, 7):
        moved = torch.empty(len(packed) + offset, dtype=torch.uint8)[offset:].copy_(packed)
        assert moved.data_ptr() % 4 == packed.data_ptr() % 4 + offset % 4
        assert product(x, moved, layout, isa).equal(expected)
        assert unpack(moved, layout).equal(unpack(packed, layout))


@formats
@isas
def test_any_bytes_are_weights(isa: str, format: _cpu.Format) -> None:
    """Those too that packing never writes: int8 of -128."""
    layout, x = Layout(64, 96, format, 32), random(7, 96, seed=1)
    packed = pack(random(64, 96), format)
    weights = packed.view(2 * 3, -1)[:, 2 * PANEL :]
    weights.copy_(torch.randint(4, weights.shape) * 85)  # 0, 85, 170, 255
    inputs, scales = whole_inputs(x, 32)
    rounded_x = (inputs * scales[..., None].astype(np.float64)).reshape(7, 96)
    expected = rounded_x @ unpack(packed, layout).double().numpy().T
    error = np.abs(product(x, packed, layout, isa).numpy() - expected)
    assert error.max() < 1e-5 * np.abs(expected).max()


def test_what_cannot_be_packed_is_refused() -> None:
    weight, right = random(4, 40), torch.empty(_cpu.packed_bytes(4, 40, INT8, 32)).byte()
    wrong = torch.empty(64, dtype=torch.uint8)
    cases = [
        (weight, INT8, 48, None, right, "group: use 32, 64 or 128, or 0 for all columns"),
        (weight, INT4, CHANNEL, None, right, "group: int4 needs groups of 32, 64 or 128 columns"),
        (weight, _cpu.Format.element, 32, None, right, "format: use int8 or int4"),
        (weight.half(), INT8, 32, None, right, "weight: must be float32 or bfloat16"),
        (weight[0], INT8, 32, None, right, "weight: must have two axes"),
        (weight.T, INT8, 32, None, right, "weight: must be contiguous"),
        (weight[:0], INT8, 32, None, right, "rows, columns: must be at least 1"),
        (weight, INT8, 32, None, wrong, "out: must be packed_bytes long"),
        (weight, INT8, 32, None, right.float(), "out: must be uint8"),
        (weight, INT8, 32, torch.ones(39), right, "importance: must have a number for each"),
        (weight, INT8, 32, torch.ones(40).double(), right, "importance: must be float32"),
        (weight, INT8, 32, -torch.ones(40), right, "importance: must be finite and not neg"),
        (weight, INT8, 32, torch.ones(40) / 0, right, "importance: must be finite and not neg"),
    ]
    for array, format, group, importance, out, message in cases:
        with pytest.raises(ValueError, match=message):
            _cpu.pack(array, format, group, importance, out)
    with pytest.raises(ValueError, match="instruction set mmx: unknown"):
        pack(weight, INT8, isa="mmx")
    with pytest.raises(ValueError, match="packed: must be packed_bytes long"):
        unpack(wrong, Layout(4, 40, INT8, 32))
    with pytest.raises(ValueError, match=r"out: must be \(rows, columns\)"):
        _cpu.unpack(right, 4, 40, INT8, 32, torch.empty(4, 41))
    with pytest.raises(ValueError, match="y: must be"):
        _cpu.product(weight, right, 4, INT8, 32, torch.empty(4, 5), ISAS[-1])
