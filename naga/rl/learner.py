"""One update of the policy from weighted samples, blind to how they were weighed.

Log-probabilities of the learned tokens go to the algorithm's loss, micro-batch by micro-batch;
gradients are clipped and applied as in train/step.py. A sum over micro-batches is the loss of the
update, since the weights of its samples hold every denominator. Chooses neither data nor rates.

T positions, R learned tokens, E experts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.optim import AdamW

from naga.model.lm import HybridLM, TrainOutput
from naga.model.state import pack as pack_lengths
from naga.ops.loss import token_logprobs
from naga.rl.batches import MicroBatch
from naga.rl.losses import Loss, Tokens
from naga.rl.routes import replaying
from naga.runtime import Runtime
from naga.train.optim import trained_parameters
from naga.train.step import add_gradients, apply_gradients, update_router_biases, worst_load

LossFunction = Callable[[Tokens], Loss]


@dataclass(frozen=True, kw_only=True)
class Learned:
    loss: float
    balance: float
    grad_norm: float
    expert_load: float | None
    tokens: int
    """That were learned."""
    seen: dict[str, float]
    """Means over these tokens: entropy, ratio of trainer and sampler, what the loss reports."""
    most: dict[str, float]
    """The largest ratio of a token."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    loss: float
    balance: float
    counts: Tensor
    """(layers, E)"""
    seen: dict[str, Tensor]
    """(R,) each"""


def learn(
    model: HybridLM,
    optimizer: AdamW,
    batches: Sequence[MicroBatch],
    loss: LossFunction,
    *,
    lr: float,
    clip_norm: float,
    runtime: Runtime,
) -> Learned:
    """Update once; NonFiniteError leaves the model as it was."""
    optimizer.zero_grad(set_to_none=True)
    parts = accumulate(model, batches, loss, runtime)
    total, balance = sum(part.loss for part in parts), sum(part.balance for part in parts)
    losses = {"loss": total, "balancing loss": balance}
    grad_norm = apply_gradients(optimizer, losses, lr=lr, clip_norm=clip_norm)
    counts = torch.stack([part.counts for part in parts]).sum(dim=0)
    update_router_biases(model, counts)
    seen = {name: torch.cat([part.seen[name] for part in parts]) for name in parts[0].seen}
    return Learned(
        loss=total,
        balance=balance,
        grad_norm=grad_norm,
        expert_load=worst_load(counts),
        tokens=sum(len(batch.rows) for batch in batches),
        seen={name: float(values.double().mean()) for name, values in seen.items()},
        most={"mismatch": float(seen["mismatch"].max())},
    )


def accumulate(
    model: HybridLM, batches: Sequence[MicroBatch], loss: LossFunction, runtime: Runtime
) -> list[_Part]:
    """Add the gradients of every micro-batch to the model's."""
    positions = sum(len(batch.tokens) for batch in batches)
    weights = [weight for _, weight in trained_parameters(model)]
    parts = []
    for batch in batches:
        part, total = _compute(model, batch, loss, runtime, len(batch.tokens) / positions)
        add_gradients(weights, torch.autograd.grad(total, weights, allow_unused=True))
        parts.append(part)
    return parts


def _compute(
    model: HybridLM, batch: MicroBatch, loss: LossFunction, runtime: Runtime, share: float
) -> tuple[_Part, Tensor]:
    """What a micro-batch gives, and what its gradient is of."""
    output, logprobs, entropies = _read(model, batch, runtime)
    old = logprobs.detach() if batch.old is None else batch.old
    found = loss(
        Tokens(
            logprobs=logprobs,
            entropies=entropies,
            old=old,
            sampler=batch.sampler,
            reference=batch.reference,
            advantages=batch.advantages,
            weights=batch.weights,
            sequences=batch.sequences,
        )
    )
    balance = output.balance_loss * share
    seen = {"entropy": entropies.detach(), "mismatch": (old - batch.sampler).abs().exp()}
    part = _Part(
        loss=found.total.item(),
        balance=balance.item(),
        counts=output.expert_counts,
        seen=seen | dict(found.seen),
    )
    return part, found.total + balance


@torch.no_grad()
def with_logprobs(
    policy: HybridLM, reference: HybridLM | None, batch: MicroBatch, runtime: Runtime, *, old: bool
) -> MicroBatch:
    """Beside what a policy says now (`old`) and what the reference says; None adds nothing.

    The reference routes by itself: the experts sampling chose are the policy's.
    """
    if old:
        batch = replace(batch, old=_read(policy, batch, runtime)[1])
    if reference is not None:
        own = replace(batch, routes=None)
        batch = replace(batch, reference=_read(reference, own, runtime)[1])
    return batch


def _read(
    model: HybridLM, batch: MicroBatch, runtime: Runtime
) -> tuple[TrainOutput, Tensor, Tensor]:
    """The forward pass, log-probabilities (R,) and entropies (R,)."""
    packed = pack_lengths(batch.lengths, runtime.device)
    output = model(batch.tokens, packed, runtime.dtype, replaying(batch.routes))
    logprobs, entropies = token_logprobs(
        output.hidden.index_select(0, batch.rows),
        model.head_weight,
        batch.targets,
        logits_divisor=model.config.logits_divisor / model.config.logits_multiplier,
    )
    return output, logprobs, entropies
