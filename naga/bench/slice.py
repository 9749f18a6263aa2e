"""`naga bench slice`: prefill, decode and training of one checkpoint, beside transformers.

Both sides live in this process, on the CPU, with the same threads. Inference is compared first and
its models are let go before training starts, so that the two stages' memory does not add up. Not a
test: it says how fast, never whether that is fast enough.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator
from rich.console import Console

from naga.bench.machine import describe_machine
from naga.bench.ours import TrainSide, most_tokens, open_engine_side
from naga.bench.peer import PeerSide, PeerTrainSide, peer_kernels, peer_version, quiet
from naga.bench.report import Report, Subject
from naga.bench.rounds import Case, Comparison, Rounds
from naga.checkpoint.config import read_dtype, read_layout
from naga.config.base import Config, ConfigError
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.config.train import OptimConfig
from naga.disk import write_atomic
from naga.model.account import account
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
    seed: int = Field(0, ge=0)
    """Of the random tokens."""
    markdown: Path | None = None
    """Write the page here."""

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
    version = peer_version()
    layout, config = read_layout(options.model)
    inference, training = inference_cases(options), training_case(options)
    engine = engine_config(options, inference)
    _refuse(options.model, layout.model_type, config)
    _refuse_lengths(options.model, config, inference, engine)
    _make_room(options.markdown)
    machine, total = describe_machine(), account(config)
    if machine.busy:
        say(
            console,
            f"the machine is busy (load {machine.load_at_start} on {machine.cores} cores): "
            "what is measured now means little",
        )
    rounds = Rounds(
        count=options.rounds,
        vocab_size=config.vocab_size,
        generator=np.random.default_rng(options.seed),
        console=console,
    )
    with quiet():
        found = [
            *_compare_inference(options.model, engine, inference, rounds),
            *_compare_training(options, training, rounds),
        ]
    report = Report(
        command=command,
        subject=Subject(
            model=str(options.model),
            layout=layout.model_type,
            parameters=total.parameters,
            active_parameters=total.active_parameters,
            dtype=options.dtype,
            decode_tokens=options.decode_tokens,
            prefill_chunk=engine.prefill_chunk,
        ),
        machine=machine,
        peer_version=version,
        peer_kernels=peer_kernels(),
        comparisons=tuple(found),
    )
    if options.markdown is not None:
        write_atomic(options.markdown, report.to_markdown())
    return report


def inference_cases(options: SliceOptions) -> tuple[Case, ...]:
    """Prefill of one prompt, decode of one sequence and of a batch."""
    prompt = options.prompt_tokens
    decodes = (
        Case(work="decode", batch=batch, context=prompt, new_tokens=options.decode_tokens)
        for batch in sorted({1, options.batch})
    )
    return (Case(work="prefill", batch=1, context=prompt), *decodes)


def training_case(options: SliceOptions) -> Case:
    rows = options.batch
    return Case(work="train", batch=rows, context=options.train_tokens // rows)


def engine_config(options: SliceOptions, cases: Sequence[Case]) -> EngineConfig:
    """The engine's defaults, with memory for the largest case."""
    usual = parse_config(EngineConfig, {"dtype": options.dtype}, source="bench")
    page, chunk = usual.page_size, usual.prefill_chunk
    pages = max(case.batch * -(-_length(case, chunk) // page) for case in cases)
    memory = {"max_running": max(usual.max_running, options.batch), "kv_tokens": pages * page}
    return parse_config(EngineConfig, {"dtype": options.dtype, **memory}, source="bench")


def _length(case: Case, chunk: int) -> int:
    """Positions a sequence of the case may come to need in our engine."""
    return case.context + most_tokens(case, chunk)


def _refuse(model: Path, layout: str, config: ModelConfig) -> None:
    if layout not in SHARED_LAYOUTS:
        raise ConfigError(
            f"{model}: transformers cannot open layout {layout}; give a checkpoint in "
            f"{' or '.join(SHARED_LAYOUTS)}"
        )
    if not config.count("*"):
        raise ConfigError(
            f"{model}: has no attention layer, by which transformers' cache counts positions; "
            "give a hybrid"
        )


def _refuse_lengths(
    model: Path, config: ModelConfig, cases: Sequence[Case], engine: EngineConfig
) -> None:
    longest = max(_length(case, engine.prefill_chunk) for case in cases)
    if longest > config.max_positions:
        raise ConfigError(
            f"{model}: prompt and decoded tokens need {longest} positions, its context is "
            f"{config.max_positions}; lower --prompt-tokens, --decode-tokens or --batch"
        )


def _make_room(file: Path | None) -> None:
    """Find out before the run whether its page can be written."""
    if file is None:
        return
    if file.is_dir():
        raise ConfigError(f"{file}: is a folder; give a file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from None


def _compare_inference(
    model: Path, engine: EngineConfig, cases: Sequence[Case], rounds: Rounds
) -> list[Comparison]:
    with open_engine_side(model, engine) as ours:
        dtype = engine.dtype or read_dtype(model)
        theirs = PeerSide(model, make_runtime(engine.device, dtype).dtype)
        return rounds.compare("inference", cases, ours, theirs)


def _compare_training(options: SliceOptions, case: Case, rounds: Rounds) -> list[Comparison]:
    runtime = make_runtime("cpu", options.dtype)
    ours = TrainSide(options.model, runtime, OPTIM)
    theirs = PeerTrainSide(options.model, runtime.dtype, OPTIM)
    return rounds.compare("training", [case], ours, theirs)
