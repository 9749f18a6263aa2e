"""`naga bench handoff`: checkpoints of naga's in the real vLLM and llama.cpp, asked over HTTP.

Every pair is a checkpoint as naga reads it and as the other engine does: as it is, from another
layout and back, widened, or as GGUF. Both answer the same prompts greedily in float32, end tokens
ending nothing. Where they first differ, naga's log-probabilities say how near the two tokens were:
a difference is explained if both are likely alike (TIE), for then rounding decides. The servers are
started with the very commands of `naga convert --plan`, but for the dtype. Not a test of speed.
"""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from naga.bench.cache_trace import Contender, Server
from naga.bench.convert_gguf import convert_gguf
from naga.bench.machine import Machine
from naga.bench.models import make_model
from naga.bench.peers import Installed, find_peers
from naga.bench.plans import cpu_problems, make_plan, problems
from naga.checkpoint.config import read_layout
from naga.checkpoint.transcode import transcode
from naga.config.base import ConfigError
from naga.config.load import load_config, parse_config
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.data.chat import render_prompt
from naga.data.tokenizer import Tokenizer
from naga.engine.chat import Reply, complete_all, open_engine
from naga.engine.request import MAX_TOP_LOGPROBS, Request, SamplingParams
from naga.runtime import DTYPES
from naga.tasks import SCORED, Mix, make_examples, make_tasks
from naga.train.progress import counter, say

# Nats between two tokens that rounding in float32 may choose between, here or there.
TIE = 0.01
# Of the answers' tokens, and of the prompts, for a pair to be the same.
ENOUGH_TOKENS, ENOUGH_PROMPTS = 60 / 64, 0.95
# vLLM names this many of the likely tokens unasked.
TOP = 5
CACHE_BYTES = 1 << 30
SERVER = Path(__file__).parent / "workers" / "llama_cpp_server.py"
RECIPES = Path(__file__).parents[2] / "recipes" / "handoff"
MINI = Path(__file__).parents[1] / "assets" / "naga-mini"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Another engine's answer."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    likely: tuple[Mapping[int, float], ...]
    """Log-probabilities of the likeliest tokens at each place."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    prompt: int
    at: int
    """Tokens that were the same."""
    ours: int
    theirs: int
    our_margin: float
    """Nats by which naga prefers its token to theirs."""
    their_margin: float | None
    """The other way round; None if they did not name naga's among the likely ones."""

    @property
    def explained(self) -> bool:
        return self.our_margin <= TIE


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A checkpoint in both engines."""

    model: str
    """What it is, in words."""
    engine: str
    version: str
    commands: tuple[str, ...]
    """That made it what the engine opens, and that served it."""
    tokens: int
    """Of an answer."""
    same: tuple[int, ...]
    """Of each prompt: tokens until the first difference."""
    deviation: float
    """Largest, in nats, between log-probabilities of a token that both chose."""
    differences: tuple[Difference, ...]

    @property
    def enough(self) -> int:
        """Prompts whose answers are the same in nearly all tokens."""
        return sum(count >= ENOUGH_TOKENS * self.tokens for count in self.same)

    @property
    def passed(self) -> bool:
        explained = all(one.explained for one in self.differences)
        return explained and self.enough >= ENOUGH_PROMPTS * len(self.same)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    model: str
    engine: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class HandoffReport:
    command: str
    seed: int
    pairs: tuple[Pair, ...]
    refusals: tuple[Refusal, ...]
    machine: Machine

    @property
    def passed(self) -> bool:
        return bool(self.pairs) and all(pair.passed for pair in self.pairs)

    def to_json(self) -> str:
        pairs = [{**asdict(pair), "passed": pair.passed} for pair in self.pairs]
        data = {"schema": "naga.bench.handoff.1", "passed": self.passed, **asdict(self)}
        return json.dumps({**data, "pairs": pairs}, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        table = Table(title="Greedy answers, naga's and others'")
        for heading in SUMMARY:
            table.add_column(heading)
        for pair in self.pairs:
            table.add_row(*_summary_cells(pair))
        return table

    def to_markdown(self) -> str:
        parts = ["# naga's checkpoints in other engines", "", INTRODUCTION, ""]
        parts += _markdown(SUMMARY, [_summary_cells(pair) for pair in self.pairs])
        parts += ["", "## Every difference", "", *self._differences()]
        parts += ["", "## Refused, before anything is started", ""]
        told = [(one.model, one.engine, one.reason) for one in self.refusals]
        parts += _markdown(("checkpoint", "engine", "reason"), told)
        parts += ["", "## What was run", ""]
        for pair in self.pairs:
            parts += [f"{pair.model}, {pair.engine} {pair.version}:", "", "```sh"]
            parts += [*pair.commands, "```", ""]
        machine = self.machine
        parts += [f"naga {machine.naga} {machine.commit or ''}, torch {machine.torch}, prompts of"]
        parts += [f"seed {self.seed}; {machine.cpu}. All of it again:", ""]
        parts += ["```sh", "make test-handoff", "```", "", f"which runs `{self.command}`."]
        return "\n".join(parts) + "\n"

    def _differences(self) -> list[str]:
        lines = [
            (f"{pair.model}, {pair.engine}", *_difference_cells(one))
            for pair in self.pairs
            for one in pair.differences
        ]
        if not lines:
            return ["There is none: every token of every answer is the same."]
        return _markdown(DIFFERENCE, lines)


INTRODUCTION = (
    "The same prompts, as token ids over HTTP, answered greedily in float32 by naga and by each "
    "engine's own server; end tokens end nothing. The deviation is the largest between the two "
    f"log-probabilities of a token that both chose. A difference is explained where naga prefers "
    f"its token by no more than {TIE:g} nats."
)
SUMMARY = ("checkpoint", "engine", "prompts", "same in 60 of 64", "deviation", "verdict")
DIFFERENCE = ("pair", "prompt", "after tokens", "naga", "theirs", "our margin", "theirs", "")


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return [*head, *("| " + " | ".join(line) + " |" for line in lines)]


def _summary_cells(pair: Pair) -> tuple[str, ...]:
    return (
        pair.model,
        f"{pair.engine} {pair.version}",
        str(len(pair.same)),
        f"{pair.enough} ({min(pair.same)} tokens at least)",
        f"{pair.deviation:.1e}",
        "same" if pair.passed else "NOT THE SAME",
    )


def _difference_cells(one: Difference) -> tuple[str, ...]:
    theirs = "not named" if one.their_margin is None else f"{one.their_margin:.4f}"
    numbers = (one.prompt, one.at, one.ours, one.theirs)
    verdict = "explained" if one.explained else "NOT EXPLAINED"
    return (*map(str, numbers), f"{one.our_margin:.4f}", theirs, verdict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A checkpoint to hand over."""

    name: str
    ours: Path
    """As naga opens it."""
    theirs: Path
    """As it is handed over: the same folder, or one that naga converted."""
    commands: tuple[str, ...] = ()
    """That made `theirs`."""
    engines: tuple[str, ...] = ("vllm", "llama.cpp")


def run_handoff(
    work: Path,
    pythons: Sequence[str],
    *,
    prompts: int,
    tokens: int,
    seed: int,
    command: str,
    machine: Machine,
    console: Console,
) -> HandoffReport:
    """Makes the checkpoints under `work` anew; ConfigError for a server that does not start."""
    peers = {one.peer.name: one for one in find_peers(("vllm", "llama.cpp"), pythons)}
    pairs, refusals = list[Pair](), list[Refusal]()
    for candidate in make_candidates(work):
        say(console, f"{candidate.name}: naga")
        asked = make_prompts(candidate.ours, prompts, seed)
        ours = answer(candidate.ours, asked, tokens)
        for engine in candidate.engines:
            reason = _refusal(candidate.theirs, engine)
            if reason is not None:
                refusals.append(Refusal(model=candidate.name, engine=engine, reason=reason))
                continue
            pairs.append(_compare(candidate, peers[engine], asked, ours, work, console))
    return HandoffReport(
        command=command,
        seed=seed,
        pairs=tuple(pairs),
        refusals=tuple(refusals),
        machine=machine,
    )


def _refusal(path: Path, engine: str) -> str | None:
    """Why an engine cannot serve a checkpoint on a CPU, or naga cannot hand it over."""
    layout, config = read_layout(path)
    if engine == "llama.cpp" and layout.model_type == "nemotron_h":
        return "`naga bench convert-gguf` writes granitemoehybrid alone"
    found = [*problems(layout, config, engine)]
    if engine == "vllm":
        found += cpu_problems(layout, config)
    return found[0] if found else None


def make_candidates(work: Path) -> Iterator[Candidate]:
    """One after the other: naga-mini, and random weights of both families."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    yield Candidate(name="naga-mini", ours=MINI, theirs=MINI)
    wide = work / "naga-mini-wide"
    transcode(MINI, wide, "granitemoehybrid", widen=True)
    line = f"naga convert naga/assets/naga-mini {wide} --to granitemoehybrid --widen"
    yield Candidate(
        name="naga-mini, widened", ours=MINI, theirs=wide, commands=(line,), engines=("vllm",)
    )
    for layout in ("granitemoehybrid", "nemotron_h"):
        yield _round_trip(work, layout)
    experts = work / "nemotron_h-experts"
    _make(experts)
    yield Candidate(name="nemotron_h with experts", ours=experts, theirs=experts)


def _make(folder: Path) -> None:
    config = load_config(ModelConfig, RECIPES / f"{folder.name}.toml")
    make_model(config, folder, seed=0, dtype=DTYPES["bfloat16"])


def _round_trip(work: Path, layout: str) -> Candidate:
    """Random weights that naga reads in its own layout, and the other engine after the way back."""
    first, ours, back = work / layout, work / f"{layout}-as-naga", work / f"{layout}-again"
    _make(first)
    transcode(first, ours, "naga")
    transcode(ours, back, layout)
    commands = (
        f"naga bench make-model recipes/handoff/{layout}.toml --out {first}",
        f"naga convert {first} {ours} --to naga",
        f"naga convert {ours} {back} --to {layout}",
    )
    return Candidate(
        name=f"{layout}, to naga's layout and back", ours=ours, theirs=back, commands=commands
    )


def make_prompts(path: Path, count: int, seed: int) -> list[tuple[int, ...]]:
    """Questions in the chat format for a tokenizer that was trained; any tokens for another."""
    tokenizer = Tokenizer.load(path)
    if tokenizer.merges:
        mix = Mix(weights=(1.0,) * len(SCORED), levels=("easy",), chinese=0.3)
        tasks = make_tasks(SCORED)
        examples = make_examples(tasks, mix=mix, split="heldout", seed=seed, count=count)
        return [tuple(render_prompt(tokenizer, one.prompt)) for one in examples]
    generator = np.random.default_rng(seed)
    lengths = generator.integers(4, 100, count)
    return [
        tuple(map(int, generator.integers(0, tokenizer.vocab_size, length))) for length in lengths
    ]


def answer(path: Path, prompts: Sequence[tuple[int, ...]], tokens: int) -> list[Reply]:
    """naga's."""
    sampling = SamplingParams(
        temperature=0, max_tokens=tokens, ignore_eos=True, top_logprobs=MAX_TOP_LOGPROBS
    )
    requests = [
        Request(id=str(index), prompt=prompt, sampling=sampling, raw=True)
        for index, prompt in enumerate(prompts)
    ]
    config = parse_config(EngineConfig, {"dtype": "float32"}, source="naga bench handoff")
    with open_engine(path, config) as engine:
        return complete_all(engine, requests)


def _compare(
    candidate: Candidate,
    peer: Installed,
    prompts: Sequence[tuple[int, ...]],
    ours: Sequence[Reply],
    work: Path,
    console: Console,
) -> Pair:
    engine, tokens = peer.peer.name, len(ours[0].tokens)
    contender, made = START[engine](candidate.theirs, peer.python, work)
    theirs = list[Heard]()
    say(console, f"{candidate.name}: {engine} {peer.version}")
    with Server(contender) as server:
        model = server.model()
        with counter("prompts", console, verb="asking", total=len(prompts)) as done:
            for heard in ASK[engine](server, model, prompts, tokens):
                theirs.append(heard)
                done()
    found = [difference(index, *pair) for index, pair in enumerate(zip(ours, theirs, strict=True))]
    return Pair(
        model=candidate.name,
        engine=engine,
        version=peer.version,
        commands=(*candidate.commands, *made, contender.place),
        tokens=tokens,
        same=tuple(tokens if one is None else one.at for one in found),
        deviation=max(deviation(*pair) for pair in zip(ours, theirs, strict=True)),
        differences=tuple(one for one in found if one is not None),
    )


def same_tokens(ours: Reply, theirs: Heard) -> int:
    """Until the first difference."""
    pairs = zip(ours.tokens, theirs.tokens, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def difference(index: int, ours: Reply, theirs: Heard) -> Difference | None:
    """The first of an answer. ConfigError for an answer that is shorter than ours."""
    at = same_tokens(ours, theirs)
    if at == len(ours.tokens):
        return None
    if at == len(theirs.tokens):
        raise ConfigError(f"prompt {index}: the answer ends after {at} tokens")
    our, their = ours.tokens[at], theirs.tokens[at]
    likely = dict(ours.top_logprobs[at])
    # A token that is not among the likely ones is less likely than the last of them.
    ours_of_theirs = likely.get(their, min(likely.values()))
    theirs_of_ours = theirs.likely[at].get(our)
    return Difference(
        prompt=index,
        at=at,
        ours=our,
        theirs=their,
        our_margin=ours.logprobs[at] - ours_of_theirs,
        their_margin=None if theirs_of_ours is None else theirs.logprobs[at] - theirs_of_ours,
    )


def deviation(ours: Reply, theirs: Heard) -> float:
    """Largest between log-probabilities before the first difference; 0 if that is the first."""
    pairs = list(zip(ours.logprobs, theirs.logprobs, strict=False))[: same_tokens(ours, theirs)]
    return max((abs(our - their) for our, their in pairs), default=0.0)


def _start_vllm(path: Path, python: Path, work: Path) -> tuple[Contender, tuple[str, ...]]:
    weights = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    plan = make_plan(path, "vllm", memory_bytes=2 * (CACHE_BYTES + weights))
    _, *arguments = plan.commands[0]
    arguments[arguments.index("bfloat16")] = "float32"
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    words = (
        "env", "VLLM_CPU_KVCACHE_SPACE=1", f"VLLM_CPU_OMP_THREADS_BIND={cores}",
        str(python), *arguments, "--enforce-eager", "--port", "{port}",
    )  # fmt: skip
    return Contender(name="vllm", place=shlex.join(words), api="tokens"), ()


def _start_llama_cpp(path: Path, python: Path, work: Path) -> tuple[Contender, tuple[str, ...]]:
    file = work / f"{path.name}-f32.gguf"
    convert_gguf(path, file, "f32")
    words = (
        str(python), _shown(SERVER), "--model", str(file), "--port", "{port}",
        "--hf_pretrained_model_name_or_path", "ids", "--n_ctx", "1024", "--logits_all", "true",
    )  # fmt: skip
    made = f"naga bench convert-gguf {_shown(path)} --out {file} --type f32"
    return Contender(name="llama.cpp", place=shlex.join(words), api="tokens"), (made,)


def _shown(path: Path) -> str:
    """From here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _ask_vllm(
    server: Server, model: str, prompts: Sequence[tuple[int, ...]], tokens: int
) -> Iterator[Heard]:
    """All at once, so that it batches them."""
    body = {
        "model": model, "prompt": prompts, "max_tokens": tokens, "temperature": 0,
        "ignore_eos": True, "logprobs": TOP, "return_tokens_as_token_ids": True,
    }  # fmt: skip
    found = server.ask("/v1/completions", body)["choices"]
    for choice in sorted(found, key=lambda choice: choice["index"]):
        yield _heard(choice, lambda text: int(text.removeprefix("token_id:")))


def _ask_llama_cpp(
    server: Server, model: str, prompts: Sequence[tuple[int, ...]], tokens: int
) -> Iterator[Heard]:
    for prompt in prompts:
        body = {
            "model": model, "prompt": " ".join(map(str, prompt)), "max_tokens": tokens,
            "temperature": 0, "logprobs": TOP, "repeat_penalty": 1.0,
        }  # fmt: skip
        yield _heard(server.ask("/v1/completions", body)["choices"][0], int)


def _heard(choice: dict[str, Any], token_of: Callable[[str], int]) -> Heard:
    found = choice["logprobs"]
    return Heard(
        tokens=tuple(map(token_of, found["tokens"])),
        logprobs=tuple(found["token_logprobs"]),
        likely=tuple(
            {token_of(name): value for name, value in one.items()} for one in found["top_logprobs"]
        ),
    )


START = {"vllm": _start_vllm, "llama.cpp": _start_llama_cpp}
ASK = {"vllm": _ask_vllm, "llama.cpp": _ask_llama_cpp}
