"""DistillConfig: questions, a quick model, a slow one -> conversations that teach when to think.

Recipes (`recipes/distill/*.toml`) are these records in TOML. Imports no torch.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from naga.config.base import Config


class QuestionsConfig(Config):
    """Of task families or of a file; not of both."""

    tasks: tuple[str, ...] = ()
    """Families of naga.tasks, of their training split."""
    weights: tuple[float, ...] | None = None
    """Of the families; None: the same for each."""
    levels: tuple[Literal["easy", "medium", "hard"], ...] = Field(default=("easy",), min_length=1)
    chinese: float = Field(default=0.3, ge=0, le=1)
    count: int = Field(default=1000, gt=0)
    """How many different questions of the families."""
    file: Path | None = None
    """jsonl rows {"task", "prompt", "answer", "gold"?, "level"?, "language"?}."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.tasks) == (self.file is not None):
            raise ValueError("give either tasks or a file of questions")
        return self


class AnswererConfig(Config):
    """Who answers: a checkpoint in this process, or a server."""

    model: str = Field(min_length=1)
    """Checkpoint folder or owner/name[@revision]; or the http(s) URL of an OpenAI-compatible
    server, up to and with /v1."""
    served_name: str | None = None
    """What the server calls the model; needed with a URL, and only there."""
    max_tokens: int = Field(default=256, gt=0)
    temperature: float = Field(default=1.0, ge=0)
    instructed: bool = False
    """Ends the question with /think or /no_think, for a model that was taught them."""
    switch: bool = True
    """URL only: send chat_template_kwargs.enable_thinking; False for servers that refuse it."""
    max_running: int = Field(default=32, gt=0)
    """Answers under way at once."""
    kv_tokens: int = Field(default=65_536, gt=0)
    """Checkpoint only: what its keys and values have room for."""
    snapshot_bytes: int = Field(default=0, ge=0)
    """Checkpoint only: memory to know prompts again by; short ones are read again as quickly."""
    timeout_s: float = Field(default=120.0, gt=0)
    """URL only: of one answer."""
    retries: int = Field(default=2, ge=0, le=10)
    """URL only: after a time out, or trouble of the server."""

    @property
    def remote(self) -> bool:
        return self.model.startswith(("http://", "https://"))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.remote != (self.served_name is not None):
            raise ValueError("served_name is for a URL, which needs it")
        return self


class ShortConfig(Config):
    answerer: AnswererConfig
    samples: int = Field(default=4, gt=0)
    """Answers without a thought to each question."""
    enough: float = Field(default=0.5, gt=0, le=1)
    """From this share of right answers on a question is one to answer at once, below it one to
    think about."""
    keep: int = Field(default=1, gt=0)
    """Right answers of one question that become short samples, different ones."""


class SlowConfig(Config):
    teacher: Literal["model", "gold_trace"]
    """gold_trace: no model at all, but the worked trace that comes with the question."""
    answerer: AnswererConfig | None = None
    """Of the model."""
    rounds: int = Field(default=2, gt=0)
    """How often the model may try again, told each time that it was wrong."""
    told: bool = True
    """The model is told what was wrong; False, for one that knows no second turn: it is only asked
    again."""
    easy_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the questions to answer at once that are thought about as well: they teach what the
    instruction to think means, and never the automatic mode."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.teacher == "model") != (self.answerer is not None):
            raise ValueError('teacher "model" needs an answerer, and "gold_trace" has none')
        return self


class SharesConfig(Config):
    """Of the rows that are written; they add up to 1."""

    short: float = Field(ge=0, le=1)
    """Without an instruction: the model decides."""
    short_instructed: float = Field(ge=0, le=1)
    """With /no_think."""
    long: float = Field(ge=0, le=1)
    long_instructed: float = Field(ge=0, le=1)
    """With /think."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.short + self.short_instructed + self.long + self.long_instructed
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares add up to {total:g}, not to 1")
        return self


class MixConfig(Config):
    shares: SharesConfig | None = None
    """None: every sample once without an instruction and once with it, as many of each as were
    found."""
    count: int | None = Field(default=None, gt=0)
    """Rows, the extra ones left out; None: as many as samples, twice."""
    failed: int = Field(default=1, ge=0)
    """Failed attempts, the first ones, that a thought begins with before it gets it right."""
    system_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the instructions that stand in the system message, not at the question's end."""
    extra: tuple[Path, ...] = ()
    """Files of other conversations (tools, instructions), each used once and as it is."""
    extra_share: float = Field(default=0.0, ge=0, lt=1)
    """Their share of all rows; fewer are there if the files have fewer."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.extra) != (self.extra_share > 0):
            raise ValueError("extra and extra_share go together")
        return self


class DistillConfig(Config):
    run_dir: Path
    """Where every stage's rows, conversations.jsonl and report.json go; a run is resumed there."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: str = "cpu"
    right_at: float = Field(default=1.0, gt=0, le=1)
    """From this score on an answer is right."""
    questions: QuestionsConfig
    short: ShortConfig
    slow: SlowConfig
    rewriter: AnswererConfig | None = None
    """Rewrites the slow model's final answers in the short style; None: they stay as they are."""
    mix: MixConfig = Field(default_factory=MixConfig)
