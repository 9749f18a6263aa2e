"""What goes into the engine and what comes out: frozen records, no torch.

Assumes that prompts are already token ids (data/chat.py renders messages). Checks each record by
itself; whether a request fits the model and the memory is the engine's to say (engine.py).
"""

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite
from typing import Literal

from naga.config.base import ConfigError
from naga.data.messages import Tool, ToolCall
from naga.engine.constraint import Constraint

MAX_TOP_LOGPROBS = 20
MAX_BIAS = 100.0
MAX_BIASES = 1024

FinishReason = Literal["stop", "length", "cancelled", "deadline", "error"]


class QueueFull(ConfigError):
    """As many requests are inside the engine as it may hold; try again later (HTTP 429)."""


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How tokens are chosen. ConfigError names the field that is out of range."""

    temperature: float = 1.0
    """0 chooses the most likely token (the lowest id among equals)."""
    top_p: float = 1.0
    """Keep the fewest most likely tokens whose probabilities reach top_p."""
    top_k: int | None = None
    """Keep the k most likely tokens; None keeps all."""
    seed: int = 0
    """Any 64-bit signed integer; the same request with the same seed gives the same tokens."""
    max_tokens: int = 256
    """Tokens to generate at most, the end token included."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer; matched on visible content only and never part of it."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """(token, amount): added to logits before temperature, top-k and top-p."""
    min_tokens: int = 0
    """No end token before so many tokens; stop texts end an answer all the same."""
    ignore_eos: bool = False
    """End tokens end nothing: the answer goes on to max_tokens or a stop text."""
    top_logprobs: int = 0
    """How many of the most likely tokens come with each token."""
    prompt_logprobs: int | None = None
    """Log-probabilities of the prompt's tokens, each with so many of the most likely ones."""
    thinking_budget: int | None = None
    """After so many tokens of thought a closing sentence and </think> follow by force."""
    constraint: Constraint | None = None
    """What the text must look like: the whole of it, or what follows </think>."""

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_wishes()

    def _check_ranges(self) -> None:
        if not (isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature must be finite and at least 0, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.top_k is not None and not 1 <= self.top_k < 2**31:
            raise ConfigError(f"top_k must be from 1 to {2**31 - 1}, not {self.top_k}")
        if not -(2**63) <= self.seed < 2**63:
            raise ConfigError(f"seed must be a 64-bit signed integer, not {self.seed}")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if "" in self.stop:
            raise ConfigError("stop: an empty string would stop at once; leave it out")

    def _check_wishes(self) -> None:
        if len(self.logit_bias) > MAX_BIASES:
            raise ConfigError(f"logit_bias names more than {MAX_BIASES} tokens")
        for token, amount in self.logit_bias:
            if token < 0 or not abs(amount) <= MAX_BIAS:
                raise ConfigError(
                    f"logit_bias: token {token}, amount {amount}: a token id, and from -100 to 100"
                )
        if not 0 <= self.min_tokens <= self.max_tokens:
            raise ConfigError(
                f"min_tokens must be from 0 to max_tokens ({self.max_tokens}), not "
                f"{self.min_tokens}"
            )
        for name, count in (
            ("top_logprobs", self.top_logprobs),
            ("prompt_logprobs", self.prompt_logprobs or 0),
        ):
            if not 0 <= count <= MAX_TOP_LOGPROBS:
                raise ConfigError(f"{name} must be from 0 to {MAX_TOP_LOGPROBS}, not {count}")
        if self.thinking_budget is not None and self.thinking_budget < 0:
            raise ConfigError(f"thinking_budget must be at least 0, not {self.thinking_budget}")
        if self.constraint is not None and (self.ignore_eos or self.min_tokens):
            name = "ignore_eos" if self.ignore_eos else "min_tokens"
            raise ConfigError(
                f"{name} and a constraint, which says where a text ends: set only one"
            )


@dataclass(frozen=True, kw_only=True)
class Request:
    id: str
    prompt: tuple[int, ...]
    """Token ids; at least one."""
    sampling: SamplingParams = field(default_factory=SamplingParams)
    thinking: bool = False
    """The prompt ends inside an open <think>."""
    must_think: bool = False
    """The first token is not </think>: the model may not decide against a thought."""
    raw: bool = False
    """Plain completion: everything generated is content."""
    tools: tuple[Tool, ...] = ()
    """Those that the prompt offers: calls of them are told from content."""
    calling: bool = False
    """The prompt ends inside a call, which is all that follows."""
    choice: int = 0
    """Which of several answers to the same prompt this is: each has its own noise."""
    tenant: str = ""
    """Whose it is: tenants share the engine fairly, and none sees what another has cached."""
    priority: int = 0
    """Higher ones go first, and take the place of lower ones that run."""
    deadline_s: float | None = None
    """Seconds after submit at which it ends as "deadline", with what it has by then."""
    boundaries: tuple[int, ...] = ()
    """Positions in the prompt, ascending, where messages end: worth keeping the state of."""

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ConfigError("the prompt is empty: give at least one token")
        if self.raw and self.thinking:
            raise ConfigError("a raw request has no thinking: set only one of raw and thinking")
        if self.must_think and not self.thinking:
            raise ConfigError("must_think needs thinking, and this request has none")
        if self.calling and (self.thinking or not self.tools):
            raise ConfigError("calling needs tools and no thinking")
        if self.sampling.thinking_budget is not None and not self.thinking:
            raise ConfigError("thinking_budget needs thinking, and this request has none")
        if not 0 <= self.choice < 2**63:
            raise ConfigError(f"choice must be a non-negative 64-bit integer, not {self.choice}")
        if self.deadline_s is not None and not 0 < self.deadline_s < inf:
            raise ConfigError(f"deadline_s must be above 0 and finite, not {self.deadline_s}")
        if not -(2**31) <= self.priority < 2**31:
            raise ConfigError(f"priority must be a 32-bit integer, not {self.priority}")
        ends = (0, *self.boundaries, len(self.prompt) + 1)
        if any(a >= b for a, b in pairwise(ends)):
            raise ConfigError("boundaries must ascend within the prompt")


@dataclass(frozen=True, kw_only=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int
    """Every token chosen, the end token included."""
    reasoning_tokens: int
    """Those of them up to and including </think>."""
    cached_tokens: int = 0
    """Prompt tokens that were not computed again."""


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds since submit, by a monotonic clock."""

    queue_s: float
    """Until the request got its memory (until its end, if it never did)."""
    first_token_s: float | None
    """Until the first token was chosen; None if none was."""
    decode_tokens_per_s: float | None
    """Tokens after the first, per second; None below two tokens."""


@dataclass(frozen=True, kw_only=True)
class PromptLogprob:
    """One token of the prompt, given those before it; under the plain softmax."""

    token: int
    logprob: float | None
    """None for the first token, which nothing comes before."""
    top: tuple[tuple[int, float], ...] = ()
    """(token, log-probability) of the most likely ones."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One step of one request: at most one token and the text it released."""

    request_id: str
    token: int | None = None
    """None where a request ends without choosing another one (cancelled, error)."""
    logprob: float | None = None
    """Natural log of the token's probability under the plain softmax: temperature 1, no masks."""
    top_logprobs: tuple[tuple[int, float], ...] = ()
    """(token, log-probability) of the most likely tokens here, as many as were asked for."""
    reasoning: str = ""
    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    """Of tools; each comes once, when it is complete."""
    finish_reason: FinishReason | None = None
    """Set on the last output of a request, as are usage, timings and weights_version."""
    usage: Usage | None = None
    timings: Timings | None = None
    weights_version: int | None = None
    """Of the weights that answered: how often the engine's had been updated."""
    prompt_logprobs: tuple[PromptLogprob, ...] | None = None
    """With the last output, if they were asked for and the prompt was computed."""
    error: str | None = None
    """One line, with finish_reason "error"."""
