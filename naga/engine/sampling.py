"""Logits of one row -> one token, by Gumbel-max; numpy on the CPU, float64, no state.

argmax(log p + Gumbel noise) is a draw from p. The noise is a pure function of (seed, choice,
position) and of the token id, so a draw depends on nothing else: not on the batch, on earlier draws
or on whether a request was interrupted. Works on one row at a time for the same reason.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naga.engine.request import SamplingParams

Floats = NDArray[np.float64]
Ids = NDArray[np.intp]

WORD = 2**64


class NonFiniteLogits(ValueError):
    """The model answered NaN or infinity."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    token: int
    logprob: float
    """Under the plain softmax: temperature 1, no masks."""


def sample(
    logits: NDArray[np.float32], params: SamplingParams, *, choice: int, position: int
) -> Sample:
    """Choose the token at `position` of its sequence from logits (V,); NonFiniteLogits."""
    if not np.isfinite(logits).all():
        raise NonFiniteLogits(f"the model's logits for position {position} are not finite")
    logprobs = log_softmax(logits.astype(np.float64))
    if params.temperature == 0:
        token = int(np.argmax(logprobs))
    else:
        # The maximum is 0 before the division, so a tiny temperature leaves it there and sends
        # the others to -inf.
        with np.errstate(over="ignore"):
            scaled = (logprobs - logprobs.max()) / params.temperature
        noise = gumbel_noise(len(scaled), seed=params.seed, choice=choice, position=position)
        kept = allowed(scaled, top_k=params.top_k, top_p=params.top_p)
        token = int(kept[np.argmax(scaled[kept] + noise[kept])])
    return Sample(token=token, logprob=float(logprobs[token]))


def log_softmax(logits: Floats) -> Floats:
    shifted: Floats = logits - logits.max()
    return shifted - float(np.log(np.exp(shifted).sum()))


def gumbel_noise(size: int, *, seed: int, choice: int, position: int) -> Floats:
    """Standard Gumbel noise (size,): Philox, its key (seed, choice), its counter the position."""
    # The lowest counter word counts blocks within a position; the position is the word above it,
    # so the streams of two positions never overlap.
    philox = np.random.Philox(
        key=np.array([seed % WORD, choice], np.uint64),
        counter=np.array([0, position, 0, 0], np.uint64),
    )
    # The middles of 2**52 equal cells of (0, 1): never 0 and never 1, so both logs are finite.
    uniform = ((philox.random_raw(size) >> np.uint64(12)) + 0.5) * 2.0**-52
    noise: Floats = -np.log(-np.log(uniform))
    return noise


def allowed(scaled: Floats, *, top_k: int | None, top_p: float) -> Ids:
    """Ids (ascending) that survive top-k, then top-p on what top-k left; lower ids win ties.

    scaled (V,): log-probabilities over the temperature, up to a constant, the maximum being 0.
    """
    if top_k is None and top_p == 1:
        return np.arange(len(scaled))
    order = np.argsort(-scaled, kind="stable")[:top_k]
    if top_p < 1:
        probs = np.exp(scaled[order])
        probs /= probs.sum()
        # Up to the first token at which the sum reaches top_p, that one included.
        order = order[: np.searchsorted(np.cumsum(probs), top_p) + 1]
    return np.sort(order)
