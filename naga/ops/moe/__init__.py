"""Mixture of experts: route tokens, then visit each expert once with all its tokens (dropless).

T tokens, D model dim, E experts, k choices per token, I inner dim.

    route_softmax(logits, k, weigh)              top-k of the logits, softmax over those k, or all E
    route_sigmoid(logits, bias, k, scale)        top-k of sigmoid + bias; scale · sigmoid / sum
    weigh_softmax(logits, choices, weigh)        the weights alone, of choices made before
    weigh_sigmoid(logits, choices, scale)        likewise
    experts(x, choices, weights, up, down, act)  training form: Σ over choices of weight · expert(x)
    experts_rows(...)                            row form: experts see rows padded to ROW_MULTIPLE
    balance_loss(probabilities, counts)          E · Σ_e share_e · mean p_e (arXiv 2101.03961)

logits (T, E) float32; bias (E,) float32, chooses but does not weigh; choices (T, k) int64; weights
(T, k) float32; up (E, I or 2I, D), down (E, D, I). A token's choices are added in order in float32.
"""

from naga.ops.moe.reference import (
    balance_loss,
    experts,
    experts_rows,
    route_sigmoid,
    route_softmax,
    weigh_sigmoid,
    weigh_softmax,
)

__all__ = [
    "balance_loss",
    "experts",
    "experts_rows",
    "route_sigmoid",
    "route_softmax",
    "weigh_sigmoid",
    "weigh_softmax",
]
