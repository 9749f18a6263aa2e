"""Dense feed-forward mixer: down(activation(up(x))), gated (swiglu) or not (relu2). No biases.

T tokens, D model dim, I inner dim.
"""

from collections.abc import Callable

from torch import Tensor, nn

from naga.config.model import Activation
from naga.ops.linear import linear
from naga.ops.pointwise import relu2, scale, scale_parts, swiglu, swiglu_rows

# Activation -> (rows of `up` per inner unit, training form, row form).
ACTIVATIONS: dict[Activation, tuple[int, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]]
ACTIVATIONS = {"swiglu": (2, swiglu, swiglu_rows), "relu2": (1, relu2, relu2)}


class Matrix(nn.Linear):
    """A weight (rows, columns) without bias, cast to the dtype of what it multiplies.

    Layers call it, in both forms, and do not take its weight from it: so whatever wraps a linear
    module (LoRA) is taken part of. In the row form the rows are padded already.
    """

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(columns, rows, bias=False)

    def reset_parameters(self) -> None:
        """Nothing: see model/init.py."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight)


class Mlp(nn.Module):
    def __init__(
        self,
        model_dim: int,
        inner_dim: int,
        activation: Activation,
        gate_multiplier: float = 1.0,
        down_multiplier: float = 1.0,
    ) -> None:
        """Factors on the gate, which only swiglu has, and on the output."""
        super().__init__()
        rows, self._activation, self._activation_rows = ACTIVATIONS[activation]
        self._parts = (inner_dim,) * rows
        self._multipliers = (gate_multiplier, 1.0)[:rows]
        self._down_multiplier = down_multiplier
        self.up = Matrix(rows * inner_dim, model_dim)
        self.down = Matrix(model_dim, inner_dim)

    def forward(self, x: Tensor) -> Tensor:
        inner = self._activation(self._scaled(self.up(x)))
        return scale(self.down(inner), self._down_multiplier)

    def step(self, x: Tensor) -> Tensor:
        inner = self._activation_rows(self._scaled(self.up(x)))
        return scale(self.down(inner), self._down_multiplier)

    def _scaled(self, projected: Tensor) -> Tensor:
        return scale_parts(projected, self._parts, self._multipliers)
