"""`naga pretrain`, `naga sft`, `naga rl`: a recipe checked before torch is imported, a run."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from naga.cli.options import Overrides
from naga.config.distill import DistillConfig
from naga.config.load import load_config, parse_config
from naga.config.rl import RlConfig
from naga.config.train import LoraConfig, PretrainConfig, SftConfig

if TYPE_CHECKING:
    from naga.runtime import Runtime

RunConfigT = TypeVar("RunConfigT", PretrainConfig, SftConfig, RlConfig)

Recipe = Annotated[Path, typer.Argument(help="Recipe in TOML. 配方文件")]


def pretrain(recipe: Recipe, overrides: Overrides = None) -> None:
    """Train a model on plain text from fresh weights. 预训练."""
    config = load_config(PretrainConfig, recipe, overrides or ())
    from naga.train.pretrain import pretrain as run

    _train(run, config)


def sft(
    recipe: Recipe,
    overrides: Overrides = None,
    lora: Annotated[
        bool, typer.Option("--lora", help="Adapters alone, unless [lora] says which. 只训练适配器")
    ] = False,
) -> None:
    """Fine-tune a checkpoint on conversations. 指令微调."""
    config = load_config(SftConfig, recipe, overrides or ())
    if lora and config.lora is None:
        config = config.model_copy(update={"lora": parse_config(LoraConfig, {}, source="--lora")})
    from naga.train.sft import sft as run

    _train(run, config)


def rl(recipe: Recipe, overrides: Overrides = None) -> None:
    """Raise a checkpoint's rewards on tasks by reinforcement learning. 强化学习."""
    config = load_config(RlConfig, recipe, overrides or ())
    from naga.rl.run import run_rl
    from naga.rl.scored import open_reward

    def run(config: RlConfig, runtime: "Runtime") -> Path:
        with open_reward(config.reward) as reward:
            return run_rl(config, runtime, reward=reward)

    _train(run, config)


def distill(recipe: Recipe, overrides: Overrides = None) -> None:
    """Write conversations with short and long thoughts, as problems need them. 蒸馏长短思维链."""
    config = load_config(DistillConfig, recipe, overrides or ())
    from naga.distill import distill as run
    from naga.tasks import Judging, make_tasks

    with Judging() as judging:
        print(run(config, make=partial(make_tasks, judging=judging)))


def _train(run: "Callable[[RunConfigT, Runtime], Path]", config: RunConfigT) -> None:
    """One run; exits with a signal's code where one ended it, resumable."""
    from naga.runtime import make_runtime
    from naga.train.loop import TrainingInterruptedError

    try:
        run(config, make_runtime(config.device, config.dtype))
    except TrainingInterruptedError as stopped:
        print(f"naga: {stopped}", file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None
