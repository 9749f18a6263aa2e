"""Layer: norm, mixer, residual; the one place that maps a pattern letter to a mixer.

Also StateView, which hands each layer its own slice of the pool.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from naga.config.model import ATTENTION, MAMBA2, ModelConfig
from naga.model.attention import Attention
from naga.model.mamba1 import Mamba1
from naga.model.mamba2 import Mamba2
from naga.model.mlp import Mlp
from naga.model.moe import Moe, Routing
from naga.model.norm import Norm
from naga.model.parallel import Parallel
from naga.model.state import Batch, StatePool
from naga.ops.linear import ROW_MULTIPLE


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerState:
    """One layer's views into StatePool: (ssm, conv) for M, S; KeyValues for *; all three for H."""

    pools: tuple[Any, ...]


class StateView:
    """Numbers the layers of each kind, so that layer i finds its slice of a pool."""

    def __init__(self, config: ModelConfig, pool: StatePool) -> None:
        self._layers = config.layers
        self._pool = pool

    def of_layer(self, index: int) -> LayerState:
        letter, earlier, pools = self._layers[index], self._layers[:index], list[Any]()
        if letter in MAMBA2:
            number = sum(other in MAMBA2 for other in earlier)
            pools += self._pool.ssm[number], self._pool.conv[number]
        if letter in ATTENTION:
            pools.append(self._pool.key_values(sum(other in ATTENTION for other in earlier)))
        if letter == "S":
            number = earlier.count("S")
            pools += self._pool.mamba1_ssm[number], self._pool.mamba1_conv[number]
        return LayerState(pools=tuple(pools))


Mixer = Mamba1 | Mamba2 | Attention | Mlp | Moe | Parallel


def make_mixer(letter: str, config: ModelConfig) -> Mixer:
    dim, eps = config.hidden_dim, config.norm_eps
    if letter == "M" and config.mamba:
        return Mamba2(dim, config.mamba, eps)
    if letter == "S" and config.mamba1:
        return Mamba1(dim, config.mamba1, eps)
    if letter == "*" and config.attention:
        return Attention(dim, config.attention, eps)
    if letter == "-" and config.mlp:
        mlp = config.mlp
        factors = (mlp.gate_multiplier, mlp.down_multiplier)
        return Mlp(dim, mlp.inner_dim, mlp.activation, *factors)
    if letter == "E" and config.moe:
        return Moe(dim, config.moe)
    if letter == "H" and config.parallel and config.mamba and config.attention:
        return Parallel(dim, config.parallel, config.mamba, config.attention, eps)
    raise AssertionError(f"ModelConfig admits no layer {letter!r}")


class Layer(nn.Module):
    """x + residual_multiplier · mixer(norm(x))."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self._residual = config.residual_multiplier
        self.norm = Norm(config.hidden_dim, config.norm_eps)
        self.mixer = make_mixer(config.layers[index], config)

    def forward(
        self, x: Tensor, batch: Batch, choices: Tensor | None = None
    ) -> tuple[Tensor, Routing | None]:
        """Training form: x (T, D) and, for a mixture of experts, what its router did.

        `choices` (T, k): the experts that it is to take, if they are known.
        """
        normed, routing = self.norm(x), None
        if isinstance(self.mixer, Moe):
            mixed, routing = self.mixer(normed, choices)
        elif isinstance(self.mixer, Mlp):
            mixed = self.mixer(normed)
        else:
            mixed = self.mixer(normed, batch)
        return x + self._residual * mixed, routing

    def step(self, x: Tensor, batch: Batch, state: LayerState) -> Tensor:
        """Row form: x (padded T, D)."""
        assert x.shape[0] % ROW_MULTIPLE == 0, x.shape
        normed = self.norm(x)
        if isinstance(self.mixer, Moe):
            mixed = self.mixer.step(normed, batch.positions.shape[0])
        elif isinstance(self.mixer, Mlp):
            mixed = self.mixer.step(normed)
        else:
            mixed = self.mixer.step(normed, batch, *state.pools)
        return x + self._residual * mixed
