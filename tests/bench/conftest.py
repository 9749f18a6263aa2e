"""Tiny random checkpoints, and `naga bench` in this process.

Those of `checkpoints` are opened by both sides: in widths that transformers' kernels take. The one
of `chatting` answers conversations.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.conftest import CONFIGS as ENGINE_CONFIGS

from naga.bench.models import make_model
from naga.checkpoint.save import save_model
from naga.cli import main
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig, MoeConfig
from naga.model.init import initialize
from naga.model.lm import HybridLM

MAMBA = MambaConfig(num_heads=4, head_dim=16, state_dim=16, chunk_size=8)
ATTENTION = AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8)
COMMON: dict[str, Any] = {"vocab_size": 96, "hidden_dim": 32, "max_positions": 64, "init_std": 0.3}
CONFIGS = {
    "granitemoehybrid": ModelConfig(
        pattern="ME*E",
        mamba=MAMBA,
        attention=ATTENTION,
        moe=MoeConfig(num_experts=4, top_k=2, expert_dim=16, shared_dim=16, balance_loss=0.01),
        **COMMON,
    ),
    "nemotron_h": ModelConfig(
        pattern="M*-",
        tie_embeddings=False,
        mamba=MAMBA,
        attention=ATTENTION,
        mlp=MlpConfig(inner_dim=48, activation="relu2"),
        **COMMON,
    ),
    "naga": ModelConfig(
        pattern="M*-",
        mamba=MAMBA,
        attention=ATTENTION.model_copy(update={"qk_norm": True}),
        mlp=MlpConfig(inner_dim=48),
        **COMMON,
    ),
    "without-attention": ModelConfig(
        pattern="M-", mamba=MAMBA, mlp=MlpConfig(inner_dim=48), **COMMON
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


@pytest.fixture(scope="session")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a context for long conversations and a tokenizer of bytes and chat tokens."""
    folder = tmp_path_factory.mktemp("chatting") / "tiny"
    config = ENGINE_CONFIGS["plain"].model_copy(update={"max_positions": 8000})
    make_model(config, folder, seed=1, dtype=torch.float32)
    return folder


@dataclass(frozen=True, kw_only=True)
class Ran:
    code: object
    """What the process would have ended with."""
    out: str
    err: str

    @property
    def found(self) -> Any:
        """Its JSON; an error if anything else was printed."""
        return json.loads(self.out)


Bench = Callable[..., Ran]


@pytest.fixture
def naga_bench(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    """Runs `naga bench WORDS` in this process."""

    def run(*words: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["naga", "bench", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ran(code=ended.value.code, out=out, err=err)

    return run
