"""sample: numpy, float64, no state; one row at a time, so that no row knows of another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.intp]

WORD = 2**64


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the token at one position of one sequence is chosen."""

    temperature: float
    """0 chooses the most likely token (the lowest id among equals)."""
    top_p: float
    top_k: int | None
    seed: int
    choice: int
    position: int
    bias: tuple[tuple[int, float], ...] = ()
    """(token, amount): added to logits, in float32, before all else; -inf forbids the token."""
    mask: bytes | None = None
    """Bit i % 8 of byte i // 8 allows token i; tokens beyond its end are forbidden. None: all."""
    forced: int | None = None
    """This token, whatever bias and mask say and whatever is likely."""
    top: int = 0
    """How many of the most likely tokens to report."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    token: int
    logprob: float
    """Under the plain softmax: temperature 1, no bias, no masks."""
    top: tuple[tuple[int, float], ...] = ()
    """The most likely tokens with their log-probabilities, likewise; the lower id first of two."""


def sample(logits: NDArray[np.float32], draw: Draw) -> Sample | None:
    """A token from logits (V,).

    None if one of them, or one with its bias, is NaN or infinite, or if no token is allowed.
    """
    if not np.isfinite(logits).all():
        return None
    logprobs = log_softmax(logits.astype(np.float64))
    token = draw.forced if draw.forced is not None else choose(logits, draw)
    if token is None:
        return None
    order = np.argsort(-logits, kind="stable")[: draw.top]
    return Sample(
        token=token,
        logprob=float(logprobs[token]),
        top=tuple((int(other), float(logprobs[other])) for other in order),
    )


def choose(logits: NDArray[np.float32], draw: Draw) -> int | None:
    """The token of finite logits (V,) that bias, mask, temperature and noise make the first."""
    rest = restricted(logits, draw)
    if not np.isfinite(rest.max()):
        return None
    if draw.temperature == 0:
        return int(np.argmax(rest))
    # The maximum is 0 before the division, so a tiny temperature leaves it there and sends the
    # others to -inf.
    with np.errstate(over="ignore"):
        scaled = (rest.astype(np.float64) - float(rest.max())) / draw.temperature
    noise = gumbel_noise(len(scaled), seed=draw.seed, choice=draw.choice, position=draw.position)
    kept = allowed(scaled, top_k=draw.top_k, top_p=draw.top_p)
    return int(kept[np.argmax(scaled[kept] + noise[kept])])


def restricted(logits: NDArray[np.float32], draw: Draw) -> NDArray[np.float32]:
    """Logits with bias, those of forbidden tokens -inf."""
    rest = logits.copy()
    if draw.mask is not None:
        bits = np.unpackbits(np.frombuffer(draw.mask, np.uint8), bitorder="little")[: len(rest)]
        rest[len(bits) :] = -np.inf
        rest[: len(bits)][bits == 0] = -np.inf
    with np.errstate(over="ignore"):
        for token, amount in draw.bias:
            rest[token] += np.float32(amount)
    return rest


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
