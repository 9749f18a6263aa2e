"""int8 and int4 weights: their bytes, how they round, and products with them.

Every instruction set that this processor has. Bytes are what files hold, so `reference_bytes` says
them again in numpy; products are compared with whole numbers in int64 and sums in float64.
"""

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
groups = pytest.mark.parametrize("group", [32, 64, 128])
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
    padded = np.pad(x, ((0, 0), (0, -x.shape[1] % group)))
    return padded.reshape(len(x), -1, group)


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


@groups
@formats
@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (32, 128), (67, 200)])
def test_bytes_are_as_documented_on_every_instruction_set(
    shape: tuple[int, int], format: _cpu.Format, group: int
) -> None:
    layout = Layout(*shape, format, group)
    for dtype in (torch.float32, torch.bfloat16):
        weight = random(*shape, dtype=dtype)
        expected = reference_bytes(weight, layout)
        for isa in ISAS:
            np.testing.assert_array_equal(pack(weight, format, group, isa=isa), expected, isa)


@groups
@formats
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


@settings(max_examples=40)
@given(
    rows=st.integers(1, 70),
    columns=st.integers(1, 300),
    group=st.sampled_from([32, 64, 128]),
    seed=st.integers(0, 1000),
)
@formats
def test_weights_round_to_the_nearest(
    format: _cpu.Format, rows: int, columns: int, group: int, seed: int
) -> None:
    """Within half a step; where int4 ends, at 7 steps, within one of a rounded scale."""
    layout, weight = Layout(rows, columns, format, group), random(rows, columns, seed=seed)
    _, scales = whole_weights(weight, layout)
    step = np.abs(scales).repeat(group, axis=1)[:, :columns]
    error = (unpack(pack(weight, format, group), layout) - weight).abs().numpy()
    bound = np.full_like(error, 0.5)
    if format == INT4:
        bound[weight.numpy() / scales.repeat(group, axis=1)[:, :columns] > 7.5] = 1.02
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


@settings(max_examples=25)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 150),
    group=st.sampled_from([32, 64, 128]),
    skew=st.floats(0, 4),
    seed=st.integers(0, 1000),
)
@formats
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
    weight = random(33, 65)
    for format in (INT8, INT4):
        assert pack(weight, format, 32, torch.zeros(65)).equal(pack(weight, format))


# ---- products


def whole_inputs(x: Tensor, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows as the kernels round them: (T, groups, group) int64 and scales (T, groups) float32."""
    parts = in_groups(x.float().numpy(), group)
    peaks = np.abs(parts).max(2)
    with np.errstate(divide="ignore"):
        inverse = np.where(peaks > 1e-30, np.float32(127) / peaks, np.float32(0))
    whole = np.rint(parts * inverse[..., None].astype(np.float32)).astype(np.int64)
    return whole, peaks / np.float32(127)


@settings(max_examples=30)
@given(
    count=st.integers(1, 14),
    rows=st.integers(1, 100),
    columns=st.integers(1, 300),
    group=st.sampled_from([32, 64, 128]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    seed=st.integers(0, 1000),
)
@formats
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
@given(count=st.integers(1, 20), columns=st.integers(1, 200), seed=st.integers(0, 1000))
@formats
@isas
def test_a_row_alone_has_the_bits_it_has_among_others(
    isa: str, format: _cpu.Format, count: int, columns: int, seed: int
) -> None:
    layout, weight = Layout(45, columns, format, 32), random(45, columns, seed=seed)
    packed, x = pack(weight, format), random(count, columns, seed=seed + 1)
    together = product(x, packed, layout, isa)
    alone = torch.cat([product(x[t : t + 1], packed, layout, isa) for t in range(count)])
    assert together.equal(alone)


@formats
@isas
def test_rows_and_weights_that_are_not_finite_give_nan_and_spoil_no_others(
    isa: str, format: _cpu.Format
) -> None:
    layout, weight, x = Layout(40, 100, format, 32), random(40, 100), random(9, 100, seed=1)
    expected = product(x, pack(weight, format), layout, isa)
    for t, k, value in ((1, 0, torch.nan), (4, 99, torch.inf), (8, 50, -torch.inf)):
        x[t, k] = value
    weight[11, 70] = torch.nan
    expected[[1, 4, 8]] = torch.nan
    expected[:, 11] = torch.nan
    found = product(x, pack(weight, format), layout, isa)
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
        (weight, INT8, 48, None, right, "group: use 32, 64 or 128"),
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
