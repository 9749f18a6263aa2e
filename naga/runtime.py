"""Runtime: device and dtype, chosen once by the command line and passed down.

Does not hold models or configs. An asked-for device that is missing is an error, never a fallback.
"""

from dataclasses import dataclass

import torch

from naga.config.base import ConfigError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    device: torch.device
    dtype: torch.dtype
    """Compute dtype of activations and matrices."""


def make_runtime(device: str, dtype: str) -> Runtime:
    """Check that `device` exists and name the dtype; ConfigError says what is missing."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"device {device!r}: unknown; use cpu or cuda") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {device!r}: this machine has no usable CUDA device; use cpu")
    if chosen.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {device!r}: not supported; use cpu or cuda")
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r}: unknown; use {' or '.join(DTYPES)}")
    return Runtime(device=chosen, dtype=DTYPES[dtype])
