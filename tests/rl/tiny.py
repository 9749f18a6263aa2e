"""A chat model of every layer kind small enough for milliseconds, and runs that begin with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from naga.checkpoint.save import save_model
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.config.rl import AlgorithmConfig, RlConfig, RolloutConfig, ShapingConfig
from naga.data.chat import message_ends, render_prompt
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.rl.types import Attempt, Group, Judged, Prompt, Rollout, Sample
from naga.runtime import make_runtime
from naga.tasks import Mix, Verdict, make_examples, make_tasks
from naga.train.optim import make_trainable

CPU = make_runtime("cpu", "float32")
MODEL: dict[str, Any] = {
    "pattern": "M*E S-E",
    "vocab_size": 280,
    "hidden_dim": 24,
    "max_positions": 512,
    "tie_embeddings": False,
    "mamba": {"num_heads": 4, "head_dim": 8, "state_dim": 8, "chunk_size": 16},
    "mamba1": {"inner_dim": 48, "state_dim": 8, "dt_rank": 4, "norms": True},
    "attention": {"num_heads": 2, "num_kv_heads": 1, "head_dim": 12, "qk_norm": True},
    "mlp": {"inner_dim": 32},
    "moe": {"num_experts": 4, "top_k": 2, "expert_dim": 16, "router": "sigmoid"},
}
RUN: dict[str, Any] = {
    "seed": 3,
    "dtype": "float32",
    "tokens_per_batch": 256,
    "phases": [{"prompts": {"tasks": ["addition"], "count": 40}}],
    "rollout": {
        "prompts_per_step": 3,
        "group_size": 4,
        "max_tokens": 6,
        "thinking": "never",
        "backend": "native",
    },
    "optim": {"lr": 0.01, "weight_decay": 0.0},
    "schedule": {"steps": 6},
}


def tokenizer() -> Tokenizer:
    return train_tokenizer(["What is 12 + 30? It is 42."] * 4, 280)


def make_model(seed: int = 1, **changes: Any) -> HybridLM:
    """float32, with gradients."""
    config = parse_config(ModelConfig, MODEL | {"init_std": 0.15} | changes, "test")
    model = HybridLM(config)
    initialize(model, seed)
    return make_trainable(model)


def save_chat(folder: Path, **changes: Any) -> Path:
    model = make_model(**changes)
    save_model(folder, model.config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer())
    return folder


def rl_config(run_dir: Path, init_from: Path, **changes: Any) -> RlConfig:
    """Keyword arguments replace keys at the top."""
    values = RUN | {"run_dir": str(run_dir), "init_from": str(init_from)} | changes
    return parse_config(RlConfig, values, "test")


def algorithm(**changes: Any) -> AlgorithmConfig:
    return AlgorithmConfig.model_validate(changes)


def shaping(**changes: Any) -> ShapingConfig:
    return ShapingConfig.model_validate(changes)


def rollout_config(**changes: Any) -> RolloutConfig:
    return RolloutConfig.model_validate(RUN["rollout"] | changes)


def even_tokens(attempts: Sequence[Attempt]) -> list[Verdict]:
    """The share of even tokens in an answer: something that can be learned from nothing."""
    shares = [
        sum(token % 2 == 0 for token in each.rollout.tokens) / len(each.rollout.tokens)
        for each in attempts
    ]
    return [Verdict(score=share, parts={"even": share}) for share in shares]


def prompt(number: int = 0, *, thinking: bool = False) -> Prompt:
    tasks = make_tasks(["addition"])
    (example,) = make_examples(tasks, mix=Mix(), split="train", seed=1, count=1, start=number)
    tokens = tuple(render_prompt(tokenizer(), example.prompt, enable_thinking=thinking))
    return Prompt(
        key=example.problem,
        example=example,
        tokens=tokens,
        boundaries=message_ends(tokenizer(), tokens),
        thinking=thinking,
    )


def answer(
    reward: float, length: int = 3, *, score: float | None = None, reason: str = "stop"
) -> Judged:
    rollout = Rollout(
        prompt=(5, 6),
        tokens=tuple(range(10, 10 + length)),
        chosen=(True,) * length,
        logprobs=(-1.0,) * length,
        text="",
        reasoning="",
        finish_reason="length" if reason == "length" else "stop",
        weights_version=0,
    )
    return Judged(
        rollout=rollout, score=reward if score is None else score, parts={}, reward=reward
    )


def group(*answers: Judged, right_at: float = 1.0) -> Group:
    return Group(prompt=prompt(), answers=answers, right_at=right_at)


def random_samples(model: HybridLM, lengths: Sequence[int], seed: int = 0) -> list[Sample]:
    """Random tokens, of which all after the third are learned, with random streams."""
    source = np.random.default_rng(seed)
    samples = []
    for length in lengths:
        learned = np.arange(length) >= 3
        samples.append(
            Sample(
                tokens=source.integers(0, model.config.vocab_size, length),
                learned=learned,
                logprobs=np.float32(source.normal(-5, 0.3, length) * learned),
                advantages=np.float32(source.normal() * learned),
                weights=np.float32(learned / (learned.sum() * len(lengths))),
            )
        )
    return samples
