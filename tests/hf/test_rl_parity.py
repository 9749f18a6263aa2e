"""naga.rl's losses are TRL's: its own GRPOTrainer computes them on the same batch and weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint import tiny
from torch import Tensor
from transformers import AutoTokenizer

from naga.config.rl import AlgorithmConfig
from naga.hf import NagaForCausalLM
from naga.rl.advantages import centred, weigh
from naga.rl.algorithms import make_algorithm
from naga.rl.batches import cut, pack
from naga.rl.learner import accumulate
from naga.rl.types import Sample
from naga.train.optim import make_trainable

REASON = "needs the extra: pip install 'naga-lm[interop]'"
trl = pytest.importorskip("trl", reason=REASON)
datasets = pytest.importorskip("datasets", reason=REASON)

from hf.tiny import saved_chat  # noqa: E402

# TRL and what it imports warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

GROUPS, SIZE, PROMPT, ANSWER = 2, 4, 7, 11
# Ours, and how TRL is told the same.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grpo": ({"name": "grpo"}, {"loss_type": "grpo", "epsilon": 0.2}),
    "grpo with a reference": (
        {"name": "grpo", "kl": 0.1},
        {"loss_type": "grpo", "epsilon": 0.2, "use_bias_correction_kl": False},
    ),
    "dapo": (
        {"name": "dapo"},
        {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28},
    ),
    "dapo with a reference and entropy": (
        {"name": "dapo", "kl": 0.1, "entropy": 0.02},
        {
            "loss_type": "dapo",
            "epsilon": 0.2,
            "epsilon_high": 0.28,
            "use_bias_correction_kl": False,
            "entropy_coef": 0.02,
        },
    ),
    "gspo": (
        {"name": "gspo", "clip_low": 0.01, "clip_high": 0.02},
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon": 0.01,
            "epsilon_high": 0.02,
        },
    ),
}


def make_trainer(folder: Path, **options: Any) -> Any:
    """Never trained: only its loss is asked."""
    args = trl.GRPOConfig(
        output_dir=str(folder / "run"),
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
        per_device_train_batch_size=GROUPS * SIZE,
        num_generations=SIZE,
        max_completion_length=ANSWER,
        **options,
    )
    trainer = trl.GRPOTrainer(
        model=NagaForCausalLM.from_pretrained(folder / "model"),
        args=args,
        reward_funcs=lambda completions, **_: [0.0 for _ in completions],
        train_dataset=datasets.Dataset.from_list([{"prompt": "a"}] * GROUPS),
        processing_class=AutoTokenizer.from_pretrained(folder / "model"),
    )
    # What its training loop sets.
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def make_inputs(vocabulary: int) -> dict[str, Tensor]:
    """Prompts padded on the left, answers on the right, log-probabilities a little off."""
    source = np.random.default_rng(4)
    rows = GROUPS * SIZE
    given, said = source.integers(2, PROMPT + 1, rows), source.integers(1, ANSWER + 1, rows)
    prompt_mask = np.arange(PROMPT) >= PROMPT - given[:, None]
    mask = np.arange(ANSWER) < said[:, None]
    rewards = source.random((GROUPS, SIZE))
    return {
        "prompt_ids": torch.from_numpy(source.integers(7, vocabulary, (rows, PROMPT))),
        "prompt_mask": torch.from_numpy(prompt_mask.astype(np.int64)),
        "completion_ids": torch.from_numpy(source.integers(7, vocabulary, (rows, ANSWER))),
        "completion_mask": torch.from_numpy(mask.astype(np.int64)),
        "advantages": torch.from_numpy(np.concatenate([centred(r, "std") for r in rewards])),
        "old_noise": torch.from_numpy(source.normal(0, 0.3, mask.shape)).float(),
        "reference_noise": torch.from_numpy(source.normal(0, 0.5, mask.shape)).float(),
        "num_items_in_batch": torch.tensor(mask.sum()),
    }


def rows_of(inputs: dict[str, Tensor]) -> list[Sample]:
    """The same batch as samples without padding."""
    samples = []
    for row in range(GROUPS * SIZE):
        prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].numpy()
        kept = inputs["completion_mask"][row].bool()
        answer = inputs["completion_ids"][row][kept].numpy()
        learned = np.arange(len(prompt) + len(answer)) >= len(prompt)
        streams = learned.astype(np.float32)
        samples.append(
            Sample(
                tokens=np.concatenate([prompt, answer]),
                learned=learned,
                logprobs=streams,
                advantages=streams * inputs["advantages"][row].item(),
                weights=streams,
            )
        )
    return samples


@pytest.mark.parametrize("name", SETTINGS)
def test_losses_and_gradients_are_those_of_trl(name: str, tmp_path: Path) -> None:
    ours, theirs = SETTINGS[name]
    saved_chat(tmp_path / "model")
    trainer = make_trainer(tmp_path, **theirs)
    inputs = make_inputs(4096)
    tokens = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    attended = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    with torch.no_grad():
        now = trainer._get_per_token_logps_and_entropies(trainer.model, tokens, attended, ANSWER)[0]
    inputs["old_per_token_logps"] = now + inputs.pop("old_noise")
    inputs["ref_per_token_logps"] = now + inputs.pop("reference_noise")
    # A reference of its own would be read again from the hub: it is told what one said.
    trainer.beta = ours.get("kl", 0.0)
    expected = trainer._compute_loss(trainer.model, inputs)
    expected.backward()

    config = AlgorithmConfig.model_validate({"importance_cap": None} | ours)
    algorithm = make_algorithm(config)
    model = make_trainable(NagaForCausalLM.from_pretrained(tmp_path / "model").model.network)
    samples = algorithm.weighed(rows_of(inputs))
    order = [id(sample) for sample in samples]
    batches = []
    for part in cut(samples, 40):
        kept = [order.index(id(sample)) for sample in part]
        masks = [inputs["completion_mask"][row].bool() for row in kept]
        said = {
            field: torch.cat(
                [inputs[key][row][mask] for row, mask in zip(kept, masks, strict=True)]
            )
            for field, key in (("old", "old_per_token_logps"), ("reference", "ref_per_token_logps"))
        }
        batch = replace(pack(part, torch.device("cpu")), **said)
        batches.append(batch if algorithm.needs_reference else replace(batch, reference=None))
    assert len(batches) > 1
    found = sum(part.loss for part in accumulate(model, batches, algorithm.loss, tiny.RUNTIME))
    assert found == pytest.approx(expected.item(), abs=1e-5)
    their_gradients = {
        key: weight.grad for key, weight in trainer.model.model.network.named_parameters()
    }
    for key, weight in model.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(weight.grad, their_gradients[key], rtol=1e-3, atol=1e-5)


def test_advantages_are_those_of_trl() -> None:
    """Its formula: deviation of a sample, and 1e-4 beside it."""
    rewards = torch.tensor([0.0, 1.0, 1.0, 0.25])
    expected = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    assert centred(rewards.tolist(), "std") == pytest.approx(expected.numpy(), abs=1e-6)
    assert len(weigh([], "token", None)) == 0
