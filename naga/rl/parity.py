"""The parity gate: do sampler and trainer give the same probabilities to what was sampled?

Both hold the same weights. One answer of so many tokens is sampled, end tokens or not, and read
again in the training form; the mean of exp |Δ log p| says by what factor a token's probability is
off. What is let through: LIMITS, by compute dtype.
"""

from dataclasses import dataclass

import numpy as np
import torch

from naga.engine.chat import complete, new_id
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.model.lm import HybridLM
from naga.rl.batches import pack
from naga.rl.learner import with_logprobs
from naga.rl.types import Sample
from naga.runtime import Runtime

LIMITS = {torch.float32: 1.001, torch.bfloat16: 1.02}


@dataclass(frozen=True, kw_only=True)
class Parity:
    tokens: int
    mean: float
    """Of exp |Δ log p|; 1 where all are equal."""
    largest: float
    limit: float

    @property
    def held(self) -> bool:
        return self.mean <= self.limit


def measure_parity(
    engine: Engine,
    model: HybridLM,
    runtime: Runtime,
    prompt: tuple[int, ...],
    *,
    tokens: int,
    seed: int = 0,
) -> Parity:
    """`engine` samples with the weights of `model`, which computes in the runtime's dtype."""
    sampling = SamplingParams(seed=seed, max_tokens=tokens, ignore_eos=True)
    reply = complete(engine, Request(id=new_id(), prompt=prompt, sampling=sampling, raw=True))
    return _compare(model, runtime, prompt + reply.tokens, reply.logprobs)


def score_parity(
    engine: Engine, model: HybridLM, runtime: Runtime, tokens: tuple[int, ...]
) -> Parity:
    """Likewise of given tokens, which the engine reads at once: the same bits as one by one."""
    sampling = SamplingParams(max_tokens=1, prompt_logprobs=0)
    reply = complete(engine, Request(id=new_id(), prompt=tokens, sampling=sampling, raw=True))
    assert reply.prompt_logprobs is not None
    logprobs = [each.logprob for each in reply.prompt_logprobs if each.logprob is not None]
    return _compare(model, runtime, tokens, tuple(logprobs))


def _compare(
    model: HybridLM, runtime: Runtime, tokens: tuple[int, ...], logprobs: tuple[float, ...]
) -> Parity:
    """logprobs: of the last tokens."""
    given = len(tokens) - len(logprobs)
    streams = np.array([0.0] * given + list(logprobs), dtype=np.float32)
    sample = Sample(
        tokens=np.array(tokens, dtype=np.int64),
        learned=np.arange(len(tokens)) >= given,
        logprobs=streams,
        advantages=np.zeros_like(streams),
        weights=np.zeros_like(streams),
    )
    batch = with_logprobs(model, None, pack([sample], runtime.device), runtime, old=True)
    assert batch.old is not None
    ratios = (batch.old - batch.sampler).abs().exp()
    return Parity(
        tokens=len(ratios),
        mean=float(ratios.double().mean()),
        largest=float(ratios.max()),
        limit=LIMITS[runtime.dtype],
    )
