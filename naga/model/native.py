"""NativeModel: the row form of a HybridLM, computed by one native call a step.

Derived from the model, which stays the law: same rounding points, weights copied into packed
buffers once (`load` copies new ones into the same buffers). Results are within rounding of
HybridLM.step, not equal to it, and like it bitwise independent of batching, chunking and threads.
Runs on the CPU, for inference alone.

T tokens, R rows, D hidden_dim, V vocabulary.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.model.lm import HybridLM, memory_dtype
from naga.model.state import Batch, StatePool
from naga.ops.sampling import Draw, Sample

try:
    from naga import _cpu
except ImportError as error:
    raise ConfigError(
        f"the native CPU kernels are not built ({error}); install naga again where there is a C++ "
        "compiler, or ask for the slow reference by name: --backend reference"
    ) from None


Weights = Literal["int8", "int4"]
WORD = 2**64
# Columns that share a scale.
GROUP = 32


class NativeModel:
    def __init__(
        self,
        model: HybridLM,
        dtype: torch.dtype,
        threads: int,
        isa: str,
        weights: Weights | None = None,
    ) -> None:
        """`isa`: portable, avx2, avx512 or avx512_bf16; ValueError if the processor lacks it.

        `weights`: projections and experts as whole multiples of a scale for each 32 columns, their
        inputs rounded to int8 likewise, embedding and head in int8; None holds all in `dtype`.
        """
        self.config = model.config
        self._dtype = dtype
        name = str(dtype).removeprefix("torch.")
        self._plan = _cpu.Plan(_plan_config(model.config, weights), isa, name, threads)
        self.load(model.state_dict().items())
        assert not self._plan.missing(), self._plan.missing()

    @property
    def isa(self) -> str:
        return str(self._plan.isa)

    def load(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Copy weights in place, under in-memory names; ValueError names one that does not fit."""
        for name, tensor in tensors:
            dtype = self._dtype if name in ("embed.weight", "head.weight") else torch.float32
            if memory_dtype(name, self._dtype) == self._dtype:
                dtype = self._dtype
            self._plan.load(name, tensor.detach().to("cpu", dtype).contiguous())

    def step(self, tokens: Tensor, batch: Batch, pool: StatePool) -> Tensor:
        """As HybridLM.step: hidden (T, D); moves the batch's states in `pool` on."""
        assert batch.slots is not None and batch.page_table is not None
        hidden = torch.empty(tokens.shape[0], self.config.hidden_dim, dtype=self._dtype)
        self._plan.step(
            tokens,
            torch.tensor(batch.lengths),
            torch.tensor(batch.starts),
            batch.slots,
            batch.page_table,
            pool.ssm,
            pool.conv,
            pool.keys,
            pool.values,
            pool.key_scales,
            pool.value_scales,
            hidden,
        )
        return hidden

    def logits_rows(self, hidden: Tensor) -> Tensor:
        """(R, D) -> (R, V) float32."""
        logits = torch.empty(hidden.shape[0], self.config.vocab_size)
        self._plan.logits(hidden.contiguous(), logits)
        return logits

    def sample(self, logits: Tensor, draws: Sequence[Draw]) -> list[Sample | None]:
        """As HybridLM.sample."""
        reals = torch.tensor([(d.temperature, d.top_p) for d in draws], dtype=torch.float64)
        words = np.array(
            [(d.top_k or 0, d.seed % WORD, d.choice, d.position) for d in draws], np.uint64
        )
        tokens = torch.empty(len(draws), dtype=torch.int64)
        logprobs = torch.empty(len(draws), dtype=torch.float64)
        self._plan.sample(logits, reals, words, tokens, logprobs)
        return [
            Sample(token=token, logprob=logprob) if token >= 0 else None
            for token, logprob in zip(tokens.tolist(), logprobs.tolist(), strict=True)
        ]

    def read_weights(self) -> int:
        """Read every byte of the weights once, with all threads; how many they are."""
        return int(self._plan.read_weights())


def best_isa() -> str:
    """The widest instruction set that this processor has and the kernels use."""
    return str(_cpu.best_isa())


def product_peak(element: str, isa: str, threads: int) -> float:
    """FLOP a second of products in caches; `element`: float32, bfloat16, or int8."""
    return float(_cpu.product_peak(element, isa, threads))


def _plan_config(config: ModelConfig, weights: Weights | None) -> "_cpu.PlanConfig":
    plan = _cpu.PlanConfig()
    if weights is not None:
        formats = {"int8": _cpu.Format.int8, "int4": _cpu.Format.int4}
        plan.format, plan.group = formats[weights], GROUP
    for name, value in _fields(config).items():
        setattr(plan, name, value)
    return plan


def _fields(config: ModelConfig) -> Mapping[str, str | int | float | bool]:
    """PlanConfig's fields; what a model lacks stays zero."""
    fields: dict[str, str | int | float | bool] = {
        "layers": config.layers,
        "vocab_size": config.vocab_size,
        "hidden_dim": config.hidden_dim,
        "norm_eps": config.norm_eps,
        "tied": config.tie_embeddings,
        "embedding_multiplier": config.embedding_multiplier,
        "residual_multiplier": config.residual_multiplier,
        "logits_divisor": config.logits_divisor,
    }
    if mamba := config.mamba:
        fields |= {
            "mamba_heads": mamba.num_heads,
            "mamba_head_dim": mamba.head_dim,
            "state_dim": mamba.state_dim,
            "groups": mamba.num_groups,
            "conv_width": mamba.conv_width,
            "dt_low": mamba.dt_limit[0],
            "dt_high": mamba.dt_limit[1],
        }
    if attention := config.attention:
        fields |= {
            "heads": attention.num_heads,
            "key_heads": attention.num_kv_heads,
            "head_dim": attention.head_dim,
            "softmax_scale": attention.softmax_scale,
            "qk_norm": attention.qk_norm,
        }
        if rope := attention.rope:
            dim = attention.head_dim
            stretched = rope.theta * rope.ntk_alpha ** (dim / (dim - 2))
            fields["rope_base"] = stretched if rope.ntk_alpha != 1 else rope.theta
    if mlp := config.mlp:
        fields |= {"mlp_dim": mlp.inner_dim, "mlp_gated": mlp.activation == "swiglu"}
    if moe := config.moe:
        fields |= {
            "experts": moe.num_experts,
            "top_k": moe.top_k,
            "expert_dim": moe.expert_dim,
            "shared_dim": moe.shared_dim or 0,
            "expert_gated": moe.activation == "swiglu",
            "sigmoid_router": moe.router == "sigmoid",
            "routed_scale": moe.routed_scale,
        }
    return fields
