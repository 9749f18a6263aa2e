"""Tiny random checkpoints that both sides open, in widths that transformers' kernels take."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from naga.checkpoint.save import save_model
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig, MoeConfig
from naga.model.init import initialize
from naga.model.lm import HybridLM

MAMBA = MambaConfig(num_heads=4, head_dim=16, state_dim=16, chunk_size=8)
ATTENTION = AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8)
CONFIGS = {
    "granitemoehybrid": ModelConfig(
        pattern="ME*E",
        vocab_size=96,
        hidden_dim=32,
        max_positions=64,
        init_std=0.3,
        mamba=MAMBA,
        attention=ATTENTION,
        moe=MoeConfig(num_experts=4, top_k=2, expert_dim=16, shared_dim=16, balance_loss=0.01),
    ),
    "nemotron_h": ModelConfig(
        pattern="M*-",
        vocab_size=96,
        hidden_dim=32,
        max_positions=64,
        init_std=0.3,
        tie_embeddings=False,
        mamba=MAMBA,
        attention=ATTENTION,
        mlp=MlpConfig(inner_dim=48, activation="relu2"),
    ),
    "naga": ModelConfig(
        pattern="M*-",
        vocab_size=96,
        hidden_dim=32,
        max_positions=64,
        init_std=0.3,
        mamba=MAMBA,
        attention=AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, qk_norm=True),
        mlp=MlpConfig(inner_dim=48),
    ),
    "without-attention": ModelConfig(
        pattern="M-",
        vocab_size=96,
        hidden_dim=32,
        max_positions=64,
        init_std=0.3,
        mamba=MAMBA,
        mlp=MlpConfig(inner_dim=48),
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders by the name of their config."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, config in CONFIGS.items():
        model = HybridLM(config)
        initialize(model, seed=0)
        tensors = model.state_dict()
        save_model(folder / name, config, tensors, dtype=torch.float32, tokenizer=None)
    return {name: folder / name for name in CONFIGS}
