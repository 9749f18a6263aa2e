"""What must not bring the engine down: storms, shortage, NaN, failures, clocks, impatience."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from engine.conftest import CONFIGS
from engine.test_engine import Client, OpenEngine, facts, is_idle, poison, prompt_of, request_of

from naga.engine.chat import Reply, complete
from naga.engine.engine import Engine
from naga.engine.request import Output, Request, SamplingParams
from naga.engine.runner import Runner
from naga.engine.scheduler import Piece, Scheduler
from naga.model.account import account
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import Runtime

STATE_BYTES = account(CONFIGS["plain"], 4).state_bytes
# Repeats itself, so that tokens are guessed.
REPEATING = SamplingParams(max_tokens=40, temperature=0, logit_bias=((5, 50.0), (6, 50.0)))
# Few pages and slots, a few snapshots: everybody is in everybody's way.
NARROW = {"max_running": 4, "max_waiting": 600, "kv_tokens": 320, "snapshot_bytes": 7 * STATE_BYTES}
Opened = Callable[..., Engine]


@pytest.fixture
def opened(open_engine: OpenEngine, small_model: HybridLM, small_runtime: Runtime) -> Opened:
    """An engine whose memory is poisoned."""

    def open_one(**changes: int) -> Engine:
        engine = open_engine(small_model, small_runtime, **changes)
        poison(engine)
        return engine

    return open_one


@pytest.fixture
def narrow(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Pages come one by one, so that answers outgrow what there is."""
    monkeypatch.setattr("naga.engine.scheduler.AHEAD", 16)
    return opened(**NARROW)


def requests_of_a_kind(count: int, max_tokens: int) -> list[Request]:
    """With shared beginnings, some drawn, some guessed, some with boundaries."""
    beginnings = [prompt_of(length, seed) for seed, length in enumerate((20, 33, 64))]
    return [
        Request(
            id=str(index),
            prompt=beginnings[index % 3] + prompt_of(1 + index * 7 % 30, index),
            sampling=replace(REPEATING, max_tokens=max_tokens)
            if index % 2
            else SamplingParams(max_tokens=max_tokens, seed=index),
            raw=True,
            boundaries=(10, 20) if index % 4 == 0 else (),
        )
        for index in range(count)
    ]


def all_of(engine: Engine, requests: Sequence[Request]) -> list[Reply]:
    """All inside at once."""
    return [client.wait() for client in [Client(engine, request) for request in requests]]


def alone(opened: Opened, requests: Sequence[Request]) -> list[tuple[object, ...]]:
    engine = opened(draft_tokens=0)
    return [facts(complete(engine, request)) for request in requests]


# ---- storms and shortage


def test_after_a_storm_of_cancels_everything_is_free_and_right(
    opened: Opened, narrow: Engine
) -> None:
    kinds = requests_of_a_kind(12, 12)
    expected = alone(opened, kinds)
    replies: list[list[tuple[int, Reply]]] = [[] for _ in range(4)]

    def storm(thread: int) -> None:
        draw = random.Random(thread)
        clients = []
        for number in range(125):
            kind = draw.randrange(12)
            name = f"{thread}.{number}"
            clients.append((kind, Client(narrow, replace(kinds[kind], id=name))))
            if draw.random() < 0.7:
                narrow.cancel(f"{thread}.{draw.randint(0, number)}")
            if draw.random() < 0.1:
                time.sleep(draw.random() / 100)
        for number in draw.sample(range(125), 60):
            narrow.cancel(f"{thread}.{number}")
        replies[thread] = [(kind, client.wait()) for kind, client in clients]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(storm, range(4)))
    ended = [pair for part in replies for pair in part]
    whole = [(kind, reply) for kind, reply in ended if reply.finish_reason != "cancelled"]
    assert len(ended) == 500 and 0 < len(whole) < 500
    assert all(facts(reply) == expected[kind] for kind, reply in whole)
    assert is_idle(narrow)
    assert narrow.load.snapshots == 0
    assert [facts(reply) for reply in all_of(narrow, kinds)] == expected


def test_with_far_too_few_pages_all_answers_end_as_alone(opened: Opened, narrow: Engine) -> None:
    requests = requests_of_a_kind(10, 110)
    expected = alone(opened, requests)
    assert [facts(reply) for reply in all_of(narrow, requests)] == expected
    assert narrow.load.gave_way > 0
    assert is_idle(narrow)


def test_log_probabilities_of_prompts_survive_giving_way_and_wrong_guesses(
    opened: Opened, narrow: Engine
) -> None:
    requests = [
        replace(request, sampling=replace(request.sampling, prompt_logprobs=2))
        for request in requests_of_a_kind(8, 110)
    ]
    engine = opened(draft_tokens=0)
    expected = [complete(engine, request) for request in requests]
    for found, one in zip(all_of(narrow, requests), expected, strict=True):
        assert facts(found) == facts(one)
        assert found.prompt_logprobs == one.prompt_logprobs is not None
    assert narrow.load.gave_way > 0


# ---- NaN and failures inside a step


class Faulty:
    """`Runner.step`, but what it computes for the request "bad" is NaN, memory included."""

    def __init__(self, engine: Engine) -> None:
        self.hit = 0
        self._runner, self._step = engine._runner, engine._runner.step
        self.only_guesses = False

    def step(self, pieces: Sequence[Piece], draws: Any) -> list[Any]:
        samples = iter(self._step(pieces, draws))
        found = []
        for piece in pieces:
            own = [next(samples) for _ in piece.positions]
            if piece.job.id == "bad" and (piece.drafts or not self.only_guesses):
                self.hit += 1
                self._spoil(piece)
                own = [None] * len(own)
            found += own
        return found

    def _spoil(self, piece: Piece) -> None:
        pool = self._runner.pool
        for memory in pool.by_slot.values():
            memory[:, piece.slot] = torch.nan
        size = pool.page_size
        for position in range(piece.start, piece.start + len(piece.tokens)):
            page = piece.pages[position // size]
            pool.keys[:, page, position % size] = torch.nan
            pool.values[:, page, position % size] = torch.nan


def test_nan_fails_its_own_request_and_nobody_goes_on_from_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(
        id="a",
        prompt=prompt_of(150, 3),
        sampling=SamplingParams(max_tokens=20, seed=1),
        boundaries=(40, 90),
    )
    beginning = replace(request, id="b", prompt=request.prompt[:60], boundaries=())
    expected = alone(opened, [request, beginning])
    engine = opened()
    good = facts(complete(engine, request_of("c", 60)))
    # What was known before stays known.
    complete(engine, beginning)
    faulty = Faulty(engine)
    monkeypatch.setattr(engine._runner, "step", faulty.step)
    other = Client(engine, request_of("c", 60))
    reply = Client(engine, replace(request, id="bad")).wait()
    assert (reply.finish_reason, faulty.hit > 1) == ("error", True)
    assert "are not finite" in (reply.error or "")
    assert facts(other.wait()) == good
    found = [complete(engine, request), complete(engine, beginning)]
    assert [facts(one) for one in found] == expected
    assert found[1].usage.cached_tokens > 50
    assert is_idle(engine)


def test_nan_among_guessed_tokens_fails_nobody_else(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    request = Request(id="bad", prompt=(5, 6) * 6, sampling=REPEATING, raw=True)
    other = Request(id="good", prompt=prompt_of(9, 2), sampling=SamplingParams(max_tokens=60))
    expected = facts(complete(engine, other))
    faulty = Faulty(engine)
    faulty.only_guesses = True
    monkeypatch.setattr(engine._runner, "step", faulty.step)
    # Its guesses go beyond the end of its page.
    prompts = [replace(request, prompt=(5, 6) * half) for half in range(2, 9)]
    for prompt in prompts:
        client = Client(engine, other)
        assert Client(engine, prompt).wait().finish_reason == "error"
        assert facts(client.wait()) == expected
    assert faulty.hit == len(prompts)
    assert is_idle(engine)


@pytest.mark.parametrize("place", ["step", "copy"])
def test_a_failure_inside_a_step_leaves_nothing_wrong_in_the_cache(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    requests = requests_of_a_kind(6, 12)
    expected = alone(opened, requests)
    engine, left = opened(), iter([True, True, False])
    whole = getattr(Runner, place)

    def sometimes(*arguments: Any) -> Any:
        if place == "copy" and not list(arguments[1]):
            return None
        if not next(left, True):
            raise RuntimeError("out of memory")
        return whole(*arguments)

    monkeypatch.setattr(Runner, place, sometimes)
    for round_ in range(5):
        found = [complete(engine, replace(request, id=f"{round_}")) for request in requests[::2]]
        left = iter([True] * round_ + [False])
        failed = all_of(engine, [replace(request, id=f"x{request.id}") for request in requests])
        assert any(reply.error == "RuntimeError: out of memory" for reply in failed)
        whole_ones = [(n, reply) for n, reply in enumerate(failed) if reply.error is None]
        assert all(facts(reply) == expected[n] for n, reply in whole_ones)
    monkeypatch.undo()
    found = all_of(engine, requests)
    assert [facts(reply) for reply in found] == expected
    assert is_idle(engine)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_breaks_in_the_bookkeeping_everybody_hears_of_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(max_running=2)
    running = [Client(engine, request_of(name, 300), hold=True) for name in "abc"]
    running[0].next()

    def fail(*_: object, **__: object) -> None:
        raise SystemError("a bug")

    monkeypatch.setattr(Scheduler, "_let_go", fail)
    engine.cancel("a")
    for client in running:
        client.let_go()
    assert {client.wait().finish_reason for client in running} == {"error"}
    engine._thread.join(60)
    assert not engine.alive


def test_a_sink_that_raised_hears_no_more(opened: Opened) -> None:
    engine, heard, failed = opened(), list[Output](), threading.Event()

    def sink(output: Output) -> None:
        heard.append(output)
        if len(heard) > 8:
            failed.set()
            raise ValueError("nobody is listening")

    # Steps give several tokens each.
    engine.submit(Request(id="a", prompt=(5, 6) * 20, sampling=REPEATING, raw=True), sink)
    assert failed.wait(60)
    assert complete(engine, request_of("b", 5)).finish_reason == "length"
    assert len(heard) == 9
    assert is_idle(engine)


# ---- clocks, deadlines, priorities


class Clock:
    """Stands in for the module `time`; jumps between any two readings."""

    def __init__(self, jumps: Sequence[float]) -> None:
        self._jumps, self._offset, self._reads = jumps, 0.0, 0

    def monotonic(self) -> float:
        self._reads += 1
        if self._reads % 5 == 0:
            self._offset += self._jumps[self._reads // 5 % len(self._jumps)]
        return time.monotonic() + self._offset


@pytest.mark.parametrize(
    "jumps", [(1e6, 0.0), (1e12, -1e12), (0.0, -3600.0), (3e-9, 1e15)], ids=str
)
def test_jumps_of_the_clock_stop_nobody_and_change_no_answer(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, jumps: tuple[float, ...]
) -> None:
    requests = requests_of_a_kind(6, 12)
    expected = alone(opened, requests)
    monkeypatch.setattr("naga.engine.engine.time", Clock(jumps))
    monkeypatch.setattr("time.time", lambda: -1e9)
    engine = opened()
    found = all_of(engine, requests)
    assert [facts(reply) for reply in found] == expected
    assert is_idle(engine)


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """One number, for tests to set: the seconds by which the engine's clock is ahead."""
    ahead = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0])
    monkeypatch.setattr("naga.engine.engine.time", clock)
    return ahead


def test_deadlines_end_by_the_monotonic_clock_alone(
    opened: Opened, ahead: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    monkeypatch.setattr("time.time", lambda: 1e12)
    patient = Client(engine, replace(request_of("a", 200), deadline_s=1e9), hold=True)
    hasty = Client(engine, replace(request_of("b", 200), deadline_s=3600))
    first = patient.next()
    ahead[0] = 3601.0
    patient.let_go()
    assert hasty.wait().finish_reason == "deadline"
    reply = patient.wait()
    assert (first.finish_reason, reply.finish_reason) == (None, "length")
    assert complete(engine, replace(request_of("c", 3), deadline_s=60)).finish_reason == "length"
    assert is_idle(engine)


def test_a_deadline_ends_who_waits_and_who_runs_with_what_it_has(
    opened: Opened, ahead: list[float]
) -> None:
    engine = opened(max_running=1)
    whole = complete(engine, request_of("x", 300)).tokens
    running = Client(engine, replace(request_of("a", 300), deadline_s=3600), hold=True)
    first = running.next()
    waiting = Client(engine, replace(request_of("b", 300), deadline_s=1800))
    ahead[0] = 3601.0
    running.let_go()
    assert waiting.wait().usage.completion_tokens == 0
    reply = running.wait()
    assert reply.finish_reason == "deadline"
    assert (first.token, *reply.tokens) == whole[: 1 + len(reply.tokens)]
    assert is_idle(engine)


def test_higher_priorities_interrupt_lower_ones_whose_answers_stay_the_same(
    opened: Opened,
) -> None:
    requests = requests_of_a_kind(4, 60)
    expected = alone(opened, requests)
    engine = opened(max_running=1)
    ended: list[str] = []

    def priority_of(request: Request, priority: int) -> Client:
        client = Client(
            engine, replace(request, priority=priority), hold=not ended and not priority
        )
        return client

    low = priority_of(requests[0], 0)
    first = low.next()
    others = [priority_of(request, n) for n, request in enumerate(requests[1:], 1)]
    low.let_go()
    replies = [client.wait() for client in others]
    assert [facts(reply) for reply in replies] == expected[1:]
    rest = low.wait()
    assert (first.token, *rest.tokens) == expected[0][0]
    queued = [reply.timings.queue_s for reply in replies]
    assert queued[2] < queued[1] < queued[0]
    assert engine.load.gave_way >= 1
    assert is_idle(engine)


# ---- ends and updates


def test_closing_while_hundreds_wait_ends_them_all(opened: Opened) -> None:
    engine = opened(max_waiting=400)
    held = Client(engine, request_of("held", 300), hold=True)
    held.next()
    waiting = [Client(engine, request_of(str(n), 300)) for n in range(300)]
    held.let_go()
    engine.close()
    assert {client.wait().finish_reason for client in [held, *waiting]} == {"cancelled"}
    assert is_idle(engine)


@pytest.fixture
def versions(small_model: HybridLM) -> list[dict[str, torch.Tensor]]:
    """Weights that the engine begins with, and others."""
    other = HybridLM(CONFIGS["plain"])
    initialize(other, seed=7)
    own = {name: tensor.clone() for name, tensor in small_model.state_dict().items()}
    return [own, {name: tensor.detach() for name, tensor in other.state_dict().items()}]


def test_new_weights_under_load_mix_no_answer_and_restore_nothing_old(
    opened: Opened, narrow: Engine, versions: list[dict[str, torch.Tensor]]
) -> None:
    requests = requests_of_a_kind(10, 90)
    reference = opened()
    expected = []
    for tensors in versions[::-1]:
        reference.update_weights(tensors.items())
        expected.insert(0, [facts(complete(reference, request)) for request in requests])
    assert expected[0] != expected[1]
    seen = set()
    for round_ in range(4):
        clients = [Client(narrow, request) for request in requests]
        clients[0].next()
        before = narrow.load.gave_way
        while narrow.load.gave_way == before and narrow.load.running:
            time.sleep(0.001)
        narrow.update_weights(versions[(round_ + 1) % 2].items())
        for index, client in enumerate(clients):
            reply = client.wait()
            seen.add(reply.weights_version)
            if index:
                assert facts(reply) == expected[reply.weights_version % 2][index]
    assert narrow.load.gave_way > 0
    assert seen >= {0, 1, 2, 3}
    assert is_idle(narrow)
