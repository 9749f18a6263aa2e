"""The training loop that pretrain and sft share: step, record, checkpoint, resume, stop, export.

A run found in run_dir goes on from its newest checkpoint and repeats, bit for bit, the rows it
would have written without the break (same machine, library versions and thread count: a change
is announced). Nothing random is alive between steps, so no generator state is saved.
Runs in the main thread: it takes over SIGINT and SIGTERM while it trains.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Self

import torch
from rich.console import Console
from torch.optim import AdamW

from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.train import RunConfig
from naga.data.loader import Loader
from naga.data.packing import Sample
from naga.data.tokenizer import Tokenizer
from naga.model.lm import HybridLM
from naga.record import Run, StepMetrics, config_digest, versions
from naga.runtime import Runtime
from naga.train.checkpoint import (
    TrainerState,
    list_checkpoints,
    load_checkpoint,
    remove_incomplete,
    save_checkpoint,
)
from naga.train.lora import merged
from naga.train.optim import make_optimizer
from naga.train.progress import TrainingProgress, clock, say
from naga.train.schedule import learning_rate
from naga.train.step import NonFiniteError, Workers, side_by_side, train_step

# Keys that steer the run without touching its numbers: they may change between start and resume.
FREE_KEYS = frozenset({"run_dir", "checkpoint_every", "keep_checkpoints", "log_every"})


class TrainingInterruptedError(Exception):
    """A signal ended the run after a resumable checkpoint; the message says how to go on."""

    def __init__(self, message: str, received: signal.Signals) -> None:
        super().__init__(message)
        self.exit_code = 128 + received


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a kind of training hands to the loop."""

    config: RunConfig
    runtime: Runtime
    model: HybridLM
    tokenizer: Tokenizer
    samples: Sequence[Sample]
    noun: str
    """What a sample is, in messages: documents, conversations."""
    split: bool
    """Whether long samples are cut (text) or never (conversations)."""


def train(job: Job, run: Run, console: Console) -> Path:
    """Train to the last step and export; returns RUN_DIR/final, a checkpoint for inference."""
    optimizer = make_optimizer(job.model, job.config.optim)
    loader = _make_loader(job, console)
    state = _resume(job, run, loader, optimizer, console)
    steps = job.config.schedule.steps
    with (
        StopSignals(console) as stop,
        side_by_side(job.config.workers) as workers,
        TrainingProgress(
            console, total=steps, done=state.step, log_every=job.config.log_every
        ) as progress,
    ):
        while state.step < steps:
            state, row = _advance(job, run, loader, optimizer, state, workers)
            run.append(row)
            progress.step(row)
            if stop.received or state.step == steps or not state.step % job.config.checkpoint_every:
                path = _save(job, run, optimizer, state)
            if stop.received and state.step < steps:
                raise TrainingInterruptedError(
                    f"stopped by {stop.received.name} after step {state.step}/{steps}; "
                    f"saved {path}; to go on, run the same command again",
                    stop.received,
                )
    final = _export(job, run)
    rows = f"{state.tokens:,} tokens in {clock(state.seconds)}"
    say(console, f"done: {steps} steps, {rows}; model in {final}")
    return final


def _advance(
    job: Job, run: Run, loader: Loader, optimizer: AdamW, state: TrainerState, workers: Workers
) -> tuple[TrainerState, StepMetrics]:
    """Do one step; the state and the metrics row after it."""
    started = perf_counter()
    step = state.step + 1
    lr = learning_rate(step, job.config.optim.lr, job.config.schedule)
    batches = [loader.next() for _ in range(job.config.accumulate)]
    clip_norm = job.config.optim.clip_norm
    try:
        result = train_step(
            job.model,
            optimizer,
            batches,
            lr=lr,
            clip_norm=clip_norm,
            runtime=job.runtime,
            workers=workers,
        )
    except NonFiniteError as error:
        raise NonFiniteError(_divergence(step, error, run)) from None
    seconds = perf_counter() - started
    state = replace(
        state,
        step=step,
        tokens=state.tokens + result.tokens,
        seconds=state.seconds + seconds,
        loader=loader.state(),
    )
    row = StepMetrics(
        step=step,
        loss=result.loss,
        balance=result.balance,
        lr=lr,
        grad_norm=result.grad_norm,
        expert_load=result.expert_load,
        tokens=state.tokens,
        tokens_per_s=result.tokens / seconds,
        seconds=state.seconds,
    )
    return state, row


def _divergence(step: int, error: NonFiniteError, run: Run) -> str:
    saved = list_checkpoints(_checkpoints(run))
    last = f"the last checkpoint is {saved[-1]}" if saved else "there is no checkpoint yet"
    return f"step {step}: {error}; stopped; {last}; try a lower optim.lr or a longer warm-up"


def _resume(job: Job, run: Run, loader: Loader, optimizer: AdamW, console: Console) -> TrainerState:
    """The state to go on from: the newest checkpoint's, put in place, or the beginning's."""
    remove_incomplete(_checkpoints(run))
    fresh = TrainerState(
        step=0,
        tokens=0,
        seconds=0.0,
        loader=loader.state(),
        config_digest=config_digest(job.config, FREE_KEYS),
        versions=run_versions(),
    )
    saved = list_checkpoints(_checkpoints(run))
    state = load_checkpoint(saved[-1], job.model, optimizer) if saved else fresh
    if state.config_digest != fresh.config_digest:
        raise ConfigError(f"{saved[-1]}: comes from a run of another config than {run.path}")
    for name, now in fresh.versions.items():
        if (before := state.versions.get(name)) != now:
            say(console, f"{name} was {before}, now {now}: the run goes on, not bit for bit")
    loader.restore(state.loader)
    run.truncate(state.step)
    if saved:
        say(console, f"resuming after step {state.step} from {saved[-1]}")
    return replace(state, versions=fresh.versions)


def _save(job: Job, run: Run, optimizer: AdamW, state: TrainerState) -> Path:
    # The loss of a step cannot see what its own update did.
    if not all(weight.isfinite().all() for weight in job.model.parameters()):
        cause = NonFiniteError("the update made weights that are not finite")
        raise NonFiniteError(_divergence(state.step, cause, run))
    run.sync()
    keep = job.config.keep_checkpoints
    path = save_checkpoint(_checkpoints(run), state, job.model, optimizer, keep=keep)
    run.plot()
    return path


def _export(job: Job, run: Run) -> Path:
    """The trained model as a checkpoint for inference."""
    final = run.path / "final"
    tensors = merged(job.model)
    save_model(final, job.model.config, tensors, dtype=torch.bfloat16, tokenizer=job.tokenizer)
    return final


def _make_loader(job: Job, console: Console) -> Loader:
    data = job.config.data
    loader = Loader(
        job.samples,
        tokens_per_batch=data.tokens_per_batch,
        sequence_len=data.sequence_len,
        seed=job.config.seed,
        split=job.split,
    )
    count = f"{len(job.samples):,} {job.noun}"
    say(console, f"{count}, {loader.tokens_per_epoch:,} tokens per epoch")
    if loader.dropped:
        limit = min(data.sequence_len, data.tokens_per_batch)
        say(console, f"left out {loader.dropped:,} of {count}, longer than {limit:,} tokens")
    return loader


def _checkpoints(run: Run) -> Path:
    return run.path / "checkpoints"


def run_versions() -> dict[str, str]:
    """What the rounding of a step depends on."""
    instructions = torch.backends.cpu.get_cpu_capability()
    return versions() | {"threads": str(torch.get_num_threads()), "instructions": instructions}


class StopSignals:
    """The first SIGINT or SIGTERM is noted in `received`; a second one acts as ever, at once."""

    def __init__(self, console: Console) -> None:
        self.received: signal.Signals | None = None
        self._console = console

    def __enter__(self) -> Self:
        watched = (signal.SIGINT, signal.SIGTERM)
        self._previous = {number: signal.signal(number, self._note) for number in watched}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()
        say(self._console, "stopping after this step; once more to stop at once")

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
