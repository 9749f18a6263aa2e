"""A tiny random network and the same one behind transformers' calls."""

from pathlib import Path

import torch
from checkpoint import tiny
from torch import Tensor

from naga.checkpoint.save import save_model
from naga.config.model import ModelConfig
from naga.data.tokenizer import Tokenizer
from naga.hf import NagaForCausalLM
from naga.model.lm import HybridLM

MINI = Path(__file__).parents[2] / "naga" / "assets" / "naga-mini"


def saved(config: ModelConfig, folder: Path, dtype: torch.dtype = torch.float32) -> HybridLM:
    """Written into `folder`, in the layout of naga's choice."""
    model = tiny.random_model(config, seed=2)
    save_model(folder, config, model.state_dict(), dtype=dtype, tokenizer=None)
    return model


def pair(name: str, tmp_path: Path) -> tuple[HybridLM, NagaForCausalLM]:
    ours = saved(tiny.EVERY[name], tmp_path / "model")
    return ours, NagaForCausalLM.from_pretrained(tmp_path / "model")


def sequences(*lengths: int) -> list[Tensor]:
    return [tiny.random_tokens(tiny.BASE, length, seed=length) for length in lengths]


def padded(tokens: list[Tensor], side: str) -> tuple[Tensor, Tensor]:
    """input_ids and attention_mask (B, L)."""
    mask = [torch.ones_like(row) for row in tokens]

    def pad(rows: list[Tensor]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side=side)

    return pad(tokens), pad(mask)


def saved_chat(folder: Path) -> HybridLM:
    """With naga-mini's tokenizer and chat template."""
    config = tiny.vary(tiny.NAGA, vocab_size=4096, max_positions=512)
    model = tiny.random_model(config, seed=2)
    tokenizer = Tokenizer.load(MINI)
    save_model(folder, config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    return model
