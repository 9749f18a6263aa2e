"""Weights in motion: whole versions, on the engine's own thread, between requests."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import torch
from engine.conftest import CONFIGS, make_model
from engine.test_engine import Client, OpenEngine, facts, is_idle, request_of
from torch import Tensor

from naga.config.base import ConfigError
from naga.engine.backend import Backend
from naga.engine.chat import complete
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import Runtime, make_runtime

BFLOAT16 = make_runtime("cpu", "bfloat16")
SETTINGS = [
    {"backend": "native"},
    {"backend": "reference"},
    {"weights": "int8"},
    {"weights": "int4"},
]


def trained(seed: int, name: str = "plain") -> HybridLM:
    """float32 master weights, as a trainer has them."""
    model = HybridLM(CONFIGS[name])
    initialize(model, seed)
    return model


@pytest.fixture
def engine(open_engine: OpenEngine, small_model: HybridLM, small_runtime: Runtime) -> Engine:
    return open_engine(small_model, small_runtime, max_running=1)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", CONFIGS)
def test_an_updated_engine_answers_as_a_new_one(
    open_engine: OpenEngine, settings: dict[str, str], name: str
) -> None:
    sampling = SamplingParams(max_tokens=20, seed=3)
    request = Request(id="a", prompt=(8, 9, 10, 200), sampling=sampling, raw=True)
    old, new = trained(2, name), trained(7, name)
    engine = open_engine(make_model(CONFIGS[name], torch.bfloat16), BFLOAT16, **settings)
    before = complete(engine, request)
    assert engine.weights_version == before.weights_version == 0
    assert engine.update_weights(old.named_parameters()) == 1
    assert engine.update_weights(new.state_dict().items()) == engine.weights_version == 2
    found = complete(engine, request)
    # A quantised engine rounds the master weights once; any other through the compute dtype.
    quantised = "weights" in settings
    fresh = new if quantised else rounded(new)
    expected = complete(open_engine(fresh, BFLOAT16, **settings), request)
    assert facts(found) == facts(expected) != facts(before)
    assert (found.weights_version, expected.weights_version) == (2, 0)


def rounded(model: HybridLM) -> HybridLM:
    from naga.model.lm import memory_dtype, value_dtype

    for key, parameter in model.named_parameters():
        values = parameter.data.to(value_dtype(key, torch.bfloat16))
        parameter.data = values.to(memory_dtype(key, torch.bfloat16))
    return model.requires_grad_(False)


def test_some_weights_leave_the_others(
    open_engine: OpenEngine, small_runtime: Runtime, small_model: HybridLM
) -> None:
    request, new = request_of("a", 12), trained(7)
    changed = make_model(CONFIGS["plain"], torch.float32)
    name = "layers.0.mixer.in_proj.weight"
    changed.state_dict()[name].copy_(new.state_dict()[name])
    engine = open_engine(small_model, small_runtime)
    engine.update_weights([(name, new.state_dict()[name])])
    expected = complete(open_engine(changed, small_runtime), request)
    assert facts(complete(engine, request)) == facts(expected)
    assert engine.update_weights([]) == 2


def test_who_runs_finishes_with_the_old_weights_and_who_waits_begins_with_the_new(
    open_engine: OpenEngine, engine: Engine, small_runtime: Runtime
) -> None:
    alone = facts(complete(engine, request_of("x", 60)))
    new = trained(7)
    renewed = facts(complete(open_engine(new, small_runtime), request_of("x", 60)))
    running = Client(engine, request_of("a", 60), hold=True)
    while not engine.load.running:
        time.sleep(0.01)
    waiting = Client(engine, request_of("b", 60))
    with ThreadPoolExecutor(1) as pool, closing(running):
        update = pool.submit(engine.update_weights, new.state_dict().items())
        while engine._inbox.qsize() < 2:
            time.sleep(0.01)
        late = Client(engine, request_of("c", 60))
        assert engine.weights_version == 0
        running.let_go()
        assert update.result(60) == 1
    replies = [client.wait() for client in (running, waiting, late)]
    assert [reply.weights_version for reply in replies] == [0, 1, 1]
    assert [facts(reply) for reply in replies] == [alone, renewed, renewed]
    assert is_idle(engine)


def bad(change: Callable[[dict[str, Tensor]], object]) -> Iterator[tuple[str, Tensor]]:
    """A good first tensor, then the fault."""
    tensors = dict(trained(7).state_dict())
    change(tensors)
    return iter(tensors.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"nonsense": torch.zeros(3)}), "nonsense: not a tensor of this model"),
        (
            lambda t: t.update({"norm.weight": torch.zeros(3)}),
            r"norm.weight: has shape \(3,\), the model's has \(32,\)",
        ),
        (
            lambda t: t["layers.4.mixer.experts.up"][1, 1].fill_(torch.nan),
            "layers.4.mixer.experts.up: not of finite",
        ),
        (lambda t: t["layers.0.mixer.D"].fill_(-torch.inf), "layers.0.mixer.D: not of finite"),
        (
            lambda t: t.update({"norm.weight": torch.zeros(32, dtype=torch.int8)}),
            "norm.weight: not of finite floating-point numbers",
        ),
    ],
)
def test_bad_weights_change_nothing(
    engine: Engine, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    before = facts(complete(engine, request_of("a", 12)))
    with pytest.raises(ConfigError, match=message):
        engine.update_weights(bad(change))
    assert engine.weights_version == 0
    assert facts(complete(engine, request_of("a", 12))) == before


def test_the_same_tensor_twice_is_refused(engine: Engine) -> None:
    tensors = [*trained(7).state_dict().items()]
    with pytest.raises(ConfigError, match=r"embed\.weight: given twice"):
        engine.update_weights([*tensors, tensors[0]])
    assert engine.weights_version == 0


def test_a_closed_engine_takes_no_weights(engine: Engine) -> None:
    running = Client(engine, request_of("a", 300), hold=True)
    running.next()
    with ThreadPoolExecutor(1) as pool, closing(running):
        update = pool.submit(engine.update_weights, trained(7).state_dict().items())
        while engine._inbox.empty():
            time.sleep(0.01)
        closer = threading.Thread(target=engine.close)
        closer.start()
        while not engine._closed:
            time.sleep(0.01)
        running.let_go()
        with pytest.raises(ConfigError, match="the engine was closed; its weights are old"):
            update.result(60)
    closer.join(60)
    assert running.wait().weights_version == 0
    with pytest.raises(ConfigError, match="takes no more weights"):
        engine.update_weights([])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_with_half_of_the_weights_does_not_go_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Backend, "load", fail)
    with pytest.raises(MemoryError):
        engine.update_weights([])
    engine._thread.join(60)
    assert not engine.alive
    with pytest.raises(ConfigError, match="closed"):
        Client(engine, request_of("a", 1))
