"""How large the inputs of a layer's matrices are, column by column: what calibration gathers.

A product's error is its weights' errors, each times its input: where the input is large on a real
text, the weight must be near. Products are seen as torch computes them in the training form, so
that no layer knows of this; the weights must be float32, as the products are then of them
themselves and not of a rounded copy. (The weighting is that of arXiv 2306.00978.)

N rows, K columns of a matrix, E experts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Rows of evenly large columns that every matrix counts as seen: an expert that few tokens visited
# is not fitted to these few.
PRIOR_ROWS = 16
# No column counts as less than this share of the average: another text may use it.
FLOOR = 0.01


class Moments(TorchFunctionMode):
    """While entered, adds up x_k² over the rows of x in every product x Wᵀ with a named weight."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """`weights`: (N, K), or (E, N, K) of which each (N, K) counts by itself."""
        super().__init__()
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, Tensor] = {}
        self._experts = {name for name, weight in weights.items() if weight.dim() == 3}
        # Views are made anew at every use; their addresses stay.
        self._found: dict[int, tuple[str, int]] = {}
        for name, weight in weights.items():
            matrices = weight.unbind() if name in self._experts else (weight,)
            self._sums[name] = torch.zeros(len(matrices), weight.shape[-1])
            self._rows[name] = torch.zeros(len(matrices))
            self._found |= {part.data_ptr(): (name, i) for i, part in enumerate(matrices)}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.linear and args[1].data_ptr() in self._found:
            self._add(*self._found[args[1].data_ptr()], args[0])
        return func(*args, **(kwargs or {}))

    def _add(self, name: str, part: int, x: Tensor) -> None:
        self._sums[name][part] += x.square().sum(0)
        # Experts' rows are padded with zeros.
        self._rows[name][part] += (x != 0).any(-1).sum()

    def importance(self) -> dict[str, Tensor]:
        """By name: (K,), or (E, K) of experts; about 1 on average, even where nothing was seen."""
        found = {name: weigh(sums, self._rows[name]) for name, sums in self._sums.items()}
        return {name: x if name in self._experts else x[0] for name, x in found.items()}


def weigh(sums: Tensor, rows: Tensor) -> Tensor:
    """Sums of squares (P, K) over so many rows (P,) -> importance (P, K)."""
    mean = sums.mean(-1, keepdim=True)
    # In units of the average column's sum, every column of the prior's rows being average.
    share = torch.where(mean > 0, sums / mean, 1.0)
    seen = rows[:, None] / (rows[:, None] + PRIOR_ROWS)
    return (seen * share + (1 - seen)).clamp_min(FLOOR)
