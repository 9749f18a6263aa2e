"""RMS norms: statistics, weight product and gate in float32; the result has the input's dtype.

    rms_norm(x, w)            = x / sqrt(mean(x²) + eps) * w
    gated_rms_norm(y, z, w)   = rms_norm over each of `groups` equal parts of silu(z)·y, then * w

x, y, z: (T, D); w: (D,) float32. The `_rows` form is bitwise independent of the other rows.
"""

from naga.ops.norm.reference import gated_rms_norm, gated_rms_norm_rows, rms_norm

__all__ = ["gated_rms_norm", "gated_rms_norm_rows", "rms_norm"]
