"""Generation: one thread that owns the tensors, requests in, outputs out."""
