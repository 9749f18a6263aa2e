"""`naga bench prefill` and `decode`: whole engines beside each other, pair by pair.

A pair is naga in one precision and a peer in one. Both have a long-lived worker process, and the
one that is not measured is parked. The machine's limits are read by naga's worker before, between
and after the two: a pass over the very weights it decodes with, or products in its registers. Pairs
come one after the other, so that memory holds two models at a time. Says how fast, never whether
that is fast enough.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from rich.console import Console

from naga.bench.engines import (
    EngineMeter,
    Job,
    open_contender,
    our_opening,
    peer_opening,
    require_room,
)
from naga.bench.gguf_files import make_gguf
from naga.bench.limits import PRODUCTS, Kv, Precision
from naga.bench.machine import describe_machine
from naga.bench.peers import PEERS, Installed, find_peers
from naga.bench.report import Report, describe_subject
from naga.bench.rounds import Case, Comparison, Rounds
from naga.checkpoint.config import read_layout
from naga.config.base import Config
from naga.train.progress import say

# Of a longer prompt every round decodes on: reading it takes longer than what is measured.
CONTINUED = 2048
# Peers that lack a precision of ours are measured in this one.
USUAL: Precision = "bf16"

Pair = tuple[Precision, Installed, Precision]


class CompareOptions(Config):
    work: Literal["prefill", "decode"]
    model: Path
    """Checkpoint folder."""
    peers: tuple[str, ...]
    peer_pythons: tuple[str, ...] = ()
    """NAME=PATH of the interpreters of peers in environments of their own."""
    precisions: tuple[Precision, ...] = Field(min_length=1)
    batches: tuple[Annotated[int, Field(gt=0)], ...] = Field(min_length=1)
    contexts: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    kv: Kv | None = None
    """Keys and values in int8: naga's, and llama.cpp's in q8_0."""
    rounds: int = Field(gt=0)
    new_tokens: int = Field(gt=0)
    """Decode: timed tokens of each sequence in a round."""
    threads: int = Field(gt=0)
    seed: int = Field(0, ge=0)
    """Of the random tokens."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.peers:
            raise ValueError(f"peers: name one at least of {', '.join(PEERS)}")
        if self.work == "prefill" and not min(self.contexts):
            raise ValueError("contexts: prefill needs prompts of at least one token")
        return self


def run_compare(options: CompareOptions, command: str, console: Console) -> Report:
    """Measure; `command` is what the report says to repeat it with. Progress goes to `console`.

    ConfigError if a peer is not there or fails, or if the lengths do not fit the model.
    """
    layout, config = read_layout(options.model)
    job = Job(
        model=options.model,
        config=config,
        cases=cases_of(options),
        rounds=options.rounds + 1,
        threads=options.threads,
        kv=options.kv,
    )
    job.refuse_lengths()
    peers = find_peers(options.peers, options.peer_pythons)
    machine = describe_machine(options.threads)
    if machine.busy:
        say(console, machine.warning)
    pairs = list(plan_pairs(options.precisions, peers))
    for _, found, precision in pairs:
        if found.peer.name == "llama.cpp":
            make_gguf(options.model, precision, console)
    rounds = Rounds(
        count=options.rounds,
        vocab_size=config.vocab_size,
        generator=np.random.default_rng(options.seed),
        console=console,
    )
    comparisons = [one for pair in pairs for one in compare_pair(job, pair, rounds)]
    for pair in best_pairs(options, peers, comparisons):
        comparisons += compare_pair(job, pair, rounds)
    return Report(
        title=f"{options.work.capitalize()} of {options.model.name}",
        notes=NOTES[options.work],
        command=command,
        subject=describe_subject(options.model, layout.model_type, config),
        machine=machine,
        comparisons=tuple(comparisons),
    )


def cases_of(options: CompareOptions) -> tuple[Case, ...]:
    """Every batch at every context."""
    decode = options.work == "decode"
    return tuple(
        Case(
            work=options.work,
            batch=batch,
            context=context,
            new_tokens=options.new_tokens if decode else 0,
            continued=decode and context > CONTINUED,
        )
        for context in options.contexts
        for batch in options.batches
    )


def plan_pairs(precisions: Iterable[Precision], peers: Iterable[Installed]) -> Iterator[Pair]:
    """Each peer in each of our precisions that it has; if it has none, its usual with our first."""
    wanted = tuple(precisions)
    for found in peers:
        shared = [precision for precision in wanted if precision in found.peer.bits]
        yield from ((precision, found, precision) for precision in shared)
        if not shared:
            yield wanted[0], found, USUAL


def best_pairs(
    options: CompareOptions, peers: Iterable[Installed], comparisons: Iterable[Comparison]
) -> Iterator[Pair]:
    """Prefill: each of our other precisions beside a peer's fastest one, whichever that is."""
    if options.work != "prefill":
        return
    for found in peers:
        speeds: dict[Precision, float] = {}
        for one in comparisons:
            if one.theirs.name.engine == found.peer.name:
                speed = one.case.timed_tokens / median(one.theirs.seconds)
                precision = one.theirs.name.precision
                speeds[precision] = max(speed, speeds.get(precision, 0))
        if len(speeds) > 1:
            best = max(speeds, key=lambda precision: speeds[precision])
            yield from ((ours, found, best) for ours in options.precisions if ours != best)


def compare_pair(job: Job, pair: Pair, rounds: Rounds) -> list[Comparison]:
    mine, found, theirs = pair
    label = f"naga {mine} beside {found.peer.name} {theirs}"
    openings = our_opening(job, mine), peer_opening(job, found, theirs)
    require_room(job, openings)
    with (
        open_contender(job, openings[0]) as (ours, worker),
        open_contender(job, openings[1]) as (other, _),
    ):
        arithmetic = dict.fromkeys((PRODUCTS[mine], PRODUCTS[theirs]))
        meter = EngineMeter(worker=worker, arithmetic=tuple(arithmetic))
        return rounds.compare(label, job.cases, ours, other, meter)


_WORKERS = (
    "Each engine had a process of its own, stopped while the other one worked; models were loaded "
    "and kernels warm."
)
NOTES = {
    "prefill": (
        "**prefill**: from a prompt of `context` tokens to its first token. naga: its engine from "
        "submit, scheduling and sampling included; llama.cpp: llama_decode and an argmax; "
        "transformers: one forward pass and an argmax; vLLM: its V1 engine's steps.",
        "**of limit**: the prompt's FLOPs (the head's once) over the speed of products in "
        "registers, read beside each work, in the arithmetic of the precision: int8 and int4 meet "
        "int8 inputs.",
        _WORKERS,
    ),
    "decode": (
        "**decode**: greedy tokens after a prompt of `context` tokens. naga: its engine, with "
        "log-probabilities and detokenising; llama.cpp: llama_decode and an argmax; transformers: "
        "a bare loop over its own cache; vLLM: its V1 engine's steps, without detokenising. "
        f"Prompts of more than {CONTINUED} tokens are read once: the rounds go on from there.",
        "**of limit**: the bytes a step must move (weights, states read and written, keys and "
        "values) over the speed of a pass over naga's own weights, read beside each work.",
        _WORKERS,
    ),
}
