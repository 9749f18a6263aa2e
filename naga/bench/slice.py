"""`naga bench slice`: prefill, decode and training of one checkpoint, beside transformers.

Inference is compared as `naga bench prefill` and `decode` compare it, in worker processes, and has
ended before training starts in this one. On the CPU. Not a test: it says how fast, never whether
that is fast enough.
"""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator
from rich.console import Console

from naga import __version__
from naga.bench.compare import compare_pair
from naga.bench.engines import Job
from naga.bench.limits import Precision
from naga.bench.machine import describe_machine
from naga.bench.ours import TrainSide
from naga.bench.peer import PeerTrainSide, peer_kernels, quiet
from naga.bench.peers import Installed, find_peers
from naga.bench.report import Report, describe_subject, make_room
from naga.bench.rounds import Case, Comparison, Contender, Name, Rounds
from naga.checkpoint.config import read_layout
from naga.config.base import Config, ConfigError
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.config.train import OptimConfig
from naga.disk import write_atomic
from naga.runtime import make_runtime
from naga.train.progress import say

# What transformers opens too.
SHARED_LAYOUTS = ("granitemoehybrid", "nemotron_h")
# Small steps: the tokens are noise, and the weights should stay what they are.
OPTIM = parse_config(OptimConfig, {"lr": 1e-6}, source="bench")


class SliceOptions(Config):
    model: Path
    """Checkpoint folder, in a layout that transformers opens too."""
    rounds: int = Field(15, gt=0)
    prompt_tokens: int = Field(512, gt=0)
    """Of prefill, and before decode."""
    decode_tokens: int = Field(64, gt=0)
    """Timed tokens of each sequence."""
    batch: int = Field(8, gt=0)
    """Sequences of the batched decode, and rows of a training step."""
    train_tokens: int = Field(4096, gt=0)
    """Tokens of a training step, in `batch` rows."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: int = Field(gt=0)
    seed: int = Field(0, ge=0)
    """Of the random tokens."""
    markdown: Path | None = None
    """Write the page here."""

    @property
    def precision(self) -> Precision:
        return "f32" if self.dtype == "float32" else "bf16"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.train_tokens % self.batch or self.train_tokens < 2 * self.batch:
            raise ValueError(
                f"train_tokens ({self.train_tokens}) must make {self.batch} rows (batch) of equal "
                "length, at least 2 tokens each"
            )
        return self


def run_slice(options: SliceOptions, command: str, console: Console) -> Report:
    """Measure, and write options.markdown; `command` is what the report says to repeat it with.

    Progress goes to `console`. ConfigError if transformers is missing, cannot open the layout or
    cannot compute the model, or if the lengths do not fit the model.
    """
    (peer,) = find_peers(["transformers"], [])
    layout, config = read_layout(options.model)
    _refuse(options.model, layout.model_type, config)
    job = inference_job(options, config)
    job.refuse_lengths()
    make_room(options.markdown)
    machine = describe_machine(options.threads)
    if machine.busy:
        say(console, machine.warning)
    rounds = Rounds(
        count=options.rounds,
        vocab_size=config.vocab_size,
        generator=np.random.default_rng(options.seed),
        console=console,
    )
    precision = options.precision
    found = [
        *compare_pair(job, (precision, peer, precision), rounds),
        *_compare_training(options, peer, rounds),
    ]
    report = Report(
        title="Training, prefill and decode beside transformers",
        notes=_notes(options),
        command=command,
        subject=describe_subject(options.model, layout.model_type, config),
        machine=machine,
        comparisons=tuple(found),
    )
    if options.markdown is not None:
        write_atomic(options.markdown, report.to_markdown())
    return report


def inference_job(options: SliceOptions, config: ModelConfig) -> Job:
    """Prefill of one prompt, decode of one sequence and of a batch."""
    prompt = options.prompt_tokens
    decodes = (
        Case(work="decode", batch=batch, context=prompt, new_tokens=options.decode_tokens)
        for batch in sorted({1, options.batch})
    )
    return Job(
        model=options.model,
        config=config,
        cases=(Case(work="prefill", batch=1, context=prompt), *decodes),
        rounds=options.rounds + 1,
        threads=options.threads,
    )


def training_case(options: SliceOptions) -> Case:
    rows = options.batch
    return Case(work="train", batch=rows, context=options.train_tokens // rows)


def _notes(options: SliceOptions) -> tuple[str, ...]:
    kernels = ", ".join(peer_kernels()) or "none of its optional Mamba kernels"
    weights = "float32 weights" + ("" if options.dtype == "float32" else " under autocast")
    return (
        "**prefill**: naga's engine from submit to first token, scheduling and sampling included; "
        f"transformers (beside it installed: {kernels}): one forward pass and an argmax.",
        f"**decode**: {options.decode_tokens} greedy tokens per sequence. naga: its engine, with "
        "log-probabilities and detokenising; transformers: a bare loop over its own cache, without "
        "`generate`.",
        "**train**: one optimizer step (forward, backward, clipping, AdamW) on `batch` rows of "
        "`context` tokens, no padding on either side; transformers in train mode with labels, "
        f"{weights}.",
        "**of limit**: of the reading or the arithmetic that the work cannot do without, at the "
        "speed read beside it.",
    )


def _refuse(model: Path, layout: str, config: ModelConfig) -> None:
    if layout not in SHARED_LAYOUTS:
        raise ConfigError(
            f"{model}: transformers cannot open layout {layout}; give a checkpoint in "
            f"{' or '.join(SHARED_LAYOUTS)}"
        )
    if not config.num_attention:
        raise ConfigError(
            f"{model}: has no attention layer, by which transformers' cache counts positions; "
            "give a hybrid"
        )


def _compare_training(options: SliceOptions, peer: Installed, rounds: Rounds) -> list[Comparison]:
    runtime = make_runtime("cpu", options.dtype)
    with quiet():
        ours, theirs = (
            Contender(
                name=Name(engine=engine, version=version, precision=options.precision), side=side
            )
            for engine, version, side in (
                ("naga", __version__, TrainSide(options.model, runtime, OPTIM)),
                ("transformers", peer.version, PeerTrainSide(options.model, runtime.dtype, OPTIM)),
            )
        )
        return rounds.compare("training", [training_case(options)], ours, theirs)
