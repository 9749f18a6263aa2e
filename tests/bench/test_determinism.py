"""Random schedules answer as requests alone do, for every kind of layer; and the check can fail."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.conftest import CONFIGS as ENGINE_CONFIGS
from engine.conftest import make_model
from model.tiny import CONFIGS as LAYER_CONFIGS
from rich.console import Console

from bench.conftest import Bench as NagaBench
from naga.bench.determinism import Bench, difference, reported
from naga.bench.ours import plain_tokenizer
from naga.config.serve import EngineConfig
from naga.engine.backend import Backend, make_backend
from naga.engine.chat import Reply
from naga.engine.prefix import Match, PrefixTree
from naga.engine.request import FinishReason, Timings, Usage
from naga.model.state import StatePool
from naga.runtime import make_runtime

CONFIGS = ENGINE_CONFIGS | LAYER_CONFIGS


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of every engine is full of NaN at first: none of it may be read."""
    create = StatePool.create

    def poison(*given: Any, **sizes: Any) -> StatePool:
        pool = create(*given, **sizes)
        for memory in (*pool.by_slot.values(), pool.keys, pool.values):
            memory.fill_(torch.nan if memory.is_floating_point() else 77)
        return pool

    monkeypatch.setattr(StatePool, "create", staticmethod(poison))


def open_bench(name: str, backend: str, dtype: str) -> Bench:
    runtime = make_runtime("cpu", dtype)
    model = make_model(CONFIGS[name], runtime.dtype)

    def open_backend(config: EngineConfig) -> Backend:
        return make_backend(model, config, runtime)

    return Bench(
        open_backend,
        plain_tokenizer(model.config.vocab_size),
        EngineConfig.model_validate({"backend": backend, "dtype": dtype}),
        weights=(None, None, "int8", "int4") if backend == "native" else (None,),
    )


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots inside of short prompts too."""
    for name, distance in (("EVERY", 48), ("APART", 8), ("FEW", 4), ("AHEAD", 24)):
        monkeypatch.setattr(f"naga.engine.scheduler.{name}", distance)


@pytest.mark.usefixtures("poisoned", "near")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_native_answers_do_not_depend_on_the_schedule(name: str, dtype: str) -> None:
    with open_bench(name, "native", dtype) as bench:
        for number in range(5):
            bench.check(3, number)
        assert bench.differences == []
        # That something was asked of the cache, and of the scheduler.
        assert bench.counts.tokens > 300 and bench.counts.cached_tokens > 50
        assert bench.counts.gave_way and bench.counts.cancelled
        assert bool(bench.counts.snapshots) == CONFIGS[name].recurrent


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("name", CONFIGS)
def test_reference_answers_do_not_depend_on_the_schedule(name: str) -> None:
    dtype = ("float32", "bfloat16")[list(CONFIGS).index(name) % 2]
    with open_bench(name, "reference", dtype) as bench:
        for number in range(2):
            bench.check(3, number)
        assert bench.differences == []


def forget_first_layer(pool: StatePool, source: int, target: int) -> None:
    """As copy_slot, but for one layer."""
    pool.ssm[1:, target] = pool.ssm[1:, source]
    pool.conv[:, target] = pool.conv[:, source]


def of_nearby(tree: PrefixTree, tokens: Sequence[int], tenant: str) -> Match:
    """As match, but what is computed goes on one token late."""
    found = MATCH(tree, tokens, tenant)
    return replace(found, position=found.position + (1 < found.position < len(tokens) - 1))


def of_anybody(tree: PrefixTree, tokens: Sequence[int], tenant: str) -> Match:
    """As match, but the snapshot is that of any other conversation."""
    found = MATCH(tree, tokens, tenant)
    if found.snapshot is None:
        return found
    return replace(found, snapshot=max(tree._snapshots, key=lambda snapshot: snapshot.slot))


MATCH = PrefixTree.match


@pytest.mark.parametrize(
    ("kind", "name", "broken"),
    [
        (StatePool, "copy_slot", forget_first_layer),
        (StatePool, "copy_page", lambda pool, source, target: None),
        (PrefixTree, "match", of_nearby),
        (PrefixTree, "match", of_anybody),
    ],
    ids=["a layer is not restored", "a page is not copied", "a token is left out", "another's"],
)
def test_a_broken_restore_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(kind, name, broken)
    with open_bench("rotated", "native", "float32") as bench:
        found = [one for number in range(12) for one in bench.check(3, number)]
    assert found == bench.differences != []
    assert found[0].what and found[0].engine["page_size"] in (16, 64)


def test_a_schedule_can_be_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StatePool, "copy_slot", forget_first_layer)
    with open_bench("rotated", "native", "float32") as bench:
        numbers = sorted({one.schedule for n in range(12) for one in bench.check(3, n)})
    with open_bench("rotated", "native", "float32") as bench:
        assert bench.check(3, numbers[0])


def reply(
    *tokens: int, end: FinishReason = "length", text: str = "", logprob: float = -1.0
) -> Reply:
    return Reply(
        text=text,
        reasoning="",
        finish_reason=end,
        usage=Usage(prompt_tokens=1, completion_tokens=len(tokens), reasoning_tokens=0),
        timings=Timings(queue_s=0, first_token_s=None, decode_tokens_per_s=None),
        tokens=tokens,
        logprobs=(logprob,) * len(tokens),
        top_logprobs=((),) * len(tokens),
        weights_version=0,
    )


def test_every_fact_of_an_answer_counts() -> None:
    right = reply(5, 6, 7, text="abc")
    assert difference(right, right) is None
    for wrong, what in (
        (reply(5, 9, 7, text="abc"), "token 1: 9"),
        (reply(5, 6, 7, text="abc", logprob=-1.0000000001), "token 0: 5 (-1.0000000001)"),
        (reply(5, 6, text="abc"), "number of tokens: 2 is 3"),
        (reply(5, 6, 7, 8, text="abc"), "4 tokens are 3"),
        (reply(5, 6, 7, text="abc", end="stop"), "end: 'stop'"),
        (reply(5, 6, 7, text="ab"), "text: 'ab'"),
        (replace(right, top_logprobs=(((5, -1.0),), (), ())), "likeliest tokens"),
        (replace(right, prompt_logprobs=()), "the prompt's log-probabilities"),
        (replace(right, error="lost"), "error: lost"),
    ):
        assert str(difference(wrong, right)).startswith(what)


def test_what_was_given_up_is_a_beginning() -> None:
    right = reply(5, 6, 7)
    assert difference(reply(5, 6, end="cancelled"), right) is None
    assert difference(reply(end="deadline"), right) is None
    assert difference(reply(5, 7, end="cancelled"), right)
    assert difference(reply(5, 6, 7, 8, end="cancelled"), right)


def test_progress_is_told_where_there_is_no_terminal() -> None:
    console = Console(file=StringIO())
    with open_bench("M", "native", "float32") as bench:
        for _ in reported(bench, 0, range(3), console):
            pass
    assert isinstance(console.file, StringIO)
    assert "schedules 3/3  0 differences" in console.file.getvalue()


def test_the_command_counts_differences(
    naga_bench: NagaBench, chatting: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    words = ["--schedules", "4", "--seed", "2", "--markdown", str(page), "--json"]
    ran = naga_bench("determinism", chatting, *words)
    found = ran.found
    assert (ran.code, found["schedules"], found["differences"]) == (0, 4, 0)
    assert found["counts"]["tokens"] > 0 and found["examples"] == []
    assert "| differences | 0 |" in page.read_text(encoding="utf-8")


def test_the_command_fails_where_there_are_differences(
    naga_bench: NagaBench, chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StatePool, "copy_slot", forget_first_layer)
    ran = naga_bench("determinism", chatting, "--schedules=8", "--backend=native", "--json")
    assert ran.code == 1 and ran.found["differences"] > 0
    first = ran.found["examples"][0]["schedule"]
    again = naga_bench("determinism", chatting, "--schedules=1", f"--first={first}", "--json")
    assert again.code == 1 and again.found["examples"][0]["schedule"] == first
