"""PretrainConfig and SftConfig: one training run from data to checkpoint.

Recipes (`recipes/*.toml`) are these records in TOML. Imports no torch.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from naga.config.base import Config
from naga.config.model import ModelConfig

Beta = Annotated[float, Field(ge=0, lt=1)]


class BatchConfig(Config):
    tokens_per_batch: int = Field(gt=0)
    """Tokens of one micro-batch, packed without padding."""
    sequence_len: int = Field(gt=1)
    """Longest sequence: longer text is split (pretraining) or left out and counted (SFT)."""


class DataConfig(BatchConfig):
    paths: tuple[Path, ...] = Field(min_length=1)
    """Files (.txt, .md, .jsonl, .jsonl.gz) or folders of them."""
    max_documents: int | None = Field(None, gt=0)
    """Use only the first so many documents; None means all."""


class OptimConfig(Config):
    lr: float = Field(gt=0)
    """Peak learning rate."""
    betas: tuple[Beta, Beta] = (0.9, 0.95)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    """On matrices only: never on A_log, D, dt_bias, norms, biases or the convolution."""
    clip_norm: float = Field(1.0, gt=0)
    """Global gradient norm above which gradients are scaled down."""


class ScheduleConfig(Config):
    steps: int = Field(gt=0)
    """Optimizer steps of the run."""
    warmup_steps: int = Field(0, ge=0)
    decay_steps: int = Field(0, ge=0)
    """Length of the final decay: warm-up, stable, decay (WSD, arXiv 2404.06395)."""
    final_lr_ratio: float = Field(0.1, ge=0, le=1)
    """Learning rate at the end of the decay, as a share of the peak."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError(
                f"warmup_steps ({self.warmup_steps}) + decay_steps ({self.decay_steps}) "
                f"exceed steps ({self.steps})"
            )
        return self


class RunConfig(Config):
    """What all kinds of training share."""

    run_dir: Path
    """Where checkpoints, metrics.jsonl and loss.png go; a run found there is resumed."""
    seed: int = Field(0, ge=0, lt=2**63)
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Compute dtype; master weights, optimizer and states are always float32."""
    device: str = "cpu"
    accumulate: int = Field(1, gt=0)
    """Micro-batches per optimizer step."""
    workers: int = Field(1, gt=0)
    """Micro-batches of a step computed side by side, each on its share of the CPU's threads."""
    checkpoint_every: int = Field(200, gt=0)
    """Optimizer steps between checkpoints; the last step always makes one."""
    keep_checkpoints: int = Field(2, gt=0)
    log_every: int = Field(10, gt=0)
    data: BatchConfig
    optim: OptimConfig
    schedule: ScheduleConfig

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.workers > self.accumulate:
            raise ValueError(
                f"workers ({self.workers}) exceed the micro-batches of a step "
                f"(accumulate = {self.accumulate})"
            )
        if self.workers > 1 and self.device != "cpu":
            raise ValueError(f"workers ({self.workers}) are for device cpu, not {self.device}")
        return self


class PretrainConfig(RunConfig):
    """Next-token prediction on plain text, from fresh weights."""

    tokenizer: Path
    """Folder or tokenizer.json of a trained tokenizer (`naga tokenizer train`)."""
    data: DataConfig
    model: ModelConfig


class LoraConfig(Config):
    """Adapters beside matrices of the layers; everything else of the model stays as it is."""

    rank: int = Field(8, gt=0)
    """Columns and rows of the two narrow matrices."""
    alpha: float = Field(16.0, gt=0)
    """What they add is times alpha / rank."""
    targets: tuple[str, ...] | None = Field(None, min_length=1)
    """Last names of matrices, as in_proj, q_proj or up; None means all of the layers'."""


class SftConfig(RunConfig):
    """Answers to chat messages, from an existing checkpoint; loss on assistant tokens only."""

    init_from: Path
    """Checkpoint folder, or owner/name[@revision] on the hub, to start from (weights, tokenizer and
    chat template)."""
    data: DataConfig
    lora: LoraConfig | None = None
    """Train adapters alone, and merge them into the exported model; None trains all weights."""
