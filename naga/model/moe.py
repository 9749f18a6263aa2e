"""Mixture-of-experts mixer: a router, routed experts, an optional expert that every token visits.

Routed experts may work in a latent space, between two projections that all of them share.
The router and its weights are float32. `bias` (sigmoid router) moves by load, not by gradient
(train/step.py). T tokens, D model dim, E experts, k choices.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from naga.config.model import MoeConfig
from naga.model.mlp import ACTIVATIONS, Matrix, Mlp
from naga.ops.linear import linear, linear_rows
from naga.ops.moe import balance_loss, experts, experts_rows, route_sigmoid, route_softmax


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

    def probabilities(self, logits: Tensor) -> Tensor:
        """What the balancing loss averages: each token's scores, summing to one."""
        if self._config.router != "sigmoid":
            return logits.softmax(-1)
        scores = logits.sigmoid()
        return scores / scores.sum(-1, keepdim=True)


class Experts(nn.Module):
    """Weights of all routed experts: up (E, I or 2I, D), down (E, D, I), D maybe the latent dim."""

    def __init__(self, model_dim: int, config: MoeConfig) -> None:
        super().__init__()
        rows = ACTIVATIONS[config.activation][0] * config.expert_dim
        dim = config.latent_dim or model_dim
        self.up = nn.Parameter(torch.empty(config.num_experts, rows, dim))
        self.down = nn.Parameter(torch.empty(config.num_experts, dim, config.expert_dim))


@dataclass(frozen=True, kw_only=True, eq=False)
class Routing:
    """What one layer's router did in a training batch."""

    balance_loss: Tensor
    """() float32, already times the config's coefficient."""
    counts: Tensor
    """(E,) int64: tokens sent to each expert."""


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

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        logits = linear(x.float(), self.router.weight)
        choices, weights = self.router.choose(logits)
        inner = x if self.enter_proj is None else linear(x, self.enter_proj.weight)
        up, down = self.experts.up, self.experts.down
        y = experts(inner, choices, weights, up, down, self._activation)
        if self.leave_proj is not None:
            y = linear(y, self.leave_proj.weight)
        if self.shared is not None:
            y = y + self.shared(x)
        counts = choices.flatten().bincount(minlength=self._config.num_experts)
        loss = balance_loss(self.router.probabilities(logits), counts)
        return y, Routing(balance_loss=loss * self._config.balance_loss, counts=counts)

    def step(self, x: Tensor, tokens: int) -> Tensor:
        """x (padded T, D), of which the first `tokens` rows are real and visit experts."""
        choices, weights = self.router.choose(linear_rows(x.float(), self.router.weight))
        inner = x if self.enter_proj is None else linear_rows(x, self.enter_proj.weight)
        y = torch.zeros_like(inner)
        up, down = self.experts.up, self.experts.down
        real = slice(tokens)
        y[real] = experts_rows(
            inner[real], choices[real], weights[real], up, down, self._activation_rows
        )
        if self.leave_proj is not None:
            y = linear_rows(y, self.leave_proj.weight)
        return y if self.shared is None else y + self.shared.step(x)
