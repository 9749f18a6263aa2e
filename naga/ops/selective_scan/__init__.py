"""The selective scan of Mamba-1 (arXiv 2312.00752): every channel has decays of its own.

    H_t = exp(dt_t·A) ∘ H_{t-1} + (dt_t ∘ x_t) B_tᵀ          y_t = H_t C_t + D ∘ x_t

T tokens, S sequences, I channels, N state dim. x (T, I); dt (T, I) float32, after softplus;
A (I, N) float32, negative; B, C (T, N); D (I,). States are (S, I, N) float32. Decays, exponentials
and states are float32 in both forms; nothing crosses from one sequence, of `lengths` tokens, to the
next.

    selective_scan_oracle   float64, token by token: the law
    selective_scan          training form: every sequence starts from zeros
    selective_scan_rows     row form: states are updated in place

Where heads share one decay the scan is `ops/ssd`, and becomes products of matrices.
"""

from naga.ops.selective_scan.oracle import selective_scan_oracle
from naga.ops.selective_scan.reference import selective_scan, selective_scan_rows

__all__ = ["selective_scan", "selective_scan_oracle", "selective_scan_rows"]
