"""The same model in a larger hidden dimension, its new columns zero, so that its heads fill it.

Some engines take a head's size to be hidden_dim / num_heads whatever config.json says (vLLM and
SGLang do for granitemoehybrid). A model whose heads are wider than its hidden dimension computes
the same in `num_heads * head_dim` columns. Only an RMSNorm notices, whose mean is then over more of
them: the residual stream is scaled by the root of the ratio, which leaves every mean (and what
epsilon does) as it was, and the norms' weights are divided by it. Equal but for the rounding of
those; costs memory and time by the ratio.
"""

import math

import torch
from torch import Tensor

from naga.checkpoint.layout import Shape
from naga.config.base import ConfigError
from naga.config.model import ModelConfig


def heads_width(config: ModelConfig) -> int | None:
    """Columns that the attention heads take; None without attention."""
    attention = config.attention
    return None if attention is None else attention.num_heads * attention.head_dim


def widen_config(config: ModelConfig) -> ModelConfig:
    """ConfigError for a model whose heads are no wider than its hidden dimension."""
    width = heads_width(config)
    if width is None or width <= config.hidden_dim:
        found = "it has no attention" if width is None else f"its attention heads take {width}"
        raise ConfigError(
            f"--widen: hidden_dim is {config.hidden_dim}, {found}: there is nothing to widen"
        )
    root = math.sqrt(width / config.hidden_dim)
    changes = {
        "hidden_dim": width,
        "embedding_multiplier": config.embedding_multiplier * root,
        "residual_multiplier": config.residual_multiplier * root,
    }
    return config.model_copy(update=changes)


def widen_tensor(
    name: str, tensor: Tensor, shape: Shape, old: ModelConfig, new: ModelConfig
) -> Tensor:
    """A tensor of `old` by its in-memory name -> that of `new`, of `shape`, in the same dtype."""
    widened = torch.zeros(shape, dtype=tensor.dtype)
    values = tensor
    # Not the norm within a Mamba layer, which is over the layer's own heads.
    if name.endswith("norm.weight") and ".mixer." not in name:
        values = tensor / math.sqrt(new.hidden_dim / old.hidden_dim)
    widened[tuple(slice(0, size) for size in tensor.shape)] = values
    return widened
