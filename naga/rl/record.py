"""What a run of reinforcement learning leaves behind: a row for each step, and answers to look at.

    config.toml, versions.json   as naga/record.py has them
    metrics.jsonl                one RlMetrics row per step
    samples.jsonl                prompts with their answers, scores and parts, every few steps
    report.png                   the run so far (report.py)

Assumes the lock of `hold_run`. Decides nothing. Imports no torch.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from naga.disk import sync, write_atomic
from naga.record import METRICS_FILE, read_lines
from naga.rl.types import Group

SAMPLES_FILE = "samples.jsonl"


@dataclass(frozen=True, kw_only=True)
class RlMetrics:
    """One row. Rates and means are over the judged answers of the step, None where there is none;
    what the learner reports is None for a step without an update."""

    step: int
    phase: int
    reward: float | None
    """Shaping included."""
    score: float | None
    pass_rate: float | None
    length: float | None
    """Tokens of an answer."""
    longest: int | None
    truncated: float | None
    """Share of answers that max_tokens cut off."""
    think_rate: float | None
    """Share of answers with a thought."""
    max_tokens: int
    rollouts: int
    """Answers, the undecided and the dropped ones included."""
    missing: int
    """Answers that nobody could judge."""
    groups: int
    """That were learned from."""
    dropped: int
    """Groups with fewer than two judged answers."""
    degenerate: int
    """Groups whose answers were all alike in reward."""
    resting: int
    """Prompts of all phases that are left out now, being always right or always wrong."""
    rounds: int
    loss: float | None
    balance: float | None
    entropy: float | None
    kl: float | None
    """From the reference; None without one."""
    clipped: float | None
    mismatch: float | None
    """Mean of exp |Δ log p| between sampler and trainer."""
    mismatch_max: float | None
    importance: float | None
    """Mean correction."""
    lr: float
    grad_norm: float | None
    expert_load: float | None
    tokens: int
    """Learned since the run began."""
    weights_version: int
    """Of the engine of this process, which began at 0."""
    rollout_s: float
    reward_s: float
    train_s: float
    seconds: float
    """Since the run began, pauses between resumes left out."""


@dataclass(frozen=True, kw_only=True)
class RlRun:
    path: Path

    def append(self, row: RlMetrics) -> None:
        with (self.path / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")

    def read(self) -> list[RlMetrics]:
        return [RlMetrics(**row) for row in self._rows(METRICS_FILE)]

    def keep_group(self, step: int, group: Group) -> None:
        """Put a prompt and all its answers into samples.jsonl."""
        with (self.path / SAMPLES_FILE).open("a", encoding="utf-8") as file:
            for answer in group.answers:
                row = {
                    "step": step,
                    "task": group.prompt.example.family,
                    "prompt": "\n\n".join(m.content for m in group.prompt.example.prompt),
                    "gold": group.prompt.example.answer,
                    "reasoning": answer.rollout.reasoning,
                    "response": answer.rollout.text,
                    "score": answer.score,
                    "reward": answer.reward,
                    "parts": dict(answer.parts),
                    "tokens": answer.rollout.num_chosen,
                    "finish_reason": answer.rollout.finish_reason,
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def samples(self) -> list[dict[str, Any]]:
        return self._rows(SAMPLES_FILE)

    def truncate(self, step: int) -> None:
        """Drop rows after `step`: a resumed run writes them again."""
        for name in (METRICS_FILE, SAMPLES_FILE):
            kept = [row for row in self._rows(name) if row["step"] <= step]
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
            write_atomic(self.path / name, text)

    def sync(self) -> None:
        """Before a checkpoint that claims their steps."""
        for name in (METRICS_FILE, SAMPLES_FILE):
            (self.path / name).touch()
            sync(self.path / name)

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in read_lines(self.path / name)]


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
