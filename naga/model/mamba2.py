"""Mamba-2 mixer (arXiv 2405.21060): in_proj -> [z | xBC | dt], conv, scan, gated norm, out_proj.

The parts of in_proj's output may have factors; norm and gate come in either order, or the gate
alone (MambaConfig.norm).

T tokens, H heads, P head dim, G groups, N state dim, W conv taps; inner = H·P.
"""

import torch
from torch import Tensor, nn

from naga.config.model import MambaConfig
from naga.model.mlp import Matrix
from naga.model.state import Batch
from naga.ops.conv1d import carried_rows, conv1d, conv1d_rows, tap_rows
from naga.ops.norm import (
    gated,
    gated_rms_norm,
    gated_rms_norm_rows,
    gated_rows,
    norm_gated,
    norm_gated_rows,
)
from naga.ops.pointwise import scale_parts, softplus, softplus_rows
from naga.ops.ssd import ssd_chunked, ssd_rows

# MambaConfig.norm -> training form, row form.
NORMS = {
    "gate_first": (gated_rms_norm, gated_rms_norm_rows),
    "norm_first": (norm_gated, norm_gated_rows),
}


class Conv(nn.Module):
    """Depthwise taps: weight (channels, W), bias (channels,)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, width))
        self.bias = nn.Parameter(torch.empty(channels))


class GatedNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim))


class Mamba2(nn.Module):
    def __init__(self, model_dim: int, config: MambaConfig, eps: float) -> None:
        super().__init__()
        self._config = config
        self._eps = eps
        self.in_proj = Matrix(config.in_proj_dim, model_dim)
        self.conv = Conv(config.conv_dim, config.conv_width)
        self.dt_bias = nn.Parameter(torch.empty(config.num_heads))
        self.A_log = nn.Parameter(torch.empty(config.num_heads))
        self.D = nn.Parameter(torch.empty(config.num_heads))
        self.norm = None if config.norm == "none" else GatedNorm(config.inner_dim)
        self.out_proj = Matrix(model_dim, config.inner_dim)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        z, xBC, dt = self._split(self.in_proj(x))
        xBC = conv1d(xBC, self.conv.weight, self.conv.bias, batch.segments)
        scan_in, B, C = self._parts(xBC)
        dt = softplus(dt.float() + self.dt_bias).clamp(*self._config.dt_limit)
        A = -torch.exp(self.A_log)
        chunk = self._config.chunk_size
        y = ssd_chunked(scan_in, dt, A, B, C, self.D, batch.segments, chunk)
        mixed: Tensor = self.out_proj(self._gate(y.flatten(1), z, rows=False))
        return mixed

    def step(self, x: Tensor, batch: Batch, ssm: Tensor, conv: Tensor) -> Tensor:
        """x (padded T, D); ssm (slots, H, P, N), conv (slots, W-1, channels) move on in place."""
        z, xBC, dt = self._split(self.in_proj(x))
        before, states = conv[batch.source_index], ssm[batch.source_index]
        if fresh := [row for row, start in enumerate(batch.starts) if start == 0]:
            # Overwritten, not multiplied: a fresh slot may hold anything, NaN included.
            before[fresh], states[fresh] = 0, 0
        conv[batch.slot_index] = torch.cat([before.flatten(0, 1), xBC])[self._carried(batch)]
        convolved = self._convolve(xBC, before, batch)
        scan_in, B, C = self._parts(convolved)
        dt = softplus_rows(dt.float() + self.dt_bias).clamp(*self._config.dt_limit)
        A = -torch.exp(self.A_log)
        y = ssd_rows(scan_in, dt, A, B, C, self.D, batch.lengths, states)
        ssm[batch.slot_index] = states
        mixed: Tensor = self.out_proj(self._gate(y.flatten(1), z, rows=True))
        return mixed

    def _gate(self, y: Tensor, z: Tensor, *, rows: bool) -> Tensor:
        config = self._config
        if self.norm is None:
            return (gated_rows if rows else gated)(y, z)
        return NORMS[config.norm][rows](y, z, self.norm.weight, self._eps, config.num_groups)

    def _convolve(self, xBC: Tensor, before: Tensor, batch: Batch) -> Tensor:
        taps = tap_rows(batch.lengths, self._config.conv_width).to(xBC.device)
        padding = taps.new_zeros(taps.shape[0], xBC.shape[0] - taps.shape[1])
        taps = torch.cat([taps, padding], dim=1)
        return conv1d_rows(xBC, self.conv.weight, self.conv.bias, before, taps)

    def _carried(self, batch: Batch) -> Tensor:
        return carried_rows(batch.lengths, self._config.conv_width)

    def _split(self, projected: Tensor) -> list[Tensor]:
        config = self._config
        scaled = scale_parts(projected, config.parts, config.projection_multipliers)
        return list(scaled.split([config.inner_dim, config.conv_dim, config.num_heads], dim=-1))

    def _parts(self, xBC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (T, H, P), B (T, G, N), C (T, G, N)."""
        config = self._config
        wide = config.num_groups * config.state_dim
        x, B, C = xBC.split([config.inner_dim, wide, wide], dim=-1)
        return (
            x.unflatten(-1, (config.num_heads, config.head_dim)),
            B.unflatten(-1, (config.num_groups, config.state_dim)),
            C.unflatten(-1, (config.num_groups, config.state_dim)),
        )
