"""Types of the native extension; see naga/native/module.cpp."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

class Format:
    element: Format
    int8: Format
    int4: Format

class PlanConfig:
    """Fields as in naga/native/plan.hpp."""

    format: Format
    group: int
    def __init__(self) -> None: ...

class Plan:
    def __init__(self, config: PlanConfig, isa: str, dtype: str, threads: int) -> None: ...
    def load(self, name: str, array: Tensor) -> None: ...
    def missing(self) -> Sequence[str]: ...
    def step(
        self,
        tokens: Tensor,
        lengths: Tensor,
        starts: Tensor,
        slots: Tensor,
        pages: Tensor,
        ssm: Tensor,
        conv: Tensor,
        keys: Tensor,
        values: Tensor,
        key_scales: Tensor | None,
        value_scales: Tensor | None,
        hidden: Tensor,
    ) -> None: ...
    def logits(self, hidden: Tensor, out: Tensor) -> None: ...
    def sample(
        self,
        logits: Tensor,
        reals: Tensor,
        words: NDArray[np.uint64],
        tokens: Tensor,
        logprobs: Tensor,
    ) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def weight_bytes(self) -> int: ...
    @property
    def isa(self) -> str: ...

def best_isa() -> str: ...
def has_isa(isa: str) -> bool: ...
def read_bandwidth(bytes: int, threads: int) -> float:
    """Bytes a second; see naga/native/probe.hpp."""

def product_peak(dtype: str, isa: str, threads: int) -> float:
    """FLOP a second; see naga/native/probe.hpp."""
