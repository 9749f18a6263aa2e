"""Mamba-1 mixer (arXiv 2312.00752): in_proj -> [x | z], conv of x, x_proj -> [dt | B | C], scan.

dt is widened from its rank to all channels by dt_proj; with `norms`, [dt | B | C] pass an RMSNorm
each before use (Jamba). z gates what the scan gives. No norm after it, no bias on projections.

T tokens, I channels, N state dim, R rank of dt, W conv taps.
"""

import torch
from torch import Tensor, nn

from naga.config.model import Mamba1Config
from naga.model.mamba2 import Conv
from naga.model.mlp import Matrix
from naga.model.norm import Norm
from naga.model.state import Batch
from naga.ops.conv1d import carried_rows, conv1d, conv1d_rows, tap_rows
from naga.ops.pointwise import silu, silu_rows, softplus, softplus_rows
from naga.ops.selective_scan import selective_scan, selective_scan_rows


class Mamba1(nn.Module):
    def __init__(self, model_dim: int, config: Mamba1Config, eps: float) -> None:
        super().__init__()
        self._config = config
        inner, state = config.inner_dim, config.state_dim
        self.in_proj = Matrix(2 * inner, model_dim)
        self.conv = Conv(inner, config.conv_width)
        self.x_proj = Matrix(config.select_dim, inner)
        self.dt_proj = Matrix(inner, config.dt_rank)
        self.dt_bias = nn.Parameter(torch.empty(inner))
        self.A_log = nn.Parameter(torch.empty(inner, state))
        self.D = nn.Parameter(torch.empty(inner))
        self.out_proj = Matrix(model_dim, inner)
        self.dt_norm = self.B_norm = self.C_norm = None
        if config.norms:
            self.dt_norm, self.B_norm, self.C_norm = (
                Norm(dim, eps) for dim in (config.dt_rank, state, state)
            )

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        scanned, z = self.in_proj(x).chunk(2, dim=-1)
        scanned = conv1d(scanned, self.conv.weight, self.conv.bias, batch.segments)
        dt, B, C = self._select(self.x_proj(scanned))
        dt = softplus(self.dt_proj(dt).float() + self.dt_bias)
        A = -torch.exp(self.A_log)
        y = selective_scan(scanned, dt, A, B, C, self.D, batch.lengths)
        gated = (y.float() * silu(z.float())).to(z.dtype)
        mixed: Tensor = self.out_proj(gated)
        return mixed

    def step(self, x: Tensor, batch: Batch, ssm: Tensor, conv: Tensor) -> Tensor:
        """x (padded T, D); ssm (slots, I, N), conv (slots, W-1, I) move on in place."""
        projected, z = self.in_proj(x).chunk(2, dim=-1)
        before, states = conv[batch.source_index], ssm[batch.source_index]
        if fresh := [row for row, start in enumerate(batch.starts) if start == 0]:
            # Overwritten, not multiplied: a fresh slot may hold anything, NaN included.
            before[fresh], states[fresh] = 0, 0
        carried = carried_rows(batch.lengths, self._config.conv_width)
        conv[batch.slot_index] = torch.cat([before.flatten(0, 1), projected])[carried]
        scanned = self._convolve(projected, before, batch)
        dt, B, C = self._select(self.x_proj(scanned))
        dt = softplus_rows(self.dt_proj(dt).float() + self.dt_bias)
        A = -torch.exp(self.A_log)
        y = selective_scan_rows(scanned, dt, A, B, C, self.D, batch.lengths, states)
        ssm[batch.slot_index] = states
        gated = (y * silu_rows(z.float())).to(z.dtype)
        mixed: Tensor = self.out_proj(gated)
        return mixed

    def _convolve(self, x: Tensor, before: Tensor, batch: Batch) -> Tensor:
        taps = tap_rows(batch.lengths, self._config.conv_width).to(x.device)
        padding = taps.new_zeros(taps.shape[0], x.shape[0] - taps.shape[1])
        taps = torch.cat([taps, padding], dim=1)
        return conv1d_rows(x, self.conv.weight, self.conv.bias, before, taps)

    def _select(self, selected: Tensor) -> list[Tensor]:
        """x_proj's rows (T, R + 2N) -> dt (T, R), B (T, N), C (T, N)."""
        rank, state = self._config.dt_rank, self._config.state_dim
        parts = [part.contiguous() for part in selected.split([rank, state, state], dim=-1)]
        norms = (self.dt_norm, self.B_norm, self.C_norm)
        return [
            part if norm is None else norm(part) for part, norm in zip(parts, norms, strict=True)
        ]
