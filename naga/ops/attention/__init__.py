"""Causal grouped-query attention with optional rotation of q and k.

T tokens, S sequences, H query heads, V key/value heads (head h uses V-head h // (H/V)), d head dim.

    rotate(x, positions, theta, ntk_alpha, r)  rotary embedding of the first r dims, split halves,
                                               angles in float32
    attention(q, k, v, lengths, scale)         training form: whole sequences
    attention_rows(q, k, v, start, scale)      row form: one sequence, keys from position 0

q (T, H, d); k, v (T, V, d). Softmax is float32. The row form takes scores in blocks of KEY_BLOCK
keys at fixed absolute positions and adds the blocks' parts in order, so a query's result depends on
its own keys alone; it returns float32.
"""

from naga.ops.attention.reference import KEY_BLOCK, attention, attention_rows, rotate

__all__ = ["KEY_BLOCK", "attention", "attention_rows", "rotate"]
