"""Tiny random models of every kind of layer and every switch of ModelConfig."""

from typing import Literal

import torch
from checkpoint.tiny import LLAMA3, randomize
from torch import Tensor

from naga.config.model import (
    AttentionConfig,
    Mamba1Config,
    MambaConfig,
    MlpConfig,
    ModelConfig,
    MoeConfig,
    ParallelConfig,
    RopeConfig,
)
from naga.model.lm import HybridLM, memory_dtype, value_dtype
from naga.model.state import StatePool
from naga.runtime import Runtime, make_runtime

PAGE = 16
BASE = {"vocab_size": 61, "hidden_dim": 24, "max_positions": 256}
MAMBA = MambaConfig(num_heads=4, head_dim=8, state_dim=16, num_groups=2, chunk_size=8)
ATTENTION = AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8)
SIGMOID = MoeConfig(
    num_experts=5,
    top_k=2,
    expert_dim=12,
    shared_dim=20,
    activation="relu2",
    router="sigmoid",
    routed_scale=2.5,
    balance_loss=0.02,
)
SOFTMAX = MoeConfig(num_experts=6, top_k=3, expert_dim=12, balance_loss=0.01)
LATENT = SIGMOID.model_copy(update={"latent_dim": 10})
MAMBA1 = Mamba1Config(inner_dim=37, state_dim=21, dt_rank=12, norms=True)
CONFIGS = {
    "M": ModelConfig(pattern="MM", mamba=MAMBA, **BASE),
    "M, limited dt, odd sizes": ModelConfig(
        pattern="MM",
        mamba=MambaConfig(
            num_heads=3, head_dim=5, state_dim=7, conv_width=3, chunk_size=5, dt_limit=(0.01, 0.3)
        ),
        **BASE,
    ),
    "*": ModelConfig(
        pattern="**",
        attention=AttentionConfig(num_heads=6, num_kv_heads=2, head_dim=12, scale=0.11),
        **BASE,
    ),
    "*, rope with ntk, qk_norm": ModelConfig(
        pattern="**",
        attention=AttentionConfig(
            num_heads=4,
            num_kv_heads=1,
            head_dim=8,
            rope=RopeConfig(theta=100.0, ntk_alpha=8.0),
            qk_norm=True,
        ),
        **BASE,
    ),
    "*, part of a head rotates": ModelConfig(
        pattern="**",
        attention=AttentionConfig(
            num_heads=4,
            num_kv_heads=2,
            head_dim=11,
            rope=RopeConfig(theta=50.0, ntk_alpha=3.0, rotary_dim=6),
        ),
        **BASE,
    ),
    "*, llama3, qk_norm first": ModelConfig(
        pattern="**",
        attention=AttentionConfig(
            num_heads=4,
            num_kv_heads=1,
            head_dim=12,
            rope=RopeConfig(theta=300.0, llama3=LLAMA3),
            qk_norm=True,
            qk_norm_place="before_rotation",
        ),
        **BASE,
    ),
    "-": ModelConfig(pattern="--", mlp=MlpConfig(inner_dim=28), **BASE),
    "-, relu2": ModelConfig(pattern="--", mlp=MlpConfig(inner_dim=28, activation="relu2"), **BASE),
    "E": ModelConfig(pattern="EE", moe=SOFTMAX, **BASE),
    "E, sigmoid, shared": ModelConfig(pattern="EE", moe=SIGMOID, **BASE),
    "E, weighed by all": ModelConfig(
        pattern="EE",
        moe=MoeConfig(num_experts=6, top_k=2, expert_dim=12, weigh="all", balance_loss=0.01),
        **BASE,
    ),
    "E, latent": ModelConfig(pattern="EE", moe=LATENT, **BASE),
    "pairs": ModelConfig(
        pattern="ME ME *E ME",
        mamba=MAMBA,
        attention=ATTENTION,
        moe=SOFTMAX,
        embedding_multiplier=3.0,
        residual_multiplier=0.4,
        logits_divisor=0.5,
        norm_eps=1e-3,
        **BASE,
    ),
    "everything": ModelConfig(
        pattern="ME*EM-*-S",
        tie_embeddings=False,
        mamba=MAMBA,
        mamba1=MAMBA1,
        attention=AttentionConfig(
            num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig(), qk_norm=True
        ),
        mlp=MlpConfig(inner_dim=28, activation="relu2"),
        moe=SIGMOID,
        residual_multiplier=0.7,
        **BASE,
    ),
    "S": ModelConfig(
        pattern="SS", mamba1=Mamba1Config(inner_dim=48, state_dim=16, dt_rank=2), **BASE
    ),
    "S, norms, odd sizes": ModelConfig(
        pattern="SS",
        mamba1=Mamba1Config(inner_dim=37, state_dim=7, conv_width=3, dt_rank=5, norms=True),
        **BASE,
    ),
}
# Factors away from 1, all different.
SCALED_MAMBA = {"in_multiplier": 1.3, "multipliers": (0.6, 0.7, 1.2, 0.8, 1.5)}
SCALED_ATTENTION = {"in_multiplier": 0.7, "key_multiplier": 1.9}
SCALED_MLP = MlpConfig(inner_dim=28, gate_multiplier=0.6, down_multiplier=1.7)
CONFIGS |= {
    "H": ModelConfig(
        pattern="H-H-",
        mamba=MambaConfig(
            num_heads=4, head_dim=8, state_dim=16, num_groups=2, norm="none", **SCALED_MAMBA
        ),
        attention=AttentionConfig(
            num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig(), **SCALED_ATTENTION
        ),
        mlp=SCALED_MLP,
        parallel=ParallelConfig(ssm_multiplier=0.4, attention_multiplier=1.6),
        logits_multiplier=0.3,
        residual_multiplier=0.9,
        **BASE,
    ),
    "H beside others, odd sizes": ModelConfig(
        pattern="M*H-MH*",
        mamba=MambaConfig(
            num_heads=6, head_dim=5, state_dim=7, num_groups=2, chunk_size=5, norm="norm_first"
        ),
        attention=AttentionConfig(num_heads=3, num_kv_heads=1, head_dim=12, qk_norm=True),
        mlp=MlpConfig(inner_dim=28),
        parallel=ParallelConfig(),
        **BASE,
    ),
    "all six kinds": ModelConfig(
        pattern="SMH*-E S",
        mamba=MambaConfig(num_heads=3, head_dim=7, state_dim=9),
        mamba1=MAMBA1,
        attention=AttentionConfig(
            num_heads=4,
            num_kv_heads=2,
            head_dim=8,
            rope=RopeConfig(rotary_dim=4),
            qk_norm=True,
            qk_norm_place="before_rotation",
        ),
        mlp=MlpConfig(inner_dim=28),
        moe=LATENT,
        parallel=ParallelConfig(ssm_multiplier=0.4, attention_multiplier=1.6),
        residual_multiplier=0.3,
        **BASE,
    ),
}
RUNTIMES = {name: make_runtime("cpu", name) for name in ("float32", "bfloat16")}


def trained_model(name: str, seed: int = 1) -> HybridLM:
    """float32, with gradients, no parameter at a value that hides a fault."""
    model = HybridLM(CONFIGS[name])
    randomize(iter(model.state_dict().items()), seed)
    return model


def served_model(name: str, runtime: Runtime, seed: int = 1) -> HybridLM:
    return as_served(trained_model(name, seed), runtime)


def as_served(model: HybridLM, runtime: Runtime) -> HybridLM:
    """As a loader leaves it: values and memory in the runtime's dtypes, no gradients."""
    for key, parameter in model.requires_grad_(False).eval().named_parameters():
        rounded = parameter.data.to(value_dtype(key, runtime.dtype))
        parameter.data = rounded.to(memory_dtype(key, runtime.dtype))
    return model


def make_pool(
    model: HybridLM,
    runtime: Runtime,
    *,
    slots: int = 6,
    pages: int = 24,
    garbage: float = torch.nan,
    kv: Literal["int8"] | None = None,
) -> StatePool:
    pool = StatePool.create(
        model.config, runtime, num_slots=slots, num_pages=pages, page_size=PAGE, kv=kv
    )
    kept = (pool.keys, pool.values, pool.key_scales, pool.value_scales)
    for memory in (*pool.by_slot.values(), *kept):
        if memory is not None:
            memory.fill_(garbage if memory.is_floating_point() else 77)
    return pool


def random_tokens(count: int, seed: int = 0) -> Tensor:
    return torch.randint(61, (count,), generator=torch.Generator().manual_seed(seed))
