"""RMS norms: statistics, weight product and gate in float32; the result has the input's dtype.

    rms_norm(x, w)            = x / sqrt(mean(x²) + eps) * w
    gated_rms_norm(y, z, w)   = rms_norm over each of `groups` equal parts of silu(z)·y, then * w
    norm_gated(y, z, w)       = rms_norm over each of `groups` equal parts of y, then * w * silu(z)
    gated(y, z)               = silu(z)·y

x, y, z: (T, D); w: (D,) float32. The `_rows` form is bitwise independent of the other rows.
"""

from naga.ops.norm.reference import (
    gated,
    gated_rms_norm,
    gated_rms_norm_rows,
    gated_rows,
    norm_gated,
    norm_gated_rows,
    rms_norm,
)

__all__ = [
    "gated",
    "gated_rms_norm",
    "gated_rms_norm_rows",
    "gated_rows",
    "norm_gated",
    "norm_gated_rows",
    "rms_norm",
]
