"""One token from one row of logits, by Gumbel-max.

argmax(log p + Gumbel noise) is a draw from p. The noise is a pure function of (seed, choice,
position) and of the token id, so a draw depends on nothing else: not on the batch, on earlier draws
or on whether a request was interrupted. The native form (cpu.cpp and native/sample.cpp) draws the
same tokens from the same logits but for rounding: it computes noise only where it could matter.
"""

from naga.ops.sampling.reference import Draw, Sample, sample

__all__ = ["Draw", "Sample", "sample"]
