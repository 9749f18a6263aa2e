"""Plain PyTorch causal convolution; see the contract in __init__."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from naga.ops.pointwise import silu, silu_rows


def conv1d(x: Tensor, weight: Tensor, bias: Tensor, segments: Tensor) -> Tensor:
    total: Tensor = _Convolution.apply(x, weight, bias, segments)  # type: ignore[no-untyped-call]
    return silu(total).to(x.dtype)


class _Convolution(torch.autograd.Function):
    """The taps, before silu: (T, C) float32. Its own gradient, for autograd's takes thrice as long.

    Works on a stack in which W - 1 rows of zeros precede every sequence, so that taps are slices.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, segments: Tensor) -> Tensor:
        carried = weight.shape[1] - 1
        places = torch.arange(x.shape[0], device=x.device) + carried * segments
        rows = int(places[-1]) + 1
        stack = x.new_zeros(rows + carried, x.shape[1], dtype=torch.float32)
        stack.index_copy_(0, places + carried, x.float())
        total = stack[carried:] * weight[:, carried] + bias
        for tap in range(carried):
            total.addcmul_(stack[tap : tap + rows], weight[:, tap])
        ctx.save_for_backward(stack, weight, places)
        ctx.dtype = x.dtype
        return total.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        stack, weight, places = ctx.saved_tensors
        carried = weight.shape[1] - 1
        rows = stack.shape[0] - carried
        spread = torch.zeros_like(stack).index_copy_(0, places, gradient)
        product = torch.empty_like(stack[:rows])
        taps = []
        for tap in range(carried + 1):
            torch.mul(spread[:rows], stack[tap : tap + rows], out=product)
            taps.append(product.sum(0))
        # The input at a token met its own last tap, the next token's last but one, and so on.
        into = spread[:rows] * weight[:, carried]
        for tap in range(carried):
            into.addcmul_(spread[carried - tap : carried - tap + rows], weight[:, tap])
        return (
            into.index_select(0, places).to(ctx.dtype),
            torch.stack(taps, 1),
            gradient.sum(0),
            None,
        )


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
