"""Tiny random models for the checkpoint tests: no parameter has a value that hides a fault."""

from collections.abc import Iterator

import torch
from torch import Tensor

from naga.config.base import Config
from naga.config.model import (
    AttentionConfig,
    Llama3Config,
    Mamba1Config,
    MambaConfig,
    MlpConfig,
    ModelConfig,
    MoeConfig,
    ParallelConfig,
    RopeConfig,
)
from naga.model.lm import HybridLM
from naga.model.state import StatePool, pack, place
from naga.runtime import make_runtime

RUNTIME = make_runtime("cpu", "float32")
MAMBA = MambaConfig(num_heads=8, head_dim=8, state_dim=16, num_groups=2, chunk_size=8)
ATTENTION = AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8)
# Of six frequencies some are low, some high, some between.
LLAMA3 = Llama3Config(factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0, original_positions=100)
SIGMOID_MOE = MoeConfig(
    num_experts=6,
    top_k=2,
    expert_dim=12,
    shared_dim=20,
    activation="relu2",
    router="sigmoid",
    routed_scale=2.5,
)
BASE = ModelConfig(
    pattern="M-", vocab_size=96, hidden_dim=32, max_positions=128, mamba=MAMBA,
    mlp=MlpConfig(inner_dim=24),
)  # fmt: skip


def vary(config: ModelConfig, **changes: object) -> ModelConfig:
    """A copy with other values, checked like any config."""
    plain = {k: v.model_dump() if isinstance(v, Config) else v for k, v in changes.items()}
    return ModelConfig.model_validate({**config.model_dump(), **plain})


def vary_moe(moe: MoeConfig, **changes: object) -> MoeConfig:
    return MoeConfig.model_validate({**moe.model_dump(), **changes})


GRANITE_MOE = vary(
    BASE,
    pattern="ME ME *E ME",
    attention=AttentionConfig(
        num_heads=4, num_kv_heads=2, head_dim=8, scale=0.2, rope=RopeConfig(theta=500.0)
    ),
    mlp=None,
    moe=MoeConfig(num_experts=6, top_k=2, expert_dim=12, shared_dim=20, balance_loss=0.01),
    tie_embeddings=False,
    embedding_multiplier=3.0,
    residual_multiplier=0.4,
    logits_divisor=0.5,
)
GRANITE_DENSE = vary(BASE, pattern="M- *- M-", attention=ATTENTION, norm_eps=1e-6)
NEMOTRON = vary(
    BASE,
    pattern="M*-ME*E",
    tie_embeddings=False,
    attention=AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=16),
    mlp=MlpConfig(inner_dim=40, activation="relu2"),
    moe=SIGMOID_MOE,
)
NEMOTRON_DENSE = vary(NEMOTRON, pattern="M-M*-", moe=None)
NAGA = vary(
    BASE,
    pattern="*M-E",
    attention=AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=8, qk_norm=True),
    moe=MoeConfig(num_experts=4, top_k=2, expert_dim=8, router="sigmoid", bias_update=0.001),
)
LLAMA = vary(
    BASE,
    pattern="*-*-",
    mamba=None,
    attention=AttentionConfig(
        num_heads=4, num_kv_heads=2, head_dim=12, rope=RopeConfig(theta=300.0, llama3=LLAMA3)
    ),
    norm_eps=1e-6,
)
QWEN3 = vary(
    LLAMA,
    attention=AttentionConfig(
        num_heads=6,
        num_kv_heads=2,
        head_dim=8,
        rope=RopeConfig(theta=500.0),
        qk_norm=True,
        qk_norm_place="before_rotation",
    ),
)
QWEN3_MOE = vary(
    QWEN3,
    pattern="*- *E *E",
    tie_embeddings=False,
    moe=MoeConfig(num_experts=6, top_k=3, expert_dim=12, weigh="all", balance_loss=0.01),
)
BAMBA = vary(
    GRANITE_DENSE,
    attention=AttentionConfig(
        num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig(theta=50.0, rotary_dim=4)
    ),
)
MAMBA2 = vary(BASE, pattern="MMM", mlp=None)
JAMBA = vary(
    BASE,
    pattern="S- *E S- SE S- *E",
    tie_embeddings=False,
    norm_eps=1e-6,
    mamba=None,
    mamba1=Mamba1Config(inner_dim=64, state_dim=16, dt_rank=12, norms=True),
    attention=ATTENTION,
    moe=MoeConfig(num_experts=6, top_k=2, expert_dim=24, weigh="all", balance_loss=0.01),
)
JAMBA_DENSE = vary(
    JAMBA, pattern="S-" * 3, tie_embeddings=True, attention=None, moe=None, max_positions=200
)
MAMBA1_ALONE = vary(
    BASE,
    pattern="SSS",
    mlp=None,
    mamba=None,
    mamba1=Mamba1Config(inner_dim=96, state_dim=7, conv_width=3, dt_rank=5),
)
FALCON = vary(
    BASE,
    pattern="H- H- H-",
    tie_embeddings=False,
    embedding_multiplier=5.6,
    logits_multiplier=0.4,
    mamba=MambaConfig(
        num_heads=6,
        head_dim=8,
        state_dim=16,
        num_groups=2,
        chunk_size=8,
        norm="none",
        in_multiplier=1.25,
        multipliers=(0.35, 0.25, 0.6, 0.5, 1.3),
    ),
    attention=AttentionConfig(
        num_heads=4,
        num_kv_heads=2,
        head_dim=16,
        rope=RopeConfig(theta=1e11),
        in_multiplier=0.8,
        key_multiplier=0.39,
    ),
    mlp=MlpConfig(inner_dim=24, gate_multiplier=0.88, down_multiplier=0.59),
    parallel=ParallelConfig(ssm_multiplier=0.24, attention_multiplier=0.94),
)
FALCON_NORMED = vary(
    FALCON, mamba=MambaConfig(**{**MAMBA.model_dump(), "norm": "gate_first"}), tie_embeddings=True
)
FALCON_NORM_FIRST = vary(
    FALCON, mamba=MambaConfig(**{**MAMBA.model_dump(), "norm": "norm_first", "chunk_size": 16})
)
EVERY = {
    "bamba": BAMBA,
    "mamba2": MAMBA2,
    "llama": LLAMA,
    "qwen3": QWEN3,
    "qwen3_moe": QWEN3_MOE,
    "granitemoehybrid-moe": GRANITE_MOE,
    "granitemoehybrid-dense": GRANITE_DENSE,
    "nemotron_h-moe": NEMOTRON,
    "nemotron_h-dense": NEMOTRON_DENSE,
    "nemotron_h-latent": vary(NEMOTRON, moe=vary_moe(SIGMOID_MOE, latent_dim=16)),
    "jamba-moe": JAMBA,
    "jamba-dense": JAMBA_DENSE,
    "mamba": MAMBA1_ALONE,
    "falcon_h1": FALCON,
    "falcon_h1-gate-first": FALCON_NORMED,
    "falcon_h1-norm-first": FALCON_NORM_FIRST,
    "naga": NAGA,
}


def randomize(parameters: Iterator[tuple[str, Tensor]], seed: int) -> None:
    """Values in ranges of trained models; dt from very small to large, decays of all lengths."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in parameters:
        noise = torch.randn(tensor.shape, generator=generator)
        uniform = torch.rand(tensor.shape, generator=generator)
        if name.endswith("A_log"):
            noise = (uniform * 15 + 1).log()
        elif name.endswith("dt_bias"):
            noise = uniform * 9 - 8
        elif name.endswith(("norm.weight", "layernorm.weight", "norm_f.weight", ".D")):
            noise = 1 + 0.3 * noise
        elif "conv" in name:
            noise = 0.5 * noise
        else:
            noise = 0.2 * noise
        with torch.no_grad():
            tensor.copy_(noise)


def random_model(config: ModelConfig, seed: int) -> HybridLM:
    model = HybridLM(config)
    randomize(iter(model.state_dict().items()), seed)
    return model.requires_grad_(False).eval()


def forward_logits(model: HybridLM, tokens: Tensor) -> Tensor:
    """(T, V) by the training form."""
    output = model(tokens, pack([len(tokens)], "cpu"), torch.float32)
    return model.logits(output.hidden)


def step_logits(model: HybridLM, tokens: Tensor) -> Tensor:
    """(T, V) by the row form."""
    pool = StatePool.create(model.config, RUNTIME, num_slots=1, num_pages=8, page_size=16)
    batch = place([len(tokens)], [0], [0], [range(8)], "cpu")
    return model.logits_rows(model.step(tokens, batch, pool))


def random_tokens(config: ModelConfig, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocab_size, (count,), generator=generator)
