"""naga.train.lora: adapters learn, the rest stays, and merged they are one model."""

from typing import Any

import pytest
import torch
from checkpoint import tiny

from naga.config.base import ConfigError
from naga.config.train import LoraConfig
from naga.model.lm import HybridLM
from naga.model.state import pack
from naga.train.lora import Lora, adapt, merged


def adapted(name: str, **options: Any) -> HybridLM:
    """With adapters that already say something."""
    model = adapt(tiny.random_model(tiny.EVERY[name], 1), LoraConfig(**options), seed=3)
    for key, weight in model.named_parameters():
        if key.endswith("lora_B"):
            torch.nn.init.normal_(weight, std=0.1)
    return model


@torch.no_grad()
@pytest.mark.parametrize("name", tiny.EVERY)
def test_merged_the_model_says_the_same_in_both_forms(name: str) -> None:
    model = adapted(name, rank=3)
    whole = HybridLM(model.config)
    whole.load_state_dict(merged(model))
    tokens = tiny.random_tokens(model.config, 21, 0)
    for form in (tiny.forward_logits, tiny.step_logits):
        torch.testing.assert_close(form(whole, tokens), form(model, tokens), atol=2e-4, rtol=0)
    plain = tiny.random_model(model.config, 1)
    assert (tiny.forward_logits(plain, tokens) - tiny.forward_logits(model, tokens)).abs().max() > 1


def test_fresh_adapters_change_nothing() -> None:
    plain = tiny.random_model(tiny.NAGA, 1)
    tokens = tiny.random_tokens(tiny.NAGA, 21, 0)
    expected = tiny.forward_logits(plain, tokens)
    assert tiny.forward_logits(adapt(plain, LoraConfig(), seed=0), tokens).equal(expected)


@pytest.mark.parametrize("name", tiny.EVERY)
def test_every_adapter_has_a_gradient_and_nothing_else(name: str) -> None:
    model = adapted(name)
    tokens = tiny.random_tokens(model.config, 21, 0)
    hidden = model(tokens, pack([21], "cpu"), torch.float32).hidden
    model.logits(hidden).square().mean().backward()
    for key, weight in model.named_parameters():
        assert (weight.grad is not None) == (".lora_" in key), key
        assert weight.grad is None or weight.grad.abs().max() > 0, key


def test_targets_choose_by_the_last_name() -> None:
    model = adapted("nemotron_h-moe", targets=("q_proj", "in_proj"))
    names = {name.rpartition(".")[2] for name, m in model.named_modules() if isinstance(m, Lora)}
    assert names == {"q_proj", "in_proj"}
    with pytest.raises(ConfigError, match=r"called 'qkv'; there are down, in_proj, k_proj"):
        adapted("nemotron_h-moe", targets=("qkv",))
