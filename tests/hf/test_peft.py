"""PEFT's LoRA over NagaForCausalLM: train, generate, merge, save, load; what it must not touch."""

from pathlib import Path

import pytest
import torch
from checkpoint import tiny
from torch import Tensor

from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.hf import NagaForCausalLM

peft = pytest.importorskip("peft", reason="needs the extra: pip install 'naga-lm[interop]'")

from hf.tiny import pair, sequences  # noqa: E402

# PEFT and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

EXPERTS = ["mixer.experts.up", "mixer.experts.down"]
# By name of the module or parameter; nothing of these is a linear module.
NEVER = ("conv", "A_log", "dt_bias", "mixer.D", "norm", "router", "lm_head", "embed")


def adapted(name: str, folder: Path, **options: object) -> peft.PeftModel:
    _, model = pair(name, folder)
    torch.manual_seed(0)
    config = peft.LoraConfig(
        r=4, lora_alpha=8, task_type="CAUSAL_LM", **{"target_modules": "all-linear"} | options
    )
    return peft.get_peft_model(model, config)


def train(model: peft.PeftModel, steps: int = 3) -> list[float]:
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=2e-2)
    tokens, losses = sequences(19)[0][None], []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def logits_of(model: torch.nn.Module, use_cache: bool) -> Tensor:
    return model(input_ids=sequences(15)[0][None], use_cache=use_cache).logits


def test_all_linear_is_every_matrix_of_the_layers_and_no_other(tmp_path: Path) -> None:
    model = adapted("nemotron_h-moe", tmp_path)
    touched = {key for key, weight in model.named_parameters() if weight.requires_grad}
    assert all(".lora_" in key for key in touched)
    assert not [key for key in touched if any(word in key for word in NEVER)]
    kinds = ("in_proj", "out_proj", "q_proj", "k_proj", "v_proj", "o_proj", "up", "down")
    found = {key.split(".lora_")[0].rsplit(".", 1)[1] for key in touched}
    assert found == set(kinds)


@pytest.mark.parametrize("name", ["granitemoehybrid-moe", "naga"])
def test_an_adapter_learns_and_the_base_stays(name: str, tmp_path: Path) -> None:
    model = adapted(name, tmp_path, target_parameters=EXPERTS)
    base = {k: w.clone() for k, w in model.named_parameters() if not w.requires_grad}
    losses = train(model)
    assert losses[-1] < losses[0] - 0.05
    assert all(w.equal(base[k]) for k, w in model.named_parameters() if not w.requires_grad)
    gradients = {k: w.grad for k, w in model.named_parameters() if w.requires_grad}
    # All adapters are in the graph; an expert that nobody visits has a gradient of zero.
    assert all(gradient is not None for gradient in gradients.values())
    assert any("experts.lora_A" in key for key in gradients)


@pytest.mark.parametrize("use_cache", [False, True])
def test_merging_changes_no_answer(use_cache: bool, tmp_path: Path) -> None:
    model = adapted("naga", tmp_path, target_parameters=EXPERTS)
    with model.disable_adapter():
        plain = logits_of(model, use_cache)
    train(model)
    adapted_logits = logits_of(model, use_cache)
    assert (adapted_logits - plain).abs().max() > 0.05
    merged = model.merge_and_unload()
    torch.testing.assert_close(logits_of(merged, use_cache), adapted_logits, atol=1e-4, rtol=0)


def test_a_merged_model_is_a_checkpoint_of_naga(tmp_path: Path) -> None:
    model = adapted("granitemoehybrid-moe", tmp_path, target_parameters=EXPERTS)
    train(model)
    merged = model.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    ours = load_model(tmp_path / "merged", tiny.RUNTIME)
    tokens = sequences(15)[0]
    assert tiny.step_logits(ours, tokens).equal(logits_of(merged, True)[0])


def test_an_adapter_is_saved_and_loaded(tmp_path: Path) -> None:
    model = adapted("naga", tmp_path, target_parameters=EXPERTS)
    train(model)
    model.save_pretrained(tmp_path / "adapter")
    base = NagaForCausalLM.from_pretrained(tmp_path / "model")
    again = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert logits_of(again, False).equal(logits_of(model, False))
    prompt = sequences(5)[0][None]
    given = again.generate(input_ids=prompt, max_new_tokens=8, do_sample=False)
    expected = model.generate(input_ids=prompt, max_new_tokens=8, do_sample=False)
    assert given.tolist() == expected.tolist()


def test_the_head_and_the_embedding_may_be_adapted_by_name(tmp_path: Path) -> None:
    model = adapted("nemotron_h-moe", tmp_path, target_modules=["embed", "lm_head"])
    before = logits_of(model, True)
    train(model)
    after = logits_of(model, True)
    assert (after - before).abs().max() > 0.05
    merged = model.merge_and_unload()
    torch.testing.assert_close(logits_of(merged, True), after, atol=1e-4, rtol=0)


@pytest.mark.parametrize("target", ["router.weight", "conv.weight"])
def test_an_adapter_that_would_have_no_effect_is_refused(target: str, tmp_path: Path) -> None:
    model = adapted("naga", tmp_path, target_modules=["in_proj"], target_parameters=[target])
    with pytest.raises(ConfigError, match=target):
        train(model)


@pytest.mark.parametrize("target", ["conv", "norm", "router"])
def test_peft_refuses_what_is_no_linear_module(target: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not supported"):
        adapted("naga", tmp_path, target_modules=[target])
