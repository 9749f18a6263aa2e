"""A model of every layer kind small enough for milliseconds, and a run on a few hundred words."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.config.train import PretrainConfig
from naga.data.tokenizer import train_tokenizer

SENTENCE = "The river 河水 carries 12 boats past the old mill, and 3 return before the rain."
MODEL: dict[str, Any] = {
    "pattern": "ME*E S-",
    "vocab_size": 300,
    "hidden_dim": 24,
    "max_positions": 256,
    "mamba": {"num_heads": 4, "head_dim": 8, "state_dim": 8, "chunk_size": 16},
    "mamba1": {"inner_dim": 48, "state_dim": 8, "dt_rank": 4, "norms": True},
    "attention": {"num_heads": 2, "num_kv_heads": 1, "head_dim": 12, "qk_norm": True},
    "mlp": {"inner_dim": 32},
    "moe": {
        "num_experts": 4,
        "top_k": 2,
        "expert_dim": 16,
        "shared_dim": 16,
        "router": "sigmoid",
        "balance_loss": 0.01,
        "bias_update": 0.001,
    },
}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model_config() -> ModelConfig:
    return parse_config(ModelConfig, MODEL, "test")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with corpus/*.txt and tokenizer/."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "corpus").mkdir()
    words = SENTENCE.split()
    for number in range(6):
        order = [(i * (number + 2) + i // 5) % len(words) for i in range(80 + 9 * number)]
        text = " ".join(words[i] for i in order)
        (folder / "corpus" / f"{number}.txt").write_text(text, encoding="utf-8")
    tokenizer = train_tokenizer([SENTENCE], vocab_size=283)
    tokenizer.save(folder / "tokenizer")
    return folder


@pytest.fixture
def pretrain_config(data: Path, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """Makes the config of a short run; keyword arguments replace keys at the top."""

    def make(**changes: Any) -> PretrainConfig:
        values: dict[str, Any] = {
            "run_dir": str(tmp_path / "run"),
            "tokenizer": str(data / "tokenizer"),
            "dtype": "float32",
            "seed": 5,
            "accumulate": 2,
            "checkpoint_every": 4,
            "log_every": 5,
            "data": {"paths": [str(data / "corpus")], "tokens_per_batch": 64, "sequence_len": 40},
            "optim": {"lr": 0.01},
            "schedule": {"steps": 12, "warmup_steps": 2, "decay_steps": 4},
            "model": MODEL,
        }
        return parse_config(PretrainConfig, values | changes, "test")

    return make
