"""Grouped-query attention mixer: projections, optional rotation, optional QK-norm, paged keys.

QK-norm comes after the rotation, as in Hunyuan, or before it, as in Qwen3.

T tokens, H query heads, V KV heads, d head dim.
"""

import torch
from torch import Tensor, nn

from naga.config.model import AttentionConfig
from naga.model.mlp import Matrix
from naga.model.norm import Norm
from naga.model.state import Batch, KeyValues
from naga.ops.attention import attention, attention_rows, rotate
from naga.ops.pointwise import scale


class Attention(nn.Module):
    def __init__(self, model_dim: int, config: AttentionConfig, eps: float) -> None:
        super().__init__()
        self._config = config
        query_dim, kv_dim = (n * config.head_dim for n in (config.num_heads, config.num_kv_heads))
        self.q_proj = Matrix(query_dim, model_dim)
        self.k_proj = Matrix(kv_dim, model_dim)
        self.v_proj = Matrix(kv_dim, model_dim)
        self.o_proj = Matrix(model_dim, query_dim)
        self.q_norm = self.k_norm = None
        if config.qk_norm:
            self.q_norm, self.k_norm = (Norm(config.head_dim, eps) for _ in range(2))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        projected = [matrix(x) for matrix in (self.q_proj, self.k_proj, self.v_proj)]
        q, k, v = self._heads(projected, batch.positions)
        mixed = attention(q, k, v, batch.lengths, self._config.softmax_scale)
        mixed = self.o_proj(mixed.flatten(1))
        return mixed

    def step(self, x: Tensor, batch: Batch, pages: KeyValues) -> Tensor:
        """x (padded T, D); `pages` are read and extended in place."""
        projected = [matrix(x) for matrix in (self.q_proj, self.k_proj, self.v_proj)]
        # Rotation and norms see padded rows too, so that their vector tails fall on padding.
        missing = x.shape[0] - batch.positions.shape[0]
        positions = torch.cat([batch.positions, batch.positions.new_zeros(missing)])
        q, k, v = self._heads(projected, positions)
        mixed = torch.zeros(q.shape, device=x.device)
        first, page_size = 0, pages.keys.shape[1]
        for length, start, own in zip(batch.lengths, batch.starts, batch.page_index, strict=True):
            rows, end = slice(first, first + length), start + length
            used = own[: -(-end // page_size)]
            pages.put(used, start, k[rows], v[rows])
            keys, values = pages.take(used)
            queries = pages.meet(q[rows])
            mixed[rows] = attention_rows(queries, keys, values, start, self._config.softmax_scale)
            first += length
        mixed = self.o_proj(mixed.to(x.dtype).flatten(1))
        return mixed

    def _heads(self, projected: list[Tensor], positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scaled = map(scale, projected, self._config.projection_multipliers)
        q, k, v = (t.unflatten(-1, (-1, self._config.head_dim)) for t in scaled)
        if self._config.qk_norm_place == "before_rotation":
            q, k = self._normed(q, k)
            return self._rotated(q, positions), self._rotated(k, positions), v
        q, k = self._normed(self._rotated(q, positions), self._rotated(k, positions))
        return q, k, v

    def _rotated(self, x: Tensor, positions: Tensor) -> Tensor:
        rope, dim = self._config.rope, self._config.rotary_dim
        if rope is None:
            return x
        return rotate(x, positions, rope.theta, rope.ntk_alpha, dim, rope.scales(dim))

    def _normed(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        if self.q_norm is None or self.k_norm is None:
            return q, k
        return self.q_norm(q), self.k_norm(k)
