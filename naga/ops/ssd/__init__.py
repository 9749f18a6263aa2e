"""State-space duality: the scan of Mamba-2 (arXiv 2405.21060), per head with scalar decay.

    H_t = exp(dt_t·A) H_{t-1} + dt_t · x_t B_tᵀ          y_t = H_t C_t + D x_t

T tokens, S sequences, H heads, P head dim, G groups (head h uses group h // (H/G)), N state dim.
x (T, H, P); dt (T, H) float32, after softplus; A (H,) float32, negative; B, C (T, G, N); D (H,).
States are (S, H, P, N) float32. Decays, exponentials and states are float32 in every form; a
sequence starts from its initial state (zeros if none is given) and nothing crosses a boundary.
`segments` (T,) numbers each token's sequence: 0 … S-1 in order.

    ssd_oracle         float64, token by token: the law
    ssd_chunked        training form: matrix products over chunks
    ssd_final_states   what the training form leaves behind
    ssd_rows           row form: sequential over tokens, states updated in place
"""

from naga.ops.ssd.oracle import ssd_oracle
from naga.ops.ssd.reference import ssd_chunked, ssd_final_states, ssd_rows

__all__ = ["ssd_chunked", "ssd_final_states", "ssd_oracle", "ssd_rows"]
