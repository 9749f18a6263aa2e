"""Causal depthwise convolution with silu, over flat tokens, carrying W - 1 inputs between calls.

T tokens, S sequences, C channels, W taps.

    conv1d(x, weight, bias, segments)               training form, every sequence starts from zeros
    conv1d_rows(x, weight, bias, before, taps)      row form

x: (T, C); weight: (C, W); bias: (C,). Products and sums are float32, the result has x's dtype.
`segments` (T,) numbers the sequence of each token; no tap reaches into another sequence.
`before` (S, W-1, C): inputs that precede this call. `taps` (W, T) says for each tap which row of
[before rows | x rows] a token reads (`tap_rows` makes it). `carried_rows` (S, W-1) says which rows
of the same stack are to be kept for the next call.
"""

from naga.ops.conv1d.reference import carried_rows, conv1d, conv1d_rows, tap_rows

__all__ = ["carried_rows", "conv1d", "conv1d_rows", "tap_rows"]
