"""llama.cpp's q6_K: 6.5625 bits a weight, which its quantiser gives to heads; gguf only reads it.

A block is 256 values, 16 groups of 16: whole numbers -32 .. 31 times an int8 scale of the group
times a float16 scale of the block. Rounds to nearest. Layout of a block's 210 bytes: low four bits,
high two bits, group scales, block scale.

N blocks.
"""

import numpy as np
from numpy.typing import NDArray

BLOCK, GROUP = 256, 16
# Rows at a time: bounds what is held in float32.
ROWS = 4096


def quantize_q6_k(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(rows, columns) -> (rows, columns / 256 * 210); columns must be a multiple of 256."""
    rows, columns = values.shape
    parts = [
        _quantize(values[first : first + ROWS].reshape(-1, BLOCK)) for first in range(0, rows, ROWS)
    ]
    return np.concatenate(parts).reshape(rows, columns // BLOCK * 210)


def _quantize(blocks: NDArray[np.float32]) -> NDArray[np.uint8]:
    groups = blocks.reshape(-1, BLOCK // GROUP, GROUP)
    scales = _extreme(groups) / np.float32(-32)
    block_scale = (_extreme(scales) / np.float32(-128)).astype(np.float16)
    whole = _whole(scales, block_scale[:, None], -128, 127)
    step = block_scale[:, None].astype(np.float32) * whole
    numbers = (_whole(groups, step[:, :, None], -32, 31) + 32).astype(np.uint8)
    # (N, half, quarter of it, 32)
    quarters = numbers.reshape(-1, 2, 4, 32)
    low = (quarters[:, :, :2] & 15) | (quarters[:, :, 2:] & 15) << 4
    high = sum((quarters[:, :, k] >> 4) << np.uint8(2 * k) for k in range(4))
    count = len(blocks)
    return np.concatenate(
        [
            low.reshape(count, -1),
            np.asarray(high, np.uint8).reshape(count, -1),
            whole.astype(np.int8).view(np.uint8),
            block_scale[:, None].view(np.uint8),
        ],
        axis=1,
    )


def _extreme(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The number furthest from zero along the last axis."""
    places = np.abs(values).argmax(-1, keepdims=True)
    return np.take_along_axis(values, places, -1)[..., 0]


def _whole(
    values: NDArray[np.float32], step: NDArray[np.generic], low: int, high: int
) -> NDArray[np.float32]:
    """values / step, rounded; 0 where the step is 0."""
    wide = np.broadcast_to(step.astype(np.float32), values.shape)
    divided = np.divide(values, wide, out=np.zeros_like(values), where=wide != 0)
    return np.clip(np.rint(divided), low, high)
