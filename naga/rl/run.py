"""One run: open, resume, step after step, checkpoint, stop, export.

A run found in run_dir goes on from its newest checkpoint and repeats, bit for bit, the steps it
would have made without the break (same machine, library versions and thread count: a change is
announced). Runs in the main thread: it takes over SIGINT and SIGTERM while it trains.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
from rich.console import Console

from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.rl import RlConfig
from naga.data.tokenizer import Tokenizer
from naga.record import config_digest, hold_run
from naga.rl.algorithms import Algorithm, make_algorithm
from naga.rl.curriculum import phase_at
from naga.rl.dashboard import Dashboard
from naga.rl.episodes import MakeEnvironment
from naga.rl.prompts import make_pool
from naga.rl.record import RlMetrics, RlRun
from naga.rl.report import draw_report
from naga.rl.reward import task_reward
from naga.rl.rollout import EngineSampler
from naga.rl.rows import metrics_row
from naga.rl.state import RlState, begin_anew, copy_weights, load, save
from naga.rl.step import Collected, Collector, Learner, collect, improve
from naga.rl.types import RewardFunction
from naga.runtime import Runtime
from naga.tasks import Judging, Task, make_tasks
from naga.train.checkpoint import list_checkpoints, remove_incomplete
from naga.train.loop import StopSignals, TrainingInterruptedError, run_versions
from naga.train.optim import make_optimizer, make_trainable
from naga.train.progress import say
from naga.train.schedule import learning_rate
from naga.train.step import NonFiniteError

# Keys that steer the run without touching its numbers: they may change between start and resume.
FREE_KEYS = frozenset({"run_dir", "checkpoint_every", "keep_checkpoints", "log_every"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    collector: Collector
    learner: Learner
    sampler: EngineSampler
    run: RlRun
    console: Console

    @property
    def config(self) -> RlConfig:
        return self.learner.config

    @property
    def checkpoints(self) -> Path:
        return self.run.path / "checkpoints"


def run_rl(
    config: RlConfig,
    runtime: Runtime,
    *,
    reward: RewardFunction | None = None,
    make_environment: MakeEnvironment = lambda prompt: None,
) -> Path:
    """Train, or resume, the run in config.run_dir; returns its final checkpoint folder.

    `reward` judges answers, None being the graders of the prompts' own tasks. Raises ConfigError (a
    mistake, or a loss that is not finite: NonFiniteError) and TrainingInterruptedError (a signal,
    after a resumable checkpoint).
    """
    console = Console(stderr=True)
    with hold_run(config.run_dir, config, FREE_KEYS):
        tokenizer = Tokenizer.load(config.init_from)
        if not tokenizer.is_chat():
            raise ConfigError(
                f"{config.init_from}: its tokenizer lacks chat control tokens; start from a "
                "checkpoint of `naga sft`"
            )
        learner = _make_learner(config, runtime)
        with (
            EngineSampler(learner.model, runtime, tokenizer, config.rollout) as sampler,
            Judging() as judging,
        ):
            collector = Collector(
                config=config,
                pools=[
                    make_pool(
                        phase.prompts,
                        tokenizer,
                        seed=config.seed + number,
                        thinking=config.rollout.thinking,
                        phase=number,
                    )
                    for number, phase in enumerate(config.phases)
                ],
                sampler=sampler,
                tokenizer=tokenizer,
                reward=reward or task_reward(_tasks(config, judging)),
                make_environment=make_environment,
            )
            job = Job(
                collector=collector,
                learner=learner,
                sampler=sampler,
                run=RlRun(path=config.run_dir),
                console=console,
            )
            return _train(job)


def _tasks(config: RlConfig, judging: Judging) -> dict[str, Task]:
    names = {name for phase in config.phases for name in phase.prompts.tasks}
    return {task.name: task for task in make_tasks(sorted(names), judging=judging)}


def _make_learner(config: RlConfig, runtime: Runtime) -> Learner:
    """All weights in float32, and a reference beside them where any phase looks at one."""
    master = Runtime(device=runtime.device, dtype=torch.float32)
    model = make_trainable(load_model(config.init_from, master))
    algorithms = [algorithm_of(config, phase) for phase in range(len(config.phases))]
    compared = any(algorithm.needs_reference for algorithm in algorithms)
    reference = load_model(config.init_from, master) if compared else None
    optimizer = make_optimizer(model, config.optim)
    begin_anew(model, optimizer)
    return Learner(
        config=config,
        model=model,
        reference=reference,
        optimizer=optimizer,
        algorithm=algorithms[0],
        runtime=runtime,
    )


def algorithm_of(config: RlConfig, phase: int) -> Algorithm:
    """Of one phase, which may weigh the divergence otherwise."""
    kl, settings = config.phases[phase].kl, config.algorithm
    if kl is not None:
        settings = settings.model_copy(update={"kl": kl})
    return make_algorithm(settings, mask_truncated=config.shaping.mask_truncated)


def _train(job: Job) -> Path:
    state = _resume(job)
    steps = job.config.schedule.steps
    dashboard = Dashboard(job.console, total=steps, done=state.step, log_every=job.config.log_every)
    with StopSignals(job.console) as stop, dashboard:
        while state.step < steps:
            state, row, found = _advance(job, state)
            job.run.append(row)
            dashboard.step(row, found.groups[0] if found.groups else None)
            if stop.received or state.step == steps or not state.step % job.config.checkpoint_every:
                path = _save(job, state)
            if stop.received and state.step < steps:
                raise TrainingInterruptedError(
                    f"stopped by {stop.received.name} after step {state.step}/{steps}; "
                    f"saved {path}; to go on, run the same command again",
                    stop.received,
                )
    final = _export(job)
    say(job.console, f"done: {steps} steps; model in {final}, curves in {job.run.path}/report.png")
    return final


def _advance(job: Job, state: RlState) -> tuple[RlState, RlMetrics, Collected]:
    """Do one step; the state and the metrics row after it, and what was collected."""
    started = perf_counter()
    config, step = job.config, state.step + 1
    phase = phase_at(config.phases, step)
    learner = replace(job.learner, algorithm=algorithm_of(config, phase))
    found = collect(job.collector, learner.algorithm, state.rates, step)
    if found.groups and (step == 1 or not step % config.samples_every):
        job.run.keep_group(step, found.groups[0])
    lr = learning_rate(step, config.optim.lr, config.schedule)
    learning = perf_counter()
    try:
        learned = improve(learner, found.useful, lr)
    except NonFiniteError as error:
        raise NonFiniteError(_divergence(job, step, error)) from None
    if learned:
        job.sampler.update_weights(learner.model.state_dict().items())
    now = perf_counter()
    state = replace(
        state,
        step=step,
        updates=state.updates + len(learned),
        tokens=state.tokens + sum(each.tokens for each in learned),
        seconds=state.seconds + now - started,
        rates=found.rates,
    )
    state = _reset(job, state)
    row = metrics_row(config, state, found, learned, phase=phase, lr=lr, train_s=now - learning)
    return state, row, found


def _reset(job: Job, state: RlState) -> RlState:
    """Every reset_every steps the policy becomes the reference, and the optimizer begins anew."""
    every, learner = job.config.reset_every, job.learner
    if every is None or state.step % every:
        return state
    if learner.reference is not None:
        copy_weights(learner.model.state_dict(), learner.reference)
    begin_anew(learner.model, learner.optimizer)
    return replace(state, updates=0, resets=state.resets + 1)


def _divergence(job: Job, step: int, error: NonFiniteError) -> str:
    saved = list_checkpoints(job.checkpoints)
    last = f"the last checkpoint is {saved[-1]}" if saved else "there is no checkpoint yet"
    return f"step {step}: {error}; stopped; {last}; try a lower optim.lr"


def _resume(job: Job) -> RlState:
    """The state to go on from: the newest checkpoint's, put in place, or the beginning's."""
    remove_incomplete(job.checkpoints)
    fresh = RlState(
        step=0,
        updates=0,
        resets=0,
        tokens=0,
        seconds=0.0,
        config_digest=config_digest(job.config, FREE_KEYS),
        versions=run_versions(),
    )
    saved = list_checkpoints(job.checkpoints)
    if not saved:
        job.run.truncate(0)
        return fresh
    learner = job.learner
    state = load(saved[-1], learner.model, learner.optimizer, learner.reference)
    if state.config_digest != fresh.config_digest:
        raise ConfigError(f"{saved[-1]}: comes from a run of another config than {job.run.path}")
    for name, now in fresh.versions.items():
        if (before := state.versions.get(name)) != now:
            say(job.console, f"{name} was {before}, now {now}: the run goes on, not bit for bit")
    job.run.truncate(state.step)
    job.sampler.update_weights(learner.model.state_dict().items())
    say(job.console, f"resuming after step {state.step} from {saved[-1]}")
    return replace(state, versions=fresh.versions)


def _save(job: Job, state: RlState) -> Path:
    learner, config = job.learner, job.config
    if not all(weight.isfinite().all() for weight in learner.model.parameters()):
        cause = NonFiniteError("the update made weights that are not finite")
        raise NonFiniteError(_divergence(job, state.step, cause))
    job.run.sync()
    path = save(
        job.checkpoints,
        state,
        learner.model,
        learner.optimizer,
        learner.reference,
        keep=config.keep_checkpoints,
    )
    draw_report(job.run.read(), job.run.path / "report.png")
    return path


def _export(job: Job) -> Path:
    """The policy as a checkpoint for inference, in the dtype that it answered in.

    Its updates are small: in a coarser one a part of them would be lost.
    """
    final, model = job.run.path / "final", job.learner.model
    dtype, tokenizer = job.learner.runtime.dtype, job.collector.tokenizer
    save_model(final, model.config, model.state_dict(), dtype=dtype, tokenizer=tokenizer)
    return final
