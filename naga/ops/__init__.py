"""The arithmetic: one folder per operation: contract in __init__, plain PyTorch in reference.py.

Every op has up to two forms. The *training form* is differentiable and fast in bulk. The *row form*
is for inference: a token's result depends on that token's own inputs and position alone, bit for
bit, so it is the same in any batch and any chunking. Row forms keep to operations whose rounding
does not depend on where an element lies: IEEE add, multiply, divide, `exp`, `log`, inner sums and
products of at least 16 rows. (`sigmoid`, `silu`, `softplus`, `log1p`, `addcmul` of torch are not
such operations: their vector tails round differently.)

Knows nothing of models, configs or engines.
"""
