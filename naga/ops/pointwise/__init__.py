"""Activations, element by element, computed in float32 and returned in the input's dtype.

Forms: `silu`, `softplus`, `swiglu`, `relu2` train; `silu_rows`, `softplus_rows`, `swiglu_rows` are
their row forms. In float32 each is within 3 ulps of the exact value (silu below -88.7 is 0: exp
overflows there). `relu2`, `scale` and `scale_parts` are correctly rounded, `weighted_sum` adds in
float32: these need no second form.
"""

from naga.ops.pointwise.reference import (
    relu2,
    scale,
    scale_parts,
    silu,
    silu_rows,
    softplus,
    softplus_rows,
    swiglu,
    swiglu_rows,
    weighted_sum,
)

__all__ = [
    "relu2",
    "scale",
    "scale_parts",
    "silu",
    "silu_rows",
    "softplus",
    "softplus_rows",
    "swiglu",
    "swiglu_rows",
    "weighted_sum",
]
