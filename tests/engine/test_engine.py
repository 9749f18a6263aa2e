"""The engine as a whole: exact answers under any load, stops, refusals, failures, cancellation."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from naga.config.base import ConfigError
from naga.data.tokenizer import END, Tokenizer
from naga.engine.chat import Reply, complete, complete_all, gather, stream
from naga.engine.engine import Engine
from naga.engine.request import Output, QueueFull, Request, SamplingParams
from naga.engine.runner import Runner
from naga.engine.scheduler import Scheduler
from naga.model.lm import HybridLM
from naga.runtime import Runtime

OpenEngine = Callable[..., Engine]
FreshModel = Callable[[str], HybridLM]


def prompt_of(length: int, seed: int) -> tuple[int, ...]:
    """Plain tokens: ids 0..9 are control tokens."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(10, 300, (length,), generator=generator).tolist())


def mixed_requests() -> list[Request]:
    """Long and short, greedy and sampled, thinking, raw, stopped: eight at once."""
    prompt = prompt_of(45, 9)
    samplings = [
        (prompt_of(90, 1), SamplingParams(max_tokens=30, temperature=0)),
        (prompt_of(1, 2), SamplingParams(max_tokens=40, seed=4)),
        (prompt_of(33, 3), SamplingParams(max_tokens=25, top_p=0.7, seed=-1)),
        (prompt_of(130, 4), SamplingParams(max_tokens=9, top_k=3, temperature=1.7)),
        (prompt_of(16, 5), SamplingParams(max_tokens=33, stop=("a", "e"), seed=8)),
        (prompt_of(17, 6), SamplingParams(max_tokens=1)),
        (prompt, SamplingParams(max_tokens=20, seed=6)),
        (prompt, SamplingParams(max_tokens=20, seed=6)),
    ]
    return [
        Request(
            id=f"r{index}",
            prompt=prompt,
            sampling=sampling,
            thinking=index % 3 == 1,
            raw=index % 3 == 2,
            choice=int(index == 7),
        )
        for index, (prompt, sampling) in enumerate(samplings)
    ]


def facts(reply: Reply) -> tuple[object, ...]:
    """Everything of a reply but the times and what was cached."""
    return (
        reply.tokens,
        reply.logprobs,
        reply.reasoning,
        reply.text,
        reply.finish_reason,
        replace(reply.usage, cached_tokens=0),
    )


def poison(engine: Engine) -> None:
    pool = engine._runner.pool
    for memory in (*pool.by_slot.values(), pool.keys, pool.values):
        memory.fill_(torch.nan)


def is_idle(engine: Engine) -> bool:
    """Nobody holds anything, and nothing is lost once the cache is dropped."""
    config, load = engine.config, engine.load
    if engine.alive:
        engine.forget()
        assert engine.load.free_pages == config.kv_tokens // config.page_size
        assert engine.load.snapshots == engine.load.cached_pages == 0
    return (load.running, load.waiting, load.free_slots) == (0, 0, config.max_running)


class Client:
    """Submits one request and collects what comes back; `hold` stops the engine at its first output
    until `let_go`, so that a test acts while the request certainly runs."""

    def __init__(self, engine: Engine, request: Request, *, hold: bool = False) -> None:
        self._queue: queue.SimpleQueue[Output] = queue.SimpleQueue()
        self._gate = threading.Event()
        if not hold:
            self._gate.set()
        engine.submit(request, self._sink)

    def _sink(self, output: Output) -> None:
        self._queue.put(output)
        self._gate.wait(60)

    def let_go(self) -> None:
        self._gate.set()

    close = let_go

    def next(self) -> Output:
        return self._queue.get(timeout=60)

    def wait(self) -> Reply:
        outputs = [self.next()]
        while outputs[-1].finish_reason is None:
            outputs.append(self.next())
        return gather(outputs)


@pytest.fixture
def engine(open_engine: OpenEngine, small_model: HybridLM, small_runtime: Runtime) -> Engine:
    return open_engine(small_model, small_runtime)


def request_of(name: str, max_tokens: int) -> Request:
    """Goes on for 233 tokens, unless max_tokens are fewer."""
    sampling = SamplingParams(max_tokens=max_tokens, seed=2)
    return Request(id=name, prompt=(7,), sampling=sampling, raw=True)


def one_by_one(engine: Engine, requests: Sequence[Request]) -> list[tuple[object, ...]]:
    return [facts(complete(engine, request)) for request in requests]


def test_answers_in_a_crowd_equal_answers_alone_bit_for_bit(
    open_engine: OpenEngine, model: HybridLM, runtime: Runtime
) -> None:
    requests = mixed_requests()
    alone = one_by_one(open_engine(model, runtime), requests)
    crowd = open_engine(model, runtime, max_running=8)
    poison(crowd)
    assert [facts(reply) for reply in complete_all(crowd, requests)] == alone
    # Fewer seats, other chunks, stale memory of the first round instead of a fresh pool.
    narrow = open_engine(model, runtime, max_running=3, prefill_chunk=7, kv_tokens=256)
    poison(narrow)
    for _ in range(2):
        clients = [Client(narrow, request) for request in requests]
        assert [facts(client.wait()) for client in clients] == alone
    assert is_idle(narrow)


def test_guessing_ahead_changes_no_bit_and_takes_fewer_steps(
    open_engine: OpenEngine, model: HybridLM, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two tokens alone: what comes has often been there.
    greedy = SamplingParams(max_tokens=120, temperature=0, logit_bias=((5, 50.0), (6, 50.0)))
    requests = [
        Request(id=str(n), prompt=(n, 5, 6, 7) * 3, sampling=sampling, raw=True)
        for n, sampling in enumerate((greedy, greedy, SamplingParams(max_tokens=60, seed=4)))
    ]
    found = []
    for draft_tokens in (0, 8):
        engine = open_engine(model, runtime, draft_tokens=draft_tokens)
        poison(engine)
        steps, step = [], engine._runner.step

        def counted(*args: Any, steps: Any = steps, step: Any = step) -> Any:
            steps.append(1)
            return step(*args)

        monkeypatch.setattr(engine._runner, "step", counted)
        found.append(([facts(reply) for reply in complete_all(engine, requests)], len(steps)))
        assert is_idle(engine)
    (plain, slow), (guessed, fast) = found
    assert plain == guessed
    assert fast < slow


def test_choices_of_one_prompt_differ(engine: Engine) -> None:
    replies = complete_all(engine, [request_of("a", 20), replace(request_of("b", 20), choice=1)])
    assert replies[0].tokens != replies[1].tokens


def test_an_answer_can_be_continued_from_its_own_tokens(engine: Engine) -> None:
    """Noise belongs to a position, not to a step: a resumed request goes on as if never stopped."""
    whole = request_of("a", 24)
    full = complete(engine, whole)
    assert len(full.tokens) == 24
    resumed = replace(request_of("b", 14), prompt=whole.prompt + full.tokens[:10])
    reply = complete(engine, resumed)
    assert (reply.tokens, reply.logprobs) == (full.tokens[10:], full.logprobs[10:])


def test_a_stop_string_is_never_streamed(engine: Engine) -> None:
    free = complete(engine, request_of("a", 60)).text
    stop = free[12:15]
    expected = free[: free.index(stop)]
    request = request_of("b", 60)
    request = replace(request, sampling=replace(request.sampling, stop=(stop,)))
    shown = ""
    for output in stream(engine, request):
        shown += output.content
        assert expected.startswith(shown)
    assert (output.finish_reason, shown) == ("stop", expected)


def test_the_end_token_stops(
    open_engine: OpenEngine, fresh_model: FreshModel, small_runtime: Runtime, tokenizer: Tokenizer
) -> None:
    model = fresh_model("rotated")
    # The head sees one hidden value only and gives it to the end token, or takes it away from it.
    end = tokenizer.control_id(END)
    model.head.weight.zero_()
    model.head.weight[end, 0] = 1.0
    engine = open_engine(model, small_runtime)
    greedy = SamplingParams(temperature=0, max_tokens=1)
    requests = [Request(id=f"{id}", prompt=(id,), sampling=greedy) for id in range(7, 20)]
    ended = [reply for reply in complete_all(engine, requests) if reply.tokens == (end,)]
    assert ended
    assert all((reply.finish_reason, reply.text) == ("stop", "") for reply in ended)


def test_what_can_never_fit_is_refused_at_once(engine: Engine) -> None:
    request = Request(id="a", prompt=(7,) * 200, sampling=SamplingParams(max_tokens=201))
    with pytest.raises(ConfigError, match=r"200 prompt tokens \+ 201 max_tokens = 401"):
        engine.submit(request, print)
    assert is_idle(engine)


def test_a_full_queue_refuses_and_recovers(
    open_engine: OpenEngine, small_model: HybridLM, small_runtime: Runtime
) -> None:
    engine = open_engine(small_model, small_runtime, max_running=1, max_waiting=2)
    running = Client(engine, request_of("0", 300), hold=True)
    waiting = [Client(engine, request_of(name, 2)) for name in "12"]
    with pytest.raises(QueueFull, match="3 requests are inside"):
        Client(engine, request_of("3", 2))
    running.let_go()
    assert {client.wait().finish_reason for client in [running, *waiting]} <= {"stop", "length"}
    assert Client(engine, request_of("3", 2)).wait().finish_reason == "length"


def test_an_id_in_use_is_refused(engine: Engine) -> None:
    client = Client(engine, request_of("same", 5), hold=True)
    with pytest.raises(ConfigError, match="'same' is in use"):
        Client(engine, request_of("same", 5))
    client.let_go()
    client.wait()
    assert Client(engine, request_of("same", 5)).wait().finish_reason == "length"


def test_cancelling_frees_memory_before_the_client_hears_of_it(
    open_engine: OpenEngine, small_model: HybridLM, small_runtime: Runtime
) -> None:
    engine = open_engine(small_model, small_runtime, max_running=1)
    running = Client(engine, request_of("a", 300), hold=True)
    waiting = Client(engine, request_of("b", 300))
    first = running.next()
    assert first.finish_reason is None
    assert engine.load.free_slots == 0
    engine.cancel("b")
    engine.cancel("a")
    running.let_go()
    for client, completion_tokens in ((waiting, 0), (running, 1)):
        reply = client.wait()
        assert (reply.finish_reason, reply.tokens) == ("cancelled", ())
        assert reply.usage.completion_tokens == completion_tokens
    assert is_idle(engine)


def test_cancelling_what_is_not_there_does_nothing(engine: Engine) -> None:
    engine.cancel("never heard of")
    assert complete(engine, request_of("a", 3)).finish_reason == "length"
    engine.cancel("a")
    assert complete(engine, request_of("a", 3)).finish_reason == "length"


def test_leaving_a_stream_cancels(engine: Engine) -> None:
    outputs = stream(engine, request_of("a", 300))
    next(outputs)
    outputs.close()
    # The next request enters after the cancellation was read: nothing runs beside it.
    complete(engine, request_of("b", 1))
    assert is_idle(engine)


def test_logits_that_are_not_finite_end_only_their_own_request(
    open_engine: OpenEngine, fresh_model: FreshModel, small_runtime: Runtime
) -> None:
    model = fresh_model("rotated")
    model.embed.weight[9] = torch.nan
    engine = open_engine(model, small_runtime)
    greedy = SamplingParams(temperature=0, max_tokens=8)
    good = Request(id="good", prompt=(7,) * 50, sampling=greedy, raw=True)
    alone = complete(engine, good)
    bad = replace(good, id="bad", prompt=(7,) * 40 + (9,) * 10)
    replies = complete_all(engine, [bad, good])
    assert replies[0].finish_reason == "error"
    assert "position 50 are not finite" in (replies[0].error or "")
    assert facts(replies[1]) == facts(alone)
    # The slot and pages that held NaN serve the next ones well.
    after = complete_all(engine, [replace(good, id=str(index)) for index in range(4)])
    assert {facts(reply) for reply in after} == {facts(alone)}
    assert is_idle(engine)


def test_a_failing_step_ends_its_requests_and_the_engine_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Runner, "step", fail)
    reply = complete(engine, request_of("a", 5))
    assert (reply.finish_reason, reply.error) == ("error", "RuntimeError: out of memory")
    monkeypatch.undo()
    assert is_idle(engine)
    assert complete(engine, request_of("a", 5)).finish_reason == "length"


def test_a_failing_sink_drops_only_its_own_request(engine: Engine) -> None:
    failed = threading.Event()

    def sink(output: Output) -> None:
        failed.set()
        raise ValueError("nobody is listening")

    engine.submit(request_of("a", 300), sink)
    assert failed.wait(60)
    assert complete(engine, request_of("b", 5)).finish_reason == "length"
    assert is_idle(engine)


def test_closing_ends_everyone_as_cancelled_and_takes_no_more(engine: Engine) -> None:
    running = Client(engine, request_of("0", 300), hold=True)
    others = [Client(engine, request_of(f"{index}", 300)) for index in range(1, 7)]
    running.next()
    closer = threading.Thread(target=engine.close)
    closer.start()
    while not engine._closed:
        time.sleep(0.01)
    running.let_go()
    assert {client.wait().finish_reason for client in [running, *others]} == {"cancelled"}
    closer.join(60)
    assert not engine.alive
    assert is_idle(engine)
    with pytest.raises(ConfigError, match="closed"):
        Client(engine, request_of("late", 1))
    engine.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_whose_thread_dies_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise SystemError("a bug in the bookkeeping")

    monkeypatch.setattr(Scheduler, "plan", die)
    reply = complete(engine, request_of("a", 5))
    assert (reply.finish_reason, reply.error) == (
        "error",
        "the engine's thread failed; its traceback is in the log",
    )
    with pytest.raises(ConfigError, match="closed"):
        Client(engine, request_of("b", 5))
    engine._thread.join(60)
    assert not engine.alive


def test_many_threads_may_submit_and_cancel_at_once(engine: Engine) -> None:
    sampling = SamplingParams(max_tokens=6, seed=1)
    requests = [
        Request(id=f"{index}", prompt=prompt_of(5 + index % 4, index % 4), sampling=sampling)
        for index in range(32)
    ]
    alone = one_by_one(engine, requests[:4])
    results: list[list[Reply]] = [[] for _ in range(4)]

    def work(first: int) -> None:
        for request in requests[first::4]:
            victim = Client(engine, request_of(f"x{request.id}", 300))
            client = Client(engine, request)
            engine.cancel(f"x{request.id}")
            results[first].append(client.wait())
            victim.wait()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for replies, expected in zip(results, alone, strict=True):
        assert [facts(reply) for reply in replies] == [expected] * 8
    assert is_idle(engine)
