"""Plain PyTorch causal convolution; see the contract in __init__."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from naga.ops.pointwise import silu, silu_rows


def conv1d(x: Tensor, weight: Tensor, bias: Tensor, segments: Tensor) -> Tensor:
    width = weight.shape[1]
    total = x.float() * weight[:, width - 1] + bias
    for back in range(1, min(width, x.shape[0])):
        same = (segments[back:] == segments[:-back]).unsqueeze(1)
        shifted = F.pad(torch.where(same, x[:-back], 0), (0, 0, back, 0))
        total = total + shifted.float() * weight[:, width - 1 - back]
    return silu(total).to(x.dtype)


def conv1d_rows(x: Tensor, weight: Tensor, bias: Tensor, before: Tensor, taps: Tensor) -> Tensor:
    stack = torch.cat([before.flatten(0, 1), x]).float()
    products = stack[taps] * weight.T[:, None]  # (W, T, C)
    total = products[0] + bias
    for product in products[1:].unbind():
        total += product
    return silu_rows(total).to(x.dtype)


# Every layer of a step asks the same, and so does every step of the same decoding requests.
@lru_cache(maxsize=4)
def tap_rows(lengths: tuple[int, ...], width: int) -> Tensor:
    """(W, T) rows of [before | x] read by each tap of each token; the last tap reads the token."""
    carried = width - 1
    columns = []
    first = len(lengths) * carried
    for sequence, length in enumerate(lengths):
        offsets = torch.arange(length) + torch.arange(-carried, 1).unsqueeze(1)
        inside = first + offsets
        earlier = (sequence + 1) * carried + offsets
        columns.append(torch.where(offsets >= 0, inside, earlier))
        first += length
    return torch.cat(columns, dim=1)


@lru_cache(maxsize=4)
def carried_rows(lengths: tuple[int, ...], width: int) -> Tensor:
    """(S, W-1) rows of [before | x] that are the last W-1 inputs of each sequence."""
    taps = tap_rows(lengths, width)
    ends = torch.tensor(lengths).cumsum(0) - 1
    return taps[1:, ends].T
