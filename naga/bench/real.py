"""`naga bench real MODEL`: whether a real checkpoint is read right and served as naga promises.

In turn: does it load, does transformers compute the same from it, does it predict a text, are its
answers the same bit for bit under random schedules and with what is cached, and how fast is it.
Each is a check of its own: one that fails does not stop the others, one that cannot be made says
why. Speeds and the perplexity are told, not judged.
"""

import json
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table

from naga.bench.determinism import run_determinism
from naga.bench.doctor import decode_limit
from naga.bench.machine import Machine, describe_machine
from naga.bench.parity import compare, obstacle
from naga.bench.report import Subject, describe_subject
from naga.bench.speeds import known_or_measured
from naga.checkpoint.config import read_layout, read_quantisation
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.serve import EngineConfig
from naga.data.corpus import read_texts
from naga.data.tokenizer import Tokenizer
from naga.engine.chat import Reply, complete, new_id, open_engine
from naga.engine.engine import Engine
from naga.engine.memory import memory_need
from naga.engine.request import Request, SamplingParams
from naga.eval import measure_perplexity
from naga.model.account import account
from naga.train.progress import say

Verdict = Literal["passed", "failed", "skipped", "measured"]
Facts = Mapping[str, object]

PROMPTS, PROMPT_TOKENS = 4, 64
DEFAULTS = parse_config(EngineConfig, {}, source="naga bench real")
# Of the prompts for cache and speed; shorter where the model's context is.
LONG, ANSWER, ROUNDS = 512, 32, 3


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    verdict: Verdict
    said: str
    """In one line."""
    facts: Facts = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RealReport:
    command: str
    subject: Subject
    machine: Machine
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.verdict != "failed" for check in self.checks)

    def to_json(self) -> str:
        found = {"schema": "naga.bench.real.1", "passed": self.passed, **asdict(self)}
        return json.dumps(found, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        table = Table("check", "", "found", title=f"{self.subject.model}: acceptance", box=None)
        for check in self.checks:
            table.add_row(check.name, check.verdict.upper(), check.said)
        return table

    def to_markdown(self) -> str:
        subject, machine = self.subject, self.machine
        lines = [f"| {one.name} | {one.verdict} | {one.said} |" for one in self.checks]
        facts = [
            f"- {one.name}: {', '.join(f'{key} {value}' for key, value in one.facts.items())}"
            for one in self.checks
            if one.facts
        ]
        head = (
            f"Layout {subject.layout}, {subject.parameters:,} parameters "
            f"({subject.active_parameters:,} active per token); {machine.cpu}, "
            f"{machine.threads} threads; naga {machine.naga}, torch {machine.torch}."
        )
        table = ["| check | | found |", "|---|---|---|", *lines]
        title = f"# Acceptance of `{subject.model}`: {'passed' if self.passed else 'FAILED'}"
        parts = [title, "", head, "", *table, "", *facts, "", "```", self.command, "```"]
        return "\n".join(parts) + "\n"


def built_in_text() -> Path:
    """Passages in English and Chinese, written for this."""
    return Path(str(resources.files("naga") / "assets" / "passages.txt"))


def run_real(
    path: Path, name: str, text: Path, *, schedules: int, command: str, console: Console
) -> RealReport:
    """Of the checkpoint folder `path`, shown as `name`; ConfigError if naga does not read it."""
    layout, config = read_layout(path)
    subject = replace(describe_subject(path, layout.model_type, config), model=name)
    bench = Acceptance(path, text, schedules, console)
    steps: dict[str, Callable[[], Check]] = {
        "parity": bench.parity,
        "perplexity": bench.perplexity,
        "determinism": bench.determinism,
        "load": bench.load,
        "cache": bench.cache,
        "speed": bench.speed,
    }
    try:
        checks = tuple(_made(name, step, console) for name, step in steps.items())
    finally:
        bench.close()
    machine = describe_machine(torch.get_num_threads())
    return RealReport(command=command, subject=subject, machine=machine, checks=checks)


def _made(name: str, step: Callable[[], Check], console: Console) -> Check:
    """What a step found, or the one line by which it failed."""
    started = perf_counter()
    try:
        check = step()
    except ConfigError as error:
        check = Check(name=name, verdict="failed", said=str(error))
    say(console, f"{name}: {check.verdict}: {check.said}")
    return replace(check, seconds=round(perf_counter() - started, 3))


class Acceptance:
    """One checkpoint; the engine that `load` opens serves the checks after it."""

    def __init__(self, path: Path, text: Path, schedules: int, console: Console) -> None:
        self._path, self._text, self._schedules = path, text, schedules
        self._console = console
        self._config = read_layout(path)[1]
        self._engine: Engine | None = None

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def parity(self) -> Check:
        """Beside transformers, on the beginnings of the text's documents."""
        reason = obstacle(self._path)
        if reason is not None:
            return Check(name="parity", verdict="skipped", said=reason)
        tokens = self._tokens(PROMPTS * PROMPT_TOKENS)
        prompts = [
            tokens[first : first + PROMPT_TOKENS] for first in range(0, len(tokens), PROMPT_TOKENS)
        ]
        try:
            found = compare(self._path, prompts)
        except (ValueError, OSError, RuntimeError, KeyError, ImportError) as error:
            if isinstance(error, ConfigError):
                raise
            said = " ".join(f"transformers: {type(error).__name__}: {error}".split())[:300]
            return Check(name="parity", verdict="failed", said=said)
        said = (
            f"{found.dtype}: logits within {found.largest_difference:.2g} (largest "
            f"{found.largest_logit:.3g}), the same likeliest token at {found.same_token} of "
            f"{found.positions} positions"
        )
        return _judged("parity", found.passed, said, asdict(found))

    def perplexity(self) -> Check:
        found = measure_perplexity(self._path, self._text, DEFAULTS)
        said = f"{found.perplexity:.4g}, {found.bits_per_byte:.4f} bits a byte of {self._text.name}"
        facts = {"tokens": found.tokens, "nats_per_token": found.nats_per_token}
        return Check(name="perplexity", verdict="measured", said=said, facts=facts)

    def determinism(self) -> Check:
        found = run_determinism(
            self._path,
            DEFAULTS,
            schedules=self._schedules,
            seed=0,
            first=0,
            command="",
            console=Console(file=None, quiet=True),
        )
        said = (
            f"{found.differences} differences in {found.counts.requests} answers of "
            f"{found.schedules} schedules"
        )
        return _judged("determinism", not found.differences, said, asdict(found.counts))

    def load(self) -> Check:
        """Into a process that has imported everything; its peak of memory so far."""
        started = perf_counter()
        self._engine = open_engine(self._path, DEFAULTS)
        seconds = perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        facts = {
            "seconds": round(seconds, 3),
            "peak_bytes_of_the_run": peak * (1 if sys.platform == "darwin" else 1024),
            "numerics": str(self._engine.numerics),
        }
        said = f"{seconds:.2f} s, {self._engine.numerics}"
        return Check(name="load", verdict="measured", said=said, facts=facts)

    def cache(self) -> Check:
        """A text, then the same text and more: with what is known, and after forgetting it."""
        engine, tokens = self._opened(), self._tokens(self._long())
        known = tokens[: 3 * len(tokens) // 4]
        self._ask(engine, known, 1)
        warm = self._ask(engine, tokens, ANSWER)
        engine.forget()
        cold = self._ask(engine, tokens, ANSWER)
        same = (warm.tokens, warm.logprobs) == (cold.tokens, cold.logprobs)
        cached = warm.usage.cached_tokens
        said = (
            f"{cached} of {len(tokens)} prompt tokens came from the cache, answers "
            f"{'identical' if same else 'DIFFER'}"
        )
        facts = {"prompt_tokens": len(tokens), "cached_tokens": cached, "identical": same}
        return _judged("cache", same and cached > 0, said, facts)

    def speed(self) -> Check:
        engine, tokens = self._opened(), self._tokens(self._long())
        engine.wait_settled()
        prefill, decode = list[float](), list[float]()
        for _ in range(ROUNDS):
            engine.forget()
            timings = self._ask(engine, tokens, ANSWER).timings
            if timings.first_token_s:
                prefill.append(len(tokens) / (timings.first_token_s - timings.queue_s))
            if timings.decode_tokens_per_s:
                decode.append(timings.decode_tokens_per_s)
        if not prefill or not decode:
            return Check(name="speed", verdict="skipped", said="it ends its answer at once")
        facts: dict[str, object] = {
            "prefill_tokens_per_s": median(prefill),
            "decode_tokens_per_s": median(decode),
        }
        share = self._share_of_limit(engine, median(decode))
        facts |= {} if share is None else {"decode_of_limit": share}
        limit = "" if share is None else f", {share:.0%} of what memory allows"
        said = (
            f"prefill {median(prefill):,.0f} tokens/s of {len(tokens)}, decode "
            f"{median(decode):,.1f} tokens/s{limit}"
        )
        return Check(name="speed", verdict="measured", said=said, facts=facts)

    def _share_of_limit(self, engine: Engine, decoded: float) -> float | None:
        kernels = known_or_measured(torch.get_num_threads())
        if kernels is None:
            return None
        dtype = {"dtype": engine.numerics.dtype}
        quantisation = read_quantisation(self._path)
        need = memory_need(self._config, EngineConfig.model_validate(dtype), quantisation)
        return decoded / decode_limit(account(self._config), need, kernels.read_all_threads)

    def _opened(self) -> Engine:
        if self._engine is None:
            raise ConfigError("not checked: it did not load")
        return self._engine

    def _long(self) -> int:
        return max(16, min(LONG, self._config.max_positions - ANSWER - 1))

    def _tokens(self, count: int) -> list[int]:
        """The text's, over and over."""
        tokenizer = Tokenizer.load(self._path)
        found = [t for one in read_texts([self._text]) for t in tokenizer.encode(one)]
        if not found:
            raise ConfigError(f"{self._text}: has no text")
        if max(found) >= self._config.vocab_size:
            raise ConfigError(f"{self._path}: its tokenizer has tokens beyond the vocabulary")
        return (found * (-(-count // len(found))))[:count]

    def _ask(self, engine: Engine, prompt: list[int], answer: int) -> Reply:
        sampling = SamplingParams(temperature=0, max_tokens=answer)
        reply = complete(
            engine, Request(id=new_id(), prompt=tuple(prompt), sampling=sampling, raw=True)
        )
        if reply.error is not None:
            raise ConfigError(f"{self._path}: generation failed: {reply.error}")
        return reply


def _judged(name: str, passed: bool, said: str, facts: Facts) -> Check:
    return Check(name=name, verdict="passed" if passed else "failed", said=said, facts=facts)
