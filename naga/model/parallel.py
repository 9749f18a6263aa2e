"""Parallel-heads mixer (Falcon-H1, arXiv 2507.22448): attention and Mamba-2 over one normed input.

Both halves are the mixers of `*` and `M` layers; their outputs are scaled, added in float32 and
rounded once. So the layer has keys and values, and a recurrent state besides.
"""

from torch import Tensor, nn

from naga.config.model import AttentionConfig, MambaConfig, ParallelConfig
from naga.model.attention import Attention
from naga.model.mamba2 import Mamba2
from naga.model.state import Batch, KeyValues
from naga.ops.pointwise import weighted_sum


class Parallel(nn.Module):
    def __init__(
        self,
        model_dim: int,
        config: ParallelConfig,
        mamba: MambaConfig,
        attention: AttentionConfig,
        eps: float,
    ) -> None:
        super().__init__()
        self._weights = (config.ssm_multiplier, config.attention_multiplier)
        self.mamba = Mamba2(model_dim, mamba, eps)
        self.attention = Attention(model_dim, attention, eps)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        return weighted_sum(self.mamba(x, batch), self.attention(x, batch), self._weights)

    def step(self, x: Tensor, batch: Batch, ssm: Tensor, conv: Tensor, pages: KeyValues) -> Tensor:
        """x (padded T, D); states and pages as the two halves take them."""
        mixed = self.mamba.step(x, batch, ssm, conv)
        return weighted_sum(mixed, self.attention.step(x, batch, pages), self._weights)
