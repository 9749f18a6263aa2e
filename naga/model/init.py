"""Every initial value, in one table.

| tensor                                 | value                                                  |
|----------------------------------------|--------------------------------------------------------|
| embed, head, *_proj, up, router.weight | normal, std = init_std                                 |
| out_proj, o_proj, leave_proj, down     | normal, std = init_std / sqrt(number of layers)        |
| A_log (H,) of Mamba-2                  | log of uniform [1, 16]                                 |
| A_log (I, N) of Mamba-1                | log of 1, 2, …, N in every channel                     |
| dt_proj                                | uniform ± 1/sqrt(R)                                    |
| dt_bias                                | inverse softplus of log-uniform [1e-3, 1e-1]           |
| D, norm weights                        | 1                                                      |
| conv.weight                            | uniform ± 1/sqrt(W)                                    |
| conv.bias, router.bias                 | 0                                                      |

A and dt follow mamba_ssm's Mamba2 and Mamba; the depth scaling of residual branches is GPT-2's.
"""

import math

import torch
from torch import Tensor

from naga.config.model import ModelConfig
from naga.model.lm import HybridLM


@torch.no_grad()
def initialize(model: HybridLM, seed: int) -> None:
    """Fill every parameter from `seed`; the same on every machine for one torch version."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        parameter.copy_(initial_value(name, parameter.shape, model.config, generator))


def initial_value(
    name: str, shape: tuple[int, ...], config: ModelConfig, generator: torch.Generator
) -> Tensor:
    """Of one tensor, by its in-memory name: float32, on the CPU."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(shape, generator=generator) * (high - low) + low

    leaf = name.removesuffix(".weight").rsplit(".", 1)[-1]
    if name.endswith("bias") and leaf != "dt_bias":
        return torch.zeros(shape)
    if leaf == "D" or leaf.endswith("norm"):
        return torch.ones(shape)
    if leaf == "A_log" and len(shape) == 2:
        return torch.arange(1.0, shape[1] + 1).log().expand(shape)
    if leaf == "A_log":
        return uniform(1, 16).log()
    if leaf == "dt_bias":
        dt = uniform(math.log(1e-3), math.log(1e-1)).exp()
        return dt + torch.log(-torch.expm1(-dt))
    if leaf in ("conv", "dt_proj"):
        bound = 1 / math.sqrt(shape[-1])
        return uniform(-bound, bound)
    std = config.init_std
    if leaf in ("out_proj", "o_proj", "leave_proj", "down"):
        std = std / math.sqrt(len(config.layers))
    return torch.randn(shape, generator=generator).mul_(std)
