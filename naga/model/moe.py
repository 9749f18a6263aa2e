"""Mixture-of-experts mixer: a router, routed experts, an optional expert that every token visits.

Routed experts may work in a latent space, between two projections that all of them share.
The router and its weights are float32. `bias` (sigmoid router) moves by load, not by gradient
(train/step.py). T tokens, D model dim, E experts, k choices.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from naga.config.model import MoeConfig
from naga.model.mlp import ACTIVATIONS, Matrix, Mlp
from naga.ops.linear import linear, linear_rows
from naga.ops.moe import (
    balance_loss,
    experts,
    experts_rows,
    route_sigmoid,
    route_softmax,
    weigh_sigmoid,
    weigh_softmax,
)


class Router(nn.Module):
    def __init__(self, model_dim: int, config: MoeConfig) -> None:
        super().__init__()
        self._config = config
        self.weight = nn.Parameter(torch.empty(config.num_experts, model_dim))
        if config.router == "sigmoid":
            self.bias = nn.Parameter(torch.empty(config.num_experts), requires_grad=False)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """logits (T, E) float32 -> choices (T, k), weights (T, k)."""
        if self._config.router == "softmax":
            return route_softmax(logits, self._config.top_k, self._config.weigh)
        return route_sigmoid(logits, self.bias, self._config.top_k, self._config.routed_scale)

    def weigh(self, logits: Tensor, choices: Tensor) -> Tensor:
        """logits (T, E), choices (T, k) made before -> weights (T, k), with their gradient."""
        if self._config.router == "softmax":
            return weigh_softmax(logits, choices, self._config.weigh)
        return weigh_sigmoid(logits, choices, self._config.routed_scale)

    def probabilities(self, logits: Tensor) -> Tensor:
        """What the balancing loss averages: each token's scores, summing to one."""
        if self._config.router != "sigmoid":
            return logits.softmax(-1)
        scores = logits.sigmoid()
        return scores / scores.sum(-1, keepdim=True)


Activation = Callable[[Tensor], Tensor]
Form = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Activation], Tensor]


class Experts(nn.Module):
    """Weights of all routed experts: up (E, I or 2I, D), down (E, D, I), D maybe the latent dim."""

    def __init__(self, model_dim: int, config: MoeConfig) -> None:
        super().__init__()
        rows = ACTIVATIONS[config.activation][0] * config.expert_dim
        dim = config.latent_dim or model_dim
        self.up = nn.Parameter(torch.empty(config.num_experts, rows, dim))
        self.down = nn.Parameter(torch.empty(config.num_experts, dim, config.expert_dim))

    def forward(
        self, x: Tensor, choices: Tensor, weights: Tensor, form: Form, activation: Activation
    ) -> Tensor:
        """`form`: ops.moe's experts or experts_rows. A call, so that LoRA can take part of it."""
        return form(x, choices, weights, self.up, self.down, activation)


@dataclass(frozen=True, kw_only=True, eq=False)
class Routing:
    """What one layer's router did in a training batch."""

    balance_loss: Tensor
    """() float32, already times the config's coefficient."""
    counts: Tensor
    """(E,) int64: tokens sent to each expert."""
    logits: Tensor
    """(T, E) float32: the router's, before a sigmoid and a bias."""


class Moe(nn.Module):
    def __init__(self, model_dim: int, config: MoeConfig) -> None:
        super().__init__()
        self._config = config
        _, self._activation, self._activation_rows = ACTIVATIONS[config.activation]
        self.router = Router(model_dim, config)
        self.experts = Experts(model_dim, config)
        self.shared = None
        if config.shared_dim is not None:
            self.shared = Mlp(model_dim, config.shared_dim, config.activation)
        self.enter_proj = self.leave_proj = None
        if config.latent_dim is not None:
            self.enter_proj = Matrix(config.latent_dim, model_dim)
            self.leave_proj = Matrix(model_dim, config.latent_dim)

    def forward(self, x: Tensor, choices: Tensor | None = None) -> tuple[Tensor, Routing]:
        """`choices` (T, k) instead of the router's own; it still weighs them."""
        logits = linear(x.float(), self.router.weight)
        if choices is None:
            choices, weights = self.router.choose(logits)
        else:
            weights = self.router.weigh(logits, choices)
        inner = x if self.enter_proj is None else self.enter_proj(x)
        y: Tensor = self.experts(inner, choices, weights, experts, self._activation)
        if self.leave_proj is not None:
            y = self.leave_proj(y)
        if self.shared is not None:
            y = y + self.shared(x)
        counts = choices.flatten().bincount(minlength=self._config.num_experts)
        loss = balance_loss(self.router.probabilities(logits), counts) * self._config.balance_loss
        return y, Routing(balance_loss=loss, counts=counts, logits=logits)

    def step(self, x: Tensor, tokens: int) -> Tensor:
        """x (padded T, D), of which the first `tokens` rows are real and visit experts."""
        choices, weights = self.router.choose(linear_rows(x.float(), self.router.weight))
        inner = x if self.enter_proj is None else self.enter_proj(x)
        y = torch.zeros_like(inner)
        real = slice(tokens)
        y[real] = self.experts(
            inner[real], choices[real], weights[real], experts_rows, self._activation_rows
        )
        if self.leave_proj is not None:
            y = self.leave_proj(y)
        return y if self.shared is None else y + self.shared.step(x)
