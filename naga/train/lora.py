"""LoRA (arXiv 2106.09685): a product of two narrow matrices is learned beside each matrix.

`adapt` freezes a model and puts a Lora in the place of each Matrix of its layers that is chosen;
`merged` is what the model then says, as plain tensors. Left as they are: embedding, head, norms,
router, convolution, A_log, D, dt_bias, and the fused tensors of routed experts (a shared expert has
matrices). Router biases go on moving by load (step.py). The adapter has no file of its own: the run
exports the merged model.

N rows and K columns of a matrix, r rank.
"""

from math import sqrt

import torch
from torch import Tensor, nn

from naga.config.base import ConfigError
from naga.config.train import LoraConfig
from naga.model.lm import HybridLM
from naga.model.mlp import Matrix
from naga.ops.linear import linear


class Lora(nn.Module):
    """base(x) + scale · (x Aᵀ) Bᵀ; B begins as zero, so that at first nothing is changed."""

    def __init__(self, base: Matrix, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = base.weight.shape
        self.base = base
        self._scale = config.alpha / config.rank
        bound = 1 / sqrt(columns)
        start = torch.rand(config.rank, columns, generator=generator) * 2 * bound - bound
        device = base.weight.device
        self.lora_A = nn.Parameter(start.to(device))
        self.lora_B = nn.Parameter(torch.zeros(rows, config.rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        plain: Tensor = self.base(x)
        return plain + self._scale * linear(linear(x, self.lora_A), self.lora_B)

    def merged(self) -> Tensor:
        """(N, K) float32."""
        return self.base.weight.float() + self._scale * (self.lora_B @ self.lora_A)


def adapt(model: HybridLM, config: LoraConfig, seed: int) -> HybridLM:
    """Freeze the model but for new adapters; ConfigError for a target that it does not have."""
    model.requires_grad_(False).train()
    generator = torch.Generator().manual_seed(seed)
    found = [
        (name, module)
        for name, module in model.layers.named_modules()
        if isinstance(module, Matrix)
    ]
    known = {_leaf(name) for name, _ in found}
    for target in config.targets or ():
        if target not in known:
            raise ConfigError(
                f"lora.targets: no matrix of this model's layers is called {target!r}; there are "
                f"{', '.join(sorted(known))}"
            )
    for name, module in found:
        if config.targets is None or _leaf(name) in config.targets:
            parent = model.layers.get_submodule(name.rpartition(".")[0])
            parent.register_module(_leaf(name), Lora(module, config, generator))
    return model


@torch.no_grad()
def merged(model: HybridLM) -> dict[str, Tensor]:
    """A state_dict under in-memory names, adapters added to their matrices; any model's."""
    tensors = model.state_dict()
    for name, module in model.named_modules():
        if isinstance(module, Lora):
            for held in ("base.weight", "lora_A", "lora_B"):
                del tensors[f"{name}.{held}"]
            tensors[f"{name}.weight"] = module.merged()
    return tensors


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
