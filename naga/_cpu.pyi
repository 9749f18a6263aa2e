"""Types of the native extension; see naga/native/module.cpp."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

# Bias, mask, forced token, how many top tokens to report; see naga/ops/sampling.
Wishes = tuple[tuple[tuple[int, float], ...], bytes | None, int | None, int]
# Temperature, top_p, top_k or 0, seed, choice, position, and what few draws ask for.
Draw = tuple[float, float, int, int, int, int, Wishes | None]
# A token, its log-probability and the top ones; token -1 where logits are not finite, -2 where no
# token is allowed.
Chosen = tuple[int, float, tuple[tuple[int, float], ...]]

class Format:
    element: Format
    int8: Format
    int4: Format

class PlanConfig:
    """Fields as in naga/native/plan.hpp."""

    format: Format
    group: int
    def __init__(self) -> None: ...

class BoundStates:
    """Made by Plan.bind, for that plan."""

class Plan:
    """One caller at a time. ValueError names the tensor or array that does not fit."""

    def __init__(self, config: PlanConfig, isa: str, dtype: str, threads: int) -> None: ...
    def load(self, name: str, array: Tensor, importance: Tensor | None = None) -> None:
        """Copy or pack into memory of the plan's own; `importance` as in `pack`.

        Matrices in the plan's dtype, in either where they are quantised; all else float32.
        """

    def borrow(self, name: str, array: Tensor) -> None:
        """Packed bytes of a quantised matrix, uint8 (bytes,), of experts (E, bytes).

        They are read where they lie, and must stay there, until `settle` or `load`.
        """

    def settle(self, name: str) -> None:
        """Copy what is borrowed into memory of the plan's own."""

    def missing(self) -> Sequence[str]: ...
    def tensors(
        self,
    ) -> Sequence[tuple[str, tuple[int, ...], Literal["matrix", "experts", "vector"]]]:
        """(name, shape, kind) of every tensor of the model."""

    def read_weights(self) -> int:
        """Read every byte of the weights once, with all threads; how many they are."""

    def bind(
        self,
        ssm: Tensor,
        conv: Tensor,
        keys: Tensor,
        values: Tensor,
        key_scales: Tensor | None,
        value_scales: Tensor | None,
        mamba1_ssm: Tensor,
        mamba1_conv: Tensor,
    ) -> BoundStates:
        """A pool's tensors for `step`, which reads and writes them where they lie."""

    def step(
        self,
        tokens: Tensor,
        lengths: Sequence[int],
        starts: Sequence[int],
        slots: Sequence[int],
        sources: Sequence[int],
        pages: Sequence[Sequence[int]],
        states: BoundStates,
        hidden: Tensor,
    ) -> None: ...
    def logits(self, hidden: Tensor, out: Tensor) -> None: ...
    def sample(self, logits: Tensor, draws: Sequence[Draw]) -> list[Chosen]:
        """A token for each row of logits (R, V)."""

    def choose(
        self,
        tokens: Sequence[int],
        lengths: Sequence[int],
        starts: Sequence[int],
        slots: Sequence[int],
        sources: Sequence[int],
        pages: Sequence[Sequence[int]],
        states: BoundStates,
        rows: Sequence[int],
        draws: Sequence[Draw],
    ) -> list[Chosen]:
        """`step`, then `logits` and `sample` of the hidden rows `rows`, in ascending order."""

    @property
    def seconds(self) -> float:
        """Spent so far in step, logits, sample and choose."""

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
    """FLOP a second; dtype: float32, bfloat16, or int8; see naga/native/probe.hpp."""

def packed_bytes(rows: int, columns: int, format: Format, group: int) -> int:
    """Of a weight (rows, columns) in int8 or int4; a multiple of 64.

    `group`: 32, 64 or 128 columns share a scale; 0: all of them, int8 alone and at most 66,311.
    """

def pack(
    weight: Tensor,
    format: Format,
    group: int,
    importance: Tensor | None,
    out: Tensor,
    isa: str | None = None,
) -> None:
    """Round a weight (N, K), float32 or bfloat16, into `out`, uint8 (packed_bytes,).

    To the nearest multiple of a scale that puts the largest weight of a group at the end of the
    range; with `importance` (K,) float32, of the scale in a grid around that one which makes the
    sum of importance · (w - ŵ)² least. The same bytes on every instruction set. One thread, the GIL
    released; rows 32·i to 32·j of W fill their own part of the bytes.
    """

def unpack(
    packed: Tensor, rows: int, columns: int, format: Format, group: int, out: Tensor
) -> None:
    """The weights (rows, columns) float32 that packed bytes stand for."""

def product(
    x: Tensor, packed: Tensor, rows: int, format: Format, group: int, y: Tensor, isa: str
) -> None:
    """y (T, rows) float32 = x (T, K) Wᵀ with packed weights, on one thread."""
