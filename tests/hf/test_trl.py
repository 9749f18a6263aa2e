"""TRL's trainers over NagaForCausalLM: they learn, packed as padded; naga reads what they save."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint import tiny
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from naga.checkpoint.load import load_model
from naga.hf import NagaForCausalLM

REASON = "needs the extra: pip install 'naga-lm[interop]'"
trl = pytest.importorskip("trl", reason=REASON)
datasets = pytest.importorskip("datasets", reason=REASON)
peft = pytest.importorskip("peft", reason=REASON)

from hf.tiny import saved, saved_chat  # noqa: E402

# TRL and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

PLAIN = {
    "use_cpu": True, "report_to": "none", "logging_steps": 1, "disable_tqdm": True, "bf16": False,
    "save_strategy": "no",
}  # fmt: skip


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Trainers hold their models in cycles."""
    yield
    gc.collect()


def conversations(count: int) -> Any:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {index} plus {index}?"},
                {"role": "assistant", "content": "It is " + str(2 * index) * (1 + index % 3)},
            ]
        }
        for index in range(count)
    ]
    return datasets.Dataset.from_list(rows)


def sft(model: PreTrainedModel, folder: Path, **options: Any) -> Any:
    config = {"per_device_train_batch_size": 4, "learning_rate": 2e-2}
    args = trl.SFTConfig(output_dir=str(folder / "run"), **PLAIN | config | options)
    return trl.SFTTrainer(
        model=model,
        args=args,
        train_dataset=conversations(8),
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
    )


def losses(trainer: Any) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


@pytest.fixture
def model(tmp_path: Path) -> NagaForCausalLM:
    saved_chat(tmp_path / "model")
    return NagaForCausalLM.from_pretrained(tmp_path / "model")


def test_sft_learns_and_naga_reads_what_it_saves(model: NagaForCausalLM, tmp_path: Path) -> None:
    trainer = sft(model, tmp_path, max_steps=4)
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0] - 0.5
    trainer.save_model(str(tmp_path / "saved"))
    ours = load_model(tmp_path / "saved", tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 15, 0)
    expected = model.eval()(tokens[None]).logits[0]
    assert tiny.forward_logits(ours, tokens).equal(expected)


def test_sft_opens_a_folder_by_its_name(model: NagaForCausalLM, tmp_path: Path) -> None:
    trainer = sft(str(tmp_path / "model"), tmp_path, max_steps=1)
    assert isinstance(trainer.model, NagaForCausalLM)
    trainer.train()


def test_sft_resumes_where_it_stopped(model: NagaForCausalLM, tmp_path: Path) -> None:
    options = {"max_steps": 3, "save_strategy": "steps", "save_steps": 1}
    whole = sft(model, tmp_path, **options)
    whole.train()
    again = sft(NagaForCausalLM.from_pretrained(tmp_path / "model"), tmp_path, **options)
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-1"))
    assert losses(again)[1:] == pytest.approx(losses(whole)[1:], abs=1e-6)


@pytest.mark.parametrize(
    "way", [{"packing": True, "max_length": 512}, {"padding_free": True, "max_length": None}]
)
def test_a_packed_batch_has_the_loss_of_a_padded_one(way: dict[str, Any], tmp_path: Path) -> None:
    """One step over all conversations, whole: whatever leaked would be in the loss."""
    saved_chat(tmp_path / "model")
    found = []
    for options in ({}, way):
        model = NagaForCausalLM.from_pretrained(tmp_path / "model")
        size = 1 if options.get("packing") else 8
        trainer = sft(model, tmp_path, max_steps=1, per_device_train_batch_size=size, **options)
        trainer.train()
        found.append(losses(trainer)[0])
    assert found[1] == pytest.approx(found[0], abs=1e-5)


@torch.no_grad()
def test_transformers_own_model_leaks_where_ours_does_not(tmp_path: Path) -> None:
    """Without the mamba_ssm kernels its scan runs over the boundaries of a packed row."""
    saved(tiny.GRANITE_DENSE, tmp_path / "model")
    tokens = tiny.random_tokens(tiny.GRANITE_DENSE, 20, 0)[None]
    positions = torch.tensor([[*range(12), *range(8)]])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ours = NagaForCausalLM.from_pretrained(tmp_path / "model")
    leaked, kept = (
        model(tokens, use_cache=False, position_ids=positions).logits[0, 12:]
        - model(tokens[:, 12:], use_cache=False).logits[0]
        for model in (theirs, ours)
    )
    assert kept.abs().max() < 1e-4 < 0.01 < leaked.abs().max()


@pytest.mark.parametrize("adapter", [False, True])
def test_grpo_moves_what_it_may(adapter: bool, model: NagaForCausalLM, tmp_path: Path) -> None:
    """The reward is the share of even tokens in an answer."""
    seen: list[float] = []

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        shares = [sum(token % 2 == 0 for token in ids) / len(ids) for ids in completion_ids]
        seen.append(sum(shares) / len(shares))
        return shares

    args = trl.GRPOConfig(
        output_dir=str(tmp_path / "run"),
        max_steps=3,
        per_device_train_batch_size=16,
        num_generations=16,
        max_completion_length=6,
        learning_rate=5e-2,
        **PLAIN | {"bf16": True},
    )
    lora = peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    prompts = [{"prompt": [{"role": "user", "content": f"Say {index}."}]} for index in range(4)]
    trainer = trl.GRPOTrainer(
        model=model,
        args=args,
        reward_funcs=reward,
        train_dataset=datasets.Dataset.from_list(prompts),
        processing_class=AutoTokenizer.from_pretrained(tmp_path / "model"),
        peft_config=lora if adapter else None,
    )
    before = {key: weight.clone() for key, weight in trainer.model.named_parameters()}
    trainer.train()
    moved = {k for k, weight in trainer.model.named_parameters() if not weight.equal(before[k])}
    assert moved and all((".lora_" in key) == adapter for key in moved)
    rows = [row for row in trainer.state.log_history if "reward" in row]
    assert [row["reward"] for row in rows] == pytest.approx(seen, abs=1e-5)
    assert all(row["grad_norm"] > 0 for row in rows)
