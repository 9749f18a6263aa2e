"""Tiny random hybrids with every kind of layer, a small tokenizer, engines that get closed."""

from collections.abc import Callable, Iterator

import pytest
import torch

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
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.engine.backend import make_backend
from naga.engine.engine import Engine
from naga.model.init import initialize
from naga.model.lm import HybridLM, memory_dtype, value_dtype
from naga.runtime import Runtime, make_runtime

# Odd sizes on purpose: vector tails are where rounding differs. `rotated` has RoPE, QK-norm, a
# softmax router and an untied head, `plain` has none of these; `parallel` has H beside M, S
# and *, and factors.
CONFIGS = {
    "rotated": ModelConfig(
        pattern="ME*EM-S*E",
        vocab_size=300,
        hidden_dim=44,
        max_positions=400,
        tie_embeddings=False,
        init_std=0.2,
        attention=AttentionConfig(
            num_heads=6,
            num_kv_heads=2,
            head_dim=14,
            rope=RopeConfig(rotary_dim=10),
            qk_norm=True,
            qk_norm_place="before_rotation",
        ),
        mamba=MambaConfig(num_heads=6, head_dim=10, state_dim=14, num_groups=2),
        mamba1=Mamba1Config(inner_dim=54, state_dim=9, dt_rank=6, norms=True),
        mlp=MlpConfig(inner_dim=70, activation="relu2"),
        moe=MoeConfig(
            num_experts=5, top_k=2, expert_dim=22, shared_dim=30, latent_dim=26, weigh="all"
        ),
    ),
    "plain": ModelConfig(
        pattern="M*-ME",
        vocab_size=300,
        hidden_dim=32,
        max_positions=400,
        init_std=0.2,
        attention=AttentionConfig(num_heads=4, num_kv_heads=1, head_dim=8),
        mamba=MambaConfig(num_heads=3, head_dim=7, state_dim=16, num_groups=1),
        mlp=MlpConfig(inner_dim=40),
        moe=MoeConfig(num_experts=4, top_k=3, expert_dim=9, activation="relu2", router="sigmoid"),
    ),
    "parallel": ModelConfig(
        pattern="H-MS*H-",
        vocab_size=300,
        hidden_dim=36,
        max_positions=400,
        init_std=0.2,
        logits_multiplier=0.7,
        attention=AttentionConfig(
            num_heads=4, num_kv_heads=2, head_dim=14, rope=RopeConfig(), key_multiplier=0.6
        ),
        mamba=MambaConfig(
            num_heads=6,
            head_dim=7,
            state_dim=10,
            num_groups=2,
            norm="norm_first",
            multipliers=(0.6, 0.7, 1.2, 0.8, 1.5),
        ),
        mamba1=Mamba1Config(inner_dim=39, state_dim=7, conv_width=3, dt_rank=5),
        mlp=MlpConfig(inner_dim=46, gate_multiplier=0.7, down_multiplier=1.3),
        parallel=ParallelConfig(ssm_multiplier=0.6, attention_multiplier=1.4),
    ),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products gain nothing from threads, and wait long for them on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    texts = ["The tenant shall pay the rent on the first day of each month.", "甲方应当支付租金。"]
    return train_tokenizer(texts * 4, 300)


def make_model(config: ModelConfig, dtype: torch.dtype) -> HybridLM:
    model = HybridLM(config)
    initialize(model, seed=1)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(False)
        rounded = parameter.data.to(value_dtype(name, dtype))
        parameter.data = rounded.to(memory_dtype(name, dtype))
    return model.eval()


@pytest.fixture(scope="session", params=["float32", "bfloat16"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return make_runtime("cpu", request.param)


@pytest.fixture(scope="session", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest, runtime: Runtime) -> HybridLM:
    """Every config in every dtype."""
    return make_model(CONFIGS[request.param], runtime.dtype)


@pytest.fixture(scope="session")
def small_runtime() -> Runtime:
    return make_runtime("cpu", "float32")


@pytest.fixture(scope="session")
def small_model(small_runtime: Runtime) -> HybridLM:
    """For tests of behaviour, where one model is enough."""
    return make_model(CONFIGS["plain"], small_runtime.dtype)


@pytest.fixture
def fresh_model(small_runtime: Runtime) -> Callable[[str], HybridLM]:
    """By the name of its config: a model of the test's own, whose weights it may change."""
    return lambda name: make_model(CONFIGS[name], small_runtime.dtype)


@pytest.fixture
def open_engine(tokenizer: Tokenizer) -> Iterator[Callable[..., Engine]]:
    """Makes engines, with memory poisoned by NaN, and closes them after the test."""
    engines: list[Engine] = []

    def open_one(model: HybridLM, runtime: Runtime, **changes: int | str) -> Engine:
        config = EngineConfig.model_validate(
            {"max_running": 4, "page_size": 16, "kv_tokens": 2048, "prefill_chunk": 32} | changes
        )
        engines.append(Engine(make_backend(model, config, runtime), tokenizer, config))
        return engines[-1]

    yield open_one
    for engine in engines:
        engine.close()
