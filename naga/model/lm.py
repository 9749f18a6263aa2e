"""HybridLM: embedding -> layers -> norm -> head, in two forms.

`forward` is the training form (chunked scan, whole sequences, differentiable); `step` is the row
form (states in a pool, bitwise independent of batching and chunking). Both read the same weights:
inside layers matrices may be bfloat16, everything else is float32 in memory (`memory_dtype`).

T tokens, R rows, D hidden_dim, V vocabulary, E experts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from naga.config.model import ModelConfig
from naga.model.layer import Layer, StateView
from naga.model.mlp import Matrix
from naga.model.moe import Routing
from naga.model.norm import Norm
from naga.model.state import Batch, StatePool
from naga.ops.linear import linear, linear_rows, pad_rows, padded_len
from naga.ops.sampling import Draw, Sample, sample


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainOutput:
    hidden: Tensor
    """(T, D) after the last norm, in compute dtype."""
    balance_loss: Tensor
    """() float32: sum over layers, already times its coefficient; add it to the loss."""
    expert_counts: Tensor
    """(layers of kind E, experts) int64: tokens sent to each expert."""


LayerCall = Callable[[Layer, Tensor, Batch], tuple[Tensor, Routing | None]]


def call_layer(layer: Layer, x: Tensor, batch: Batch) -> tuple[Tensor, Routing | None]:
    called: tuple[Tensor, Routing | None] = layer(x, batch)
    return called


class Table(nn.Embedding):
    """A row for each token; like Matrix, it is called."""

    def reset_parameters(self) -> None:
        """Nothing: see model/init.py."""


class HybridLM(nn.Module):
    """Parameters are allocated, not initialised: see model/init.py and checkpoint/load.py."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = Table(config.vocab_size, config.hidden_dim)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(len(config.layers)))
        self.norm = Norm(config.hidden_dim, config.norm_eps)
        if not config.tie_embeddings:
            self.head = Matrix(config.vocab_size, config.hidden_dim)

    def forward(
        self, tokens: Tensor, batch: Batch, dtype: torch.dtype, call: LayerCall = call_layer
    ) -> TrainOutput:
        """Training form over tokens (T,) int64, computing in `dtype`; `call` as in `run`."""
        return self.run(self._embed(tokens).to(dtype), batch, call)

    def run(self, x: Tensor, batch: Batch, call: LayerCall = call_layer) -> TrainOutput:
        """Training form over embeddings x (T, D), times their multiplier, in compute dtype.

        `call` calls a layer; another one can look at what it gives, or compute it again (hf).
        """
        routings = []
        for layer in self.layers:
            assert isinstance(layer, Layer)
            x, routing = call(layer, x, batch)
            if routing is not None:
                routings.append(routing)
        return TrainOutput(
            hidden=self.norm(x),
            balance_loss=_total_loss(routings, x.device),
            expert_counts=_stack_counts(routings, x.device),
        )

    @torch.no_grad()
    def step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor:
        """Row form over tokens (T,) int64; moves the batch's states in `pool` on; hidden (T, D)."""
        waves = batch.waves
        parts = tokens.split([sum(wave.lengths) for wave in waves])
        steps = [self._step(part, wave, pool) for part, wave in zip(parts, waves, strict=True)]
        return torch.cat(steps)

    def _step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor:
        """Of sequences that do not wait for each other."""
        count = tokens.shape[0]
        x = self._embed(F.pad(tokens, (0, padded_len(count) - count))).to(pool.dtype)
        view = StateView(self.config, pool)
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x = layer.step(x, batch, view.of_layer(index))
        return self.norm(x)[:count]

    def logits(self, hidden: Tensor) -> Tensor:
        """Training form: (R, D) -> (R, V) float32.

        The product is float32 too, bfloat16 logits being too coarse; the head is rounded to
        hidden's dtype first, as a checkpoint in that dtype holds it.
        """
        scaled = hidden.float() * self.config.logits_multiplier / self.config.logits_divisor
        return linear(scaled, self.head_weight.to(hidden.dtype))

    @torch.no_grad()
    def logits_rows(self, hidden: Tensor) -> Tensor:
        """Row form of `logits`: a row's result does not depend on the others.

        The head's values are taken as they are: a loader has rounded them (`value_dtype`).
        """
        factor, divisor = self.config.logits_multiplier, self.config.logits_divisor
        scaled = pad_rows(hidden.float() * factor / divisor)
        return linear_rows(scaled, self.head_weight)[: hidden.shape[0]]

    def sample(self, logits: Tensor, draws: Sequence[Draw]) -> list[Sample | None]:
        """logits (R, V) float32 -> a token for each row; None as the op says."""
        rows = logits.cpu().numpy()
        return [sample(row, draw) for row, draw in zip(rows, draws, strict=True)]

    def choose(
        self,
        tokens: Sequence[int],
        batch: Batch,
        pool: StatePool,
        rows: Sequence[int],
        draws: Sequence[Draw],
    ) -> list[Sample | None]:
        """`step`, then a token for each of `rows`, places among `tokens` in ascending order."""
        device = self.head_weight.device
        hidden = self.step(torch.tensor(tokens, device=device), batch, pool)
        if not rows:
            return []
        return self.sample(self.logits_rows(hidden[torch.tensor(rows, device=device)]), draws)

    @property
    def head_weight(self) -> Tensor:
        """(V, D), the embedding itself where it is tied."""
        return self.embed.weight if self.config.tie_embeddings else self.head.weight

    def _embed(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self.embed(tokens) * self.config.embedding_multiplier
        return embedded


def value_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """The dtype whose values the named tensor takes when the model computes in `dtype`.

    Matrices, embedding and head in `dtype`; norms, router, convolution and the scan's parameters in
    float32. Checkpoints store this.
    """
    return dtype if is_table(name) else memory_dtype(name, dtype)


def memory_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """The dtype inference holds the named tensor in: as `value_dtype`, but for embedding and head.

    Those stay float32, so that logits are float32 products without a conversion at every step.
    """
    return dtype if is_matrix(name) else torch.float32


def is_table(name: str) -> bool:
    """Whether the named tensor is the embedding or the head."""
    return name in ("embed.weight", "head.weight")


def is_matrix(name: str) -> bool:
    """Whether the named tensor is a projection, a feed-forward's or all experts'; not a router."""
    return name.endswith(("_proj.weight", "up.weight", "down.weight", "experts.up", "experts.down"))


def _total_loss(routings: list[Routing], device: torch.device) -> Tensor:
    return sum((r.balance_loss for r in routings), torch.zeros((), device=device))


def _stack_counts(routings: list[Routing], device: torch.device) -> Tensor:
    if not routings:
        return torch.zeros(0, 0, dtype=torch.int64, device=device)
    return torch.stack([routing.counts for routing in routings])
