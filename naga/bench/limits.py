"""The least that a work must read and compute, and how fast a machine could do that.

Decode is limited by reading: the weights that a step visits, once for the whole batch; of every
sequence its recurrent state, read and written, and its keys and values. Prefill is limited by
arithmetic, logits of the last token alone. Activations are left out: they stay in caches. Counts
from structure alone, the same for every engine but for the bits its weights take.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from naga.checkpoint.load import memory_shapes, meta_model
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation, Weights
from naga.model.account import account
from naga.model.lm import value_dtype

Precision = Literal["f32", "bf16", "int8", "int4"]
Kv = Literal["int8"]
"""What keys and values are held in, if not in the compute dtype; llama.cpp: q8_0."""
Arithmetic = Literal["f32", "bf16", "int8"]
"""What products are computed in."""
PRODUCTS: Mapping[Precision, Arithmetic] = {
    "f32": "f32", "bf16": "bf16", "int8": "int8", "int4": "int8",
}  # fmt: skip
# As the kernels name them.
ELEMENTS: Mapping[Arithmetic, str] = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}


def dtype_of(precision: Precision) -> Literal["float32", "bfloat16"]:
    """That the engine computes in."""
    return "float32" if precision == "f32" else "bfloat16"


def weights_of(precision: Precision) -> Weights | None:
    """How the engine holds its matrices, if not in its dtype."""
    return precision if precision == "int8" or precision == "int4" else None


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a machine was measured to do; nothing of what a case does not need."""

    bytes_per_s: float | None = None
    """Weights read from memory."""
    flops_per_s: Mapping[Arithmetic, float] | None = None
    """Products of operands that lie in registers."""


def average(first: Rates, second: Rates) -> Rates:
    """Of two readings of the same things."""
    reads, flops = (first.bytes_per_s, second.bytes_per_s), None
    if first.flops_per_s and second.flops_per_s:
        flops = {
            name: (value + second.flops_per_s[name]) / 2
            for name, value in first.flops_per_s.items()
        }
    return Rates(
        bytes_per_s=None if reads[0] is None or reads[1] is None else (reads[0] + reads[1]) / 2,
        flops_per_s=flops,
    )


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Of one weight, its group's scale included."""

    matrix: float
    """Projections and experts."""
    table: float
    """Embedding and head."""
    row: float = 0
    """Of a row of either, for the scale that all of its weights share."""
    element_bytes: int = 2
    """Of keys and values, and of the convolutions' states; scan states are float32."""


def quantised_bits(quantisation: Quantisation) -> Bits:
    """Of naga's weights so held."""
    if quantisation.group == "channel":
        return Bits(matrix=8, table=8, row=16)
    scale = 16 / quantisation.group
    return Bits(matrix={"int8": 8, "int4": 4}[quantisation.format] + scale, table=8 + scale)


NAGA_BITS: Mapping[Precision, Bits] = {
    "f32": Bits(matrix=32, table=32, element_bytes=4),
    "bf16": Bits(matrix=16, table=16),
    "int8": quantised_bits(Quantisation(format="int8")),
    "int4": quantised_bits(Quantisation(format="int4")),
}
# Q8_0; Q4_0 with its head in Q6_K.
GGUF_BITS: Mapping[Precision, Bits] = {
    "bf16": Bits(matrix=16, table=16),
    "int8": Bits(matrix=8.5, table=8.5),
    "int4": Bits(matrix=4.5, table=6.5625),
}


def weight_bytes(config: ModelConfig, bits: Bits, batch: int) -> float:
    """What a step of `batch` tokens reads of the weights, experts in even demand."""
    total = 0.0
    for name, shape in memory_shapes(meta_model(config)).items():
        total += tensor_bytes(name, shape, bits) * _share(name, config, batch)
    return total


def tensor_bytes(name: str, shape: tuple[int, ...], bits: Bits) -> float:
    """Of the named tensor as it is held."""
    table = name in ("embed.weight", "head.weight")
    if not table and value_dtype(name, torch.bfloat16) == torch.float32:
        return 4.0 * math.prod(shape)
    of_one = bits.table if table else bits.matrix
    return (math.prod(shape) * of_one + math.prod(shape[:-1]) * bits.row) / 8


def decode_bytes(
    config: ModelConfig, bits: Bits, batch: int, position: float, kv: Kv | None = None
) -> float:
    """What a step of `batch` sequences, `position` tokens long, reads and writes."""
    costs = account(config, bits.element_bytes, kv)
    cache = costs.kv_bytes_per_token * (position + 1)
    return weight_bytes(config, bits, batch) + batch * (2 * costs.state_bytes + cache)


def prefill_flops(config: ModelConfig, tokens: int) -> float:
    """Of one prompt, the head computed once."""
    return step_flops(config, tokens, 0) + 2 * config.vocab_size * config.hidden_dim


def step_flops(config: ModelConfig, tokens: int, start: int) -> float:
    """Of one sequence's layers: its token i meets the start + i before it."""
    costs = account(config)
    head = 2 * config.vocab_size * config.hidden_dim
    met = tokens * start + tokens * (tokens - 1) / 2
    return (costs.flops_per_token - head) * tokens + costs.attention_flops_per_context_token * met


def _share(name: str, config: ModelConfig, batch: int) -> float:
    """Of a tensor, that a step reads."""
    if name == "embed.weight" and not config.tie_embeddings:
        return 0  # some rows
    if ".experts." in name and config.moe is not None:
        untouched: float = (1 - config.moe.top_k / config.moe.num_experts) ** batch
        return 1 - untouched
    return 1
