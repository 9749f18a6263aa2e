"""One command line in this process, and a tiny checkpoint to name on it."""

import sys
from pathlib import Path

import pytest
import torch
from cli.running import MODEL, Result, Run

from naga import cli
from naga.checkpoint.save import save_model
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.init import initialize
from naga.model.lm import HybridLM


@pytest.fixture
def naga(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Runs one command line in this process."""
    monkeypatch.setenv("NAGA_STATE_DIR", str(tmp_path / "home"))

    def run(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["naga", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(code=ended.value.code, out=printed.out, err=printed.err)

    return run


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    texts = ["The tenant shall pay the rent on the first day of each month.", "甲方应当支付租金。"]
    return train_tokenizer(texts * 4, 300)


@pytest.fixture(scope="session")
def checkpoint(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = parse_config(ModelConfig, MODEL, "test")
    model = HybridLM(config)
    initialize(model, seed=0)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_model(path, config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    return path
