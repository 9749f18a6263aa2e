"""Plain PyTorch products; see the contract in __init__."""

import torch.nn.functional as F
from torch import Tensor

ROW_MULTIPLE = 16


def linear(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x, weight.to(x.dtype))


def linear_rows(x: Tensor, weight: Tensor) -> Tensor:
    assert x.shape[0] % ROW_MULTIPLE == 0, x.shape
    return F.linear(x, weight.to(x.dtype))


def padded_len(rows: int, multiple: int = ROW_MULTIPLE) -> int:
    """The least multiple of `multiple` that holds `rows`."""
    return -(-rows // multiple) * multiple


def pad_rows(x: Tensor, multiple: int = ROW_MULTIPLE) -> Tensor:
    """(R, ...) -> (padded_len(R, multiple), ...), zeros below."""
    missing = padded_len(x.shape[0], multiple) - x.shape[0]
    return F.pad(x, [0, 0] * (x.dim() - 1) + [0, missing]) if missing else x
