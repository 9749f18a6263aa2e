"""RlConfig: one run of reinforcement learning, from a fine-tuned checkpoint to a better one.

Recipes (`recipes/rl/*.toml`) are these records in TOML. Imports no torch.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from naga.config.base import Config
from naga.config.train import OptimConfig, ScheduleConfig


class AlgorithmConfig(Config):
    """How rewards become a loss; what an algorithm has no use for it does not read."""

    name: Literal["grpo", "dapo", "gspo", "best_of_n"] = "dapo"
    normalise: Literal["std", "mean"] = "std"
    """Advantages of a group: rewards less their mean, over their standard deviation or not."""
    adjust: Literal["none", "wrong", "both"] = "wrong"
    """wrong: an answer that is not right never has a positive advantage; both: nor a right one a
    negative one."""
    clip_low: float = Field(default=0.2, gt=0)
    """The ratio to the policy that sampled counts from 1 - clip_low on …"""
    clip_high: float = Field(default=0.28, gt=0)
    """… up to 1 + clip_high."""
    kl: float = Field(default=0.0, ge=0)
    """Weight of the K3 estimate of the divergence from the reference policy; 0 keeps none."""
    kl_max: float = Field(default=10.0, gt=0)
    """What the estimate of one token is clipped to."""
    entropy: float = 0.0
    """Weight of the entropy, added to what is maximised."""
    importance_cap: float | None = Field(default=2.0, gt=0)
    """A token's loss is times p_trainer / p_sampler, at most this; None: no correction."""
    mode_weight: float | None = Field(default=None, gt=0)
    """Weight of the first token of an answer, which decides whether to think, as a share of a
    sequence's; None: a token like the others."""


class ShapingConfig(Config):
    """What is added to the score of an answer."""

    overlong_tokens: int = Field(default=0, ge=0)
    """Over the last so many tokens before max_tokens a penalty grows from 0 to overlong_penalty."""
    overlong_penalty: float = Field(default=1.0, ge=0)
    mask_truncated: bool = False
    """Answers cut off by max_tokens are compared with the others but not learned from."""
    compression: float = Field(default=0.0, ge=0)
    """Among the right answers of a group the shortest gets this much more than the longest."""
    by_difficulty: bool = False
    """compression times 2 · pass rate - 1: short answers to easy problems, long ones to hard."""
    to_mode: bool = False
    """compression moves the advantage of an answer's first token alone."""


class CurriculumConfig(Config):
    """Which prompts are asked when, and for how long the answers may be."""

    steps: int = Field(default=0, ge=0)
    """Over so many steps the easiest part of a phase's prompts grows to all of them."""
    first_share: float = Field(default=0.34, gt=0, le=1)
    """The part that it begins with."""
    first_tokens: int | None = Field(default=None, gt=0)
    """max_tokens at the first step of the run, growing to its value over `steps`; None: at once."""
    lowest_rate: float = Field(default=0.0, ge=0, le=1)
    """Prompts are left out once their running pass rate is at or below this …"""
    highest_rate: float = Field(default=1.0, ge=0, le=1)
    """… or at or above this,"""
    after: int = Field(default=2, gt=0)
    """having been asked so often …"""
    rest_steps: int = Field(default=20, gt=0)
    """… for so many steps: then they are asked once more."""
    smoothing: float = Field(default=0.5, gt=0, le=1)
    """Weight of the newest group in the running pass rate."""


class PromptsConfig(Config):
    tasks: tuple[str, ...] = Field(min_length=1)
    """Families of naga.tasks, of their training split."""
    weights: tuple[float, ...] | None = None
    """Of the families; None: the same for each."""
    levels: tuple[Literal["easy", "medium", "hard"], ...] = Field(default=("easy",), min_length=1)
    chinese: float = Field(default=0.3, ge=0, le=1)
    straight: float = Field(default=0.0, ge=0, le=1)
    """Share asked without thinking, in families that allow it."""
    count: int = Field(default=1000, gt=0)
    """How many different prompts there are."""


class PhaseConfig(Config):
    prompts: PromptsConfig
    steps: int | None = Field(default=None, gt=0)
    """None in the last phase alone, which lasts to the end."""
    replay: float = Field(default=0.0, ge=0, lt=1)
    """Share of the prompts that is taken from the phases before."""
    kl: float | None = Field(default=None, ge=0)
    """algorithm.kl of this phase; None: as it stands there."""


class RolloutConfig(Config):
    prompts_per_step: int = Field(gt=0)
    """Groups that a step learns from."""
    group_size: int = Field(default=8, ge=2)
    """Answers to each prompt."""
    max_tokens: int = Field(default=256, gt=0)
    """Of an answer, its end token included."""
    thinking: Literal["always", "never", "as_gold"] = "as_gold"
    """as_gold: where the worked answer thinks."""
    dynamic_rounds: int = Field(default=1, gt=0)
    """Ask new prompts, so many times at most, until there are prompts_per_step groups whose
    answers differ in reward."""
    right_at: float = Field(default=1.0, gt=0, le=1)
    """From this score on an answer is right."""
    backend: Literal["native", "reference"] | None = None
    """Of the engine that samples; None: native on the CPU."""
    max_running: int = Field(default=32, gt=0)
    """Answers that are sampled at once."""
    kv_tokens: int = Field(default=65_536, gt=0)
    replay_routes: bool = False
    """Mixtures of experts learn with the experts that sampling chose."""
    max_turns: int = Field(default=4, gt=0)
    """Of one episode in an environment with tools."""


class RewardConfig(Config):
    """Who judges answers."""

    system: Literal["tasks", "scorer"] = "tasks"
    """tasks: the grader of each prompt's own task; scorer: naga.rewards, with the sandbox for
    programs and a judge, if there is one."""
    judge_url: str | None = None
    """An OpenAI-compatible endpoint, up to and with /v1; its key is NAGA_JUDGE_KEY."""
    judge_model: str | None = None
    tests: Literal["all", "fraction"] = "all"
    """What a program earns: 1 if all tests pass, or the fraction that does."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.judge_url is None) != (self.judge_model is None):
            raise ValueError("judge_url and judge_model: give both, or none")
        if self.system == "tasks" and (self.judge_url or self.tests != "all"):
            raise ValueError('judge_url, judge_model and tests need system = "scorer"')
        return self


class RlConfig(Config):
    run_dir: Path
    """Where checkpoints, metrics.jsonl, samples.jsonl and report.png go; a run is resumed there."""
    init_from: Path
    """Checkpoint folder to start from; also the first reference policy."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Compute dtype of sampling and learning; master weights and states are always float32."""
    device: str = "cpu"
    tokens_per_batch: int = Field(default=4096, gt=0)
    """Tokens of one micro-batch; a longer answer is one by itself."""
    updates_per_step: int = Field(default=1, gt=0)
    """Optimizer updates from the answers of one step, each from its share of the groups."""
    reset_every: int | None = Field(default=None, gt=0)
    """Steps after which the policy becomes the reference and the optimizer starts anew."""
    checkpoint_every: int = Field(default=20, gt=0)
    keep_checkpoints: int = Field(default=2, gt=0)
    log_every: int = Field(default=1, gt=0)
    samples_every: int = Field(default=10, gt=0)
    """Of the first step, and of every so many, the first group is kept in samples.jsonl."""
    phases: tuple[PhaseConfig, ...] = Field(min_length=1)
    rollout: RolloutConfig
    algorithm: AlgorithmConfig = AlgorithmConfig()
    reward: RewardConfig = RewardConfig()
    shaping: ShapingConfig = ShapingConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    optim: OptimConfig
    schedule: ScheduleConfig

    @model_validator(mode="after")
    def _check(self) -> Self:
        *earlier, last = self.phases
        if any(phase.steps is None for phase in earlier) or last.steps is not None:
            raise ValueError("phases: every phase but the last one, and only those, needs steps")
        if self.phases[0].replay:
            raise ValueError("phases: the first one has nothing before it to replay")
        if self.updates_per_step > self.rollout.prompts_per_step:
            raise ValueError(
                f"updates_per_step ({self.updates_per_step}) exceed the groups of a step "
                f"(rollout.prompts_per_step = {self.rollout.prompts_per_step})"
            )
        shaping, most = self.shaping, self.rollout.max_tokens
        if shaping.overlong_tokens > most:
            raise ValueError(
                f"shaping.overlong_tokens ({shaping.overlong_tokens}) exceed rollout.max_tokens "
                f"({most})"
            )
        if (shaping.by_difficulty or shaping.to_mode) and not shaping.compression:
            raise ValueError("shaping: by_difficulty and to_mode change compression, which is 0")
        if self.curriculum.lowest_rate >= self.curriculum.highest_rate:
            raise ValueError("curriculum: lowest_rate must be below highest_rate")
        return self
