"""One optimizer step: micro-batches -> gradients -> clip -> AdamW -> router biases.

The loss is the sum over all masked tokens of the step divided by their number, so cutting the
same sequences into other micro-batches changes it by rounding only. The balancing loss, nonlinear
in its batch, is weighted by each micro-batch's share of the tokens. Given workers, micro-batches
are computed side by side; their gradients are added in their own order whoever ends first. Chooses
neither data nor rates, and writes nothing.

T tokens, D hidden, V vocabulary, E experts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW

from naga.config.base import ConfigError
from naga.data.packing import PackedBatch
from naga.model.lm import HybridLM
from naga.model.state import pack
from naga.ops.loss import cross_entropy
from naga.runtime import Runtime
from naga.train.optim import set_learning_rate, trained_parameters


class NonFiniteError(ConfigError):
    """The loss or the gradient is not a number; nothing was updated."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    loss: float
    balance: float
    grad_norm: float
    tokens: int
    expert_load: float | None
    """Busiest expert's tokens over the mean, in the worst layer; None without experts."""


Gradients = tuple[Tensor | None, ...]
"""One for each trained parameter in the model's order; None for an expert nobody visited."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """What one micro-batch gives to its step."""

    gradients: Gradients
    loss: float
    balance: float
    counts: Tensor
    """(layers, E) tokens sent to each expert."""


Compute = Callable[[PackedBatch], _Part]
Workers = Callable[[Compute, Iterable[PackedBatch]], Iterator[_Part]]
"""How micro-batches are computed: `map`, one after the other, or an executor's `map`."""


@contextmanager
def side_by_side(count: int) -> Iterator[Workers]:
    """Workers that compute `count` micro-batches at once, each with its share of the CPU threads.

    Small operations gain little from a second thread; two batches side by side use both cores.
    """
    if count == 1:
        yield map
        return
    threads = max(1, torch.get_num_threads() // count)
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        yield pool.map


def train_step(
    model: HybridLM,
    optimizer: AdamW,
    batches: Sequence[PackedBatch],
    *,
    lr: float,
    clip_norm: float,
    runtime: Runtime,
    workers: Workers = map,
) -> StepResult:
    """Update the model once from `batches`; NonFiniteError leaves it untouched."""
    optimizer.zero_grad(set_to_none=True)
    loss, balance, counts = accumulate_gradients(model, batches, runtime, workers)
    losses = {"loss": loss, "balancing loss": balance}
    grad_norm = apply_gradients(optimizer, losses, lr=lr, clip_norm=clip_norm)
    update_router_biases(model, counts)
    return StepResult(
        loss=loss,
        balance=balance,
        grad_norm=grad_norm,
        tokens=sum(sum(batch.lengths) for batch in batches),
        expert_load=worst_load(counts),
    )


def apply_gradients(
    optimizer: AdamW, losses: Mapping[str, float], *, lr: float, clip_norm: float
) -> float:
    """Clip what was accumulated and update; the norm before. NonFiniteError changes nothing."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    grad_norm = float(torch.nn.utils.clip_grad_norm_(weights, clip_norm))
    for name, value in (*losses.items(), ("gradient norm", grad_norm)):
        if not isfinite(value):
            raise NonFiniteError(f"the {name} is {value}")
    set_learning_rate(optimizer, lr)
    optimizer.step()
    return grad_norm


def accumulate_gradients(
    model: HybridLM, batches: Sequence[PackedBatch], runtime: Runtime, workers: Workers = map
) -> tuple[float, float, Tensor]:
    """Add the step's gradients; return its loss, balancing loss and expert counts (layers, E)."""
    masked = sum(int(batch.loss_mask.sum()) for batch in batches)
    tokens = sum(sum(batch.lengths) for batch in batches)
    if not masked:
        raise ConfigError("a training step holds no token to learn: every loss mask is empty")
    weights = [weight for _, weight in trained_parameters(model)]
    losses, balances, counts = [], [], []
    compute = partial(_compute, model, weights, runtime, masked=masked, tokens=tokens)
    for part in workers(compute, batches):
        add_gradients(weights, part.gradients)
        losses.append(part.loss)
        balances.append(part.balance)
        counts.append(part.counts)
    return sum(losses), sum(balances), torch.stack(counts).sum(dim=0)


def _compute(
    model: HybridLM,
    weights: Sequence[Tensor],
    runtime: Runtime,
    batch: PackedBatch,
    *,
    masked: int,
    tokens: int,
) -> _Part:
    """One micro-batch of a step of `tokens` tokens, `masked` of them learned."""
    output = model(
        _tensor(batch.tokens, runtime), pack(batch.lengths, runtime.device), runtime.dtype
    )
    loss = cross_entropy(
        output.hidden,
        model.head_weight,
        _tensor(batch.targets, runtime),
        _tensor(batch.loss_mask, runtime),
        denominator=masked,
        logits_divisor=model.config.logits_divisor / model.config.logits_multiplier,
    )
    balance = output.balance_loss * (sum(batch.lengths) / tokens)
    # Not backward(): two threads must not add to the same .grad.
    gradients = torch.autograd.grad(loss + balance, weights, allow_unused=True)
    return _Part(
        gradients=gradients,
        loss=loss.item(),
        balance=balance.item(),
        counts=output.expert_counts,
    )


def add_gradients(weights: Sequence[Tensor], gradients: Gradients) -> None:
    """To what each weight has gathered; for autograd.grad, which adds to nothing."""
    for weight, gradient in zip(weights, gradients, strict=True):
        if gradient is None:
            continue
        if weight.grad is None:
            # AdamW's fused step takes gradients to lie in memory as the weights do.
            weight.grad = gradient.contiguous()
        else:
            weight.grad += gradient


@torch.no_grad()
def update_router_biases(model: HybridLM, counts: Tensor) -> None:
    """Loss-free balancing of sigmoid routers (arXiv 2408.15664): a bias step against each excess.

    counts: (layers, E) tokens each expert received in this step.
    """
    moe = model.config.moe
    if moe is None or not moe.bias_update:
        return
    biases = [bias for name, bias in model.state_dict().items() if name.endswith("router.bias")]
    for bias, load in zip(biases, counts.to(torch.float32), strict=True):
        bias += moe.bias_update * torch.sign(load.mean() - load)


def worst_load(counts: Tensor) -> float | None:
    """Busiest expert's tokens over the mean, in the worst layer; None without experts."""
    if not counts.numel():
        return None
    load = counts.to(torch.float64)
    return float((load.amax(dim=1) / load.mean(dim=1)).max())


def _tensor(array: NDArray[Any], runtime: Runtime) -> Tensor:
    return torch.from_numpy(array).to(runtime.device)
