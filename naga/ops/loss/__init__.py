"""Cross-entropy of a language-model head, without the logits of all rows ever alive at once.

Contract, for every implementation here:
    cross_entropy(hidden (T, D), weight (V, D), targets (T,) int64, loss_mask (T,) bool,
                  *, denominator, logits_divisor=1.0) -> () float32
is the sum over rows t with loss_mask[t] of
    -log softmax(hidden[t] @ weight.T / logits_divisor)[targets[t]]
divided by `denominator`. The caller states the denominator (all masked tokens of an optimizer
step, not of one micro-batch), so sums over micro-batches are the loss of the whole step.
Numerics: logits are float32 products of hidden and of weight rounded to hidden's dtype (as
inference has them); the gradients' products are in hidden's dtype, their sum for weight float32.
Does not smooth labels, ignore an index, or return logits.

`token_logprobs` gives the log-probability of each row's target and the entropy, see its file.

T tokens, D hidden, V vocabulary.
"""

from naga.ops.loss.chunked import cross_entropy
from naga.ops.loss.reference import cross_entropy_reference
from naga.ops.loss.token_logprobs import token_logprobs

__all__ = ["cross_entropy", "cross_entropy_reference", "token_logprobs"]
