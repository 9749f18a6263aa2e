"""The adapter in TRL's own GRPOTrainer: real rows, real columns, missing scores left out."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.rewards import Scorer
from naga.rewards.trl import trl_reward


def test_texts_and_conversations_are_judged_alike(here: Scorer) -> None:
    reward = trl_reward(here)
    columns: dict[str, Any] = {"answer": ["42", "42", ""], "trainer_state": None}
    asked = [{"role": "user", "content": "6 * 7?"}]
    spoken = [[{"role": "assistant", "content": "<think>x</think>42"}]]
    assert reward(
        prompts=["6 * 7?"] * 3,
        completions=["42", "<think>42", "42"],
        completion_ids=[[1], [2], [3]],
        **columns,
    ) == [1.0, 0.0, None]
    assert reward(prompts=[asked], completions=spoken, answer=["42"]) == [1.0]


def test_a_data_set_without_answers_is_refused(here: Scorer) -> None:
    with pytest.raises(ConfigError, match="'answer'"):
        trl_reward(here)(prompts=["x"], completions=["y"])


@pytest.fixture
def collected() -> Iterator[None]:
    """Trainers hold their models in cycles."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("collected")
def test_grpo_trainer_takes_it_as_it_is(here: Scorer, tmp_path: Path) -> None:
    reason = "needs the extra: pip install 'naga-lm[interop]'"
    trl = pytest.importorskip("trl", reason=reason)
    datasets = pytest.importorskip("datasets", reason=reason)
    from hf.tiny import saved_chat
    from transformers import AutoTokenizer

    from naga.hf import NagaForCausalLM

    saved_chat(tmp_path / "model")
    reward, seen = trl_reward(here), []

    def watched(**given: Any) -> list[float | None]:
        found = reward(**given)
        seen.append((given, found))
        return found

    watched.__name__ = reward.__name__
    rows = [
        {
            "prompt": [{"role": "user", "content": f"What is {number} + 1?"}],
            "task": "",
            "answer": f"{number + 1}" if number else "",
        }
        for number in range(2)
    ]
    args = trl.GRPOConfig(
        output_dir=str(tmp_path / "run"),
        max_steps=2,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=4,
        use_cpu=True,
        bf16=False,
        report_to="none",
        logging_steps=1,
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = trl.GRPOTrainer(
        model=NagaForCausalLM.from_pretrained(tmp_path / "model"),
        args=args,
        reward_funcs=watched,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tmp_path / "model"),
    )
    trainer.train()
    assert len(seen) == 2
    for given, found in seen:
        assert {"prompts", "completions", "completion_ids", "answer", "trainer_state"} <= set(given)
        assert len(found) == 8
        expected = [None if not answer else 0.0 for answer in given["answer"]]
        shown = zip(found, given["completions"], expected, strict=True)
        # An empty completion is malformed, and wrong whatever its row lacks.
        assert all(score == wanted or score == 0.0 for score, _, wanted in shown)
    logged = [row for row in trainer.state.log_history if "rewards/naga/mean" in row]
    assert len(logged) == 2
