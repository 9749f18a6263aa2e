"""Prompts -> answers by a sampler, and the sampler that is the engine of this process.

Answers are a function of (weights, prompt, seed, number of the answer): neither batching nor a
restart changes one. They are drawn at temperature 1 from the whole distribution, whose
log-probabilities the engine reports, so that what the learner divides by is what was sampled from.
Whatever else samples (a server, other machines) has to be a Sampler.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from types import TracebackType
from typing import Protocol, Self

from torch import Tensor

from naga.config.rl import RolloutConfig
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine.backend import make_backend
from naga.engine.chat import complete_all, new_id
from naga.engine.engine import Engine
from naga.engine.request import FinishReason, Request, SamplingParams
from naga.model.lm import HybridLM, memory_dtype, value_dtype
from naga.rl.types import Prompt
from naga.runtime import Runtime

# Small ones: what the answers to a short prompt share is whole pages.
PAGE_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One answer that is wanted."""

    tokens: tuple[int, ...]
    boundaries: tuple[int, ...]
    thinking: bool
    seed: int
    choice: int
    """Answers of one seed with different numbers have noise of their own."""
    max_tokens: int


@dataclass(frozen=True, kw_only=True)
class Answered:
    tokens: tuple[int, ...]
    """The end token included."""
    logprobs: tuple[float, ...]
    text: str
    reasoning: str
    finish_reason: FinishReason
    weights_version: int


class Sampler(Protocol):
    def generate(self, asks: Sequence[Ask]) -> list[Answered]:
        """In their order, all of one weights version."""
        ...

    def update_weights(self, tensors: Iterable[tuple[str, Tensor]]) -> int:
        """In place, from float32 master weights; the version of what is sampled from then on."""
        ...


class EngineSampler:
    """A context manager around an engine whose weights are a copy of a model's."""

    def __init__(
        self, model: HybridLM, runtime: Runtime, tokenizer: Tokenizer, config: RolloutConfig
    ) -> None:
        settings = EngineConfig.model_validate(
            {
                "backend": config.backend,
                "max_running": config.max_running,
                "kv_tokens": config.kv_tokens,
                "page_size": PAGE_SIZE,
                "device": str(runtime.device),
            }
        )
        backend = make_backend(served_copy(model, runtime), settings, runtime)
        self.engine = Engine(backend, tokenizer, settings)

    def generate(self, asks: Sequence[Ask]) -> list[Answered]:
        replies = complete_all(self.engine, [_request(ask) for ask in asks])
        for reply in replies:
            if reply.finish_reason not in ("stop", "length"):
                raise RuntimeError(f"an answer ended as {reply.finish_reason}: {reply.error}")
        return [
            Answered(
                tokens=reply.tokens,
                logprobs=reply.logprobs,
                text=reply.text,
                reasoning=reply.reasoning,
                finish_reason=reply.finish_reason,
                weights_version=reply.weights_version,
            )
            for reply in replies
        ]

    def update_weights(self, tensors: Iterable[tuple[str, Tensor]]) -> int:
        return self.engine.update_weights(tensors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.engine.close()


def _request(ask: Ask) -> Request:
    return Request(
        id=new_id(),
        prompt=ask.tokens,
        boundaries=ask.boundaries,
        sampling=SamplingParams(temperature=1.0, seed=ask.seed, max_tokens=ask.max_tokens),
        thinking=ask.thinking,
        choice=ask.choice,
    )


def served_copy(model: HybridLM, runtime: Runtime) -> HybridLM:
    """A model of its own with these weights as a checkpoint in the compute dtype holds them."""
    with runtime.device:
        copy = HybridLM(model.config).requires_grad_(False).eval()
    for (name, target), source in zip(
        copy.named_parameters(), model.state_dict().values(), strict=True
    ):
        rounded = source.detach().to(value_dtype(name, runtime.dtype))
        target.data = rounded.to(memory_dtype(name, runtime.dtype), copy=True)
    return copy


def seed_of(run_seed: int, step: int, prompt: Prompt, round_: int) -> int:
    """Of a prompt's answers in one step; no two places of a run share one."""
    text = f"{run_seed} {step} {round_} {prompt.key}"
    return int.from_bytes(sha256(text.encode()).digest()[:8], signed=True)


def group_asks(prompt: Prompt, seed: int, size: int, max_tokens: int) -> list[Ask]:
    """`size` answers to one prompt, whose state the engine computes once."""
    first = Ask(
        tokens=prompt.tokens,
        boundaries=prompt.boundaries,
        thinking=prompt.thinking,
        seed=seed,
        choice=0,
        max_tokens=max_tokens,
    )
    return [replace(first, choice=number) for number in range(size)]
