"""What leaves one engine goes on in another as if it had never left."""

from dataclasses import replace

import pytest
import torch
from engine.conftest import CONFIGS, make_model
from engine.test_engine import Client, OpenEngine, facts, is_idle

from naga.config.base import ConfigError
from naga.config.model import Mamba1Config, ModelConfig
from naga.engine.chat import complete
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.runtime import make_runtime

PROMPT = tuple(n * 7 % 250 for n in range(75))
PATTERNS = {
    "both": "M*-ME", "attention": "*-*-", "recurrent": "M-M-", "mamba1": "S-S-", "all": "M*-SEM",
    "parallel": "H-MS*H-",
}  # fmt: skip
MAMBA1 = Mamba1Config(inner_dim=48, state_dim=7, dt_rank=4)


def config_of(pattern: str) -> ModelConfig:
    if pattern == "parallel":
        return CONFIGS["parallel"]
    config = CONFIGS["plain"].model_copy(update={"pattern": PATTERNS[pattern]})
    if pattern in ("mamba1", "all"):
        config = config.model_copy(update={"mamba1": MAMBA1})
    if pattern == "mamba1":
        return config.model_copy(update={"mamba": None, "attention": None, "moe": None})
    if pattern == "attention":
        return config.model_copy(update={"mamba": None, "moe": None})
    return (
        config
        if pattern in ("both", "all")
        else config.model_copy(update={"attention": None, "moe": None})
    )


def asked(name: str, max_tokens: int) -> Request:
    sampling = SamplingParams(max_tokens=max_tokens, seed=2)
    return Request(id=name, prompt=PROMPT, sampling=sampling, raw=True)


def open_one(open_engine: OpenEngine, pattern: str, **changes: int | str) -> Engine:
    runtime = make_runtime("cpu", "bfloat16")
    return open_engine(make_model(config_of(pattern), torch.bfloat16), runtime, **changes)


@pytest.mark.parametrize("kv", [None, "int8"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_conversation_goes_on_in_another_engine(
    open_engine: OpenEngine, pattern: str, kv: str | None
) -> None:
    changes = {} if kv is None else {"kv": kv}
    first, second = (open_one(open_engine, pattern, **changes) for _ in range(2))
    one = asked("a", 20)
    reply = complete(first, one)
    two = replace(one, id="b", prompt=(*PROMPT, *reply.tokens, 9, 8, 7))
    state = first.export(two.prompt)
    assert state is not None and state.tokens == two.prompt[: len(state.tokens)]
    assert second.install(state) == len(state.tokens)
    expected = complete(first, two)
    found = complete(second, two)
    assert facts(found) == facts(expected)
    assert found.usage.cached_tokens == len(state.tokens) == expected.usage.cached_tokens
    second.forget()
    cold = complete(second, replace(two, id="c"))
    assert facts(cold) == facts(expected) and cold.usage.cached_tokens == 0
    # Twice is as good as once, and beside what is known already.
    assert second.install(state) == second.install(state) == len(state.tokens)
    assert is_idle(first) and is_idle(second)


def test_nothing_is_known_of_what_another_tenant_asked(open_engine: OpenEngine) -> None:
    engine = open_one(open_engine, "both")
    complete(engine, replace(asked("a", 4), tenant="one"))
    assert engine.export(PROMPT, "one") is not None
    assert engine.export(PROMPT) is None and engine.export(PROMPT, "two") is None
    state = engine.export(PROMPT, "one")
    assert state is not None
    engine.install(state, "two")
    found = complete(engine, replace(asked("b", 4), tenant="two"))
    assert found.usage.cached_tokens == len(PROMPT) - 1


def test_what_does_not_fit_is_refused_with_the_counts(open_engine: OpenEngine) -> None:
    state_of = open_one(open_engine, "both")
    complete(state_of, asked("a", 4))
    state = state_of.export(PROMPT)
    assert state is not None
    for changes in ({"kv_tokens": 32}, {"snapshot_bytes": 0}):
        small = open_one(open_engine, "both", **changes)
        with pytest.raises(ConfigError, match=r"saved state's \d+ tokens do not fit"):
            small.install(state)
        assert is_idle(small)


def test_a_closed_engine_neither_gives_nor_takes(open_engine: OpenEngine) -> None:
    engine = open_one(open_engine, "both")
    engine.close()
    with pytest.raises(ConfigError, match="closed"):
        engine.export(PROMPT)


def test_a_request_may_run_while_a_state_is_put_in(open_engine: OpenEngine) -> None:
    engine = open_one(open_engine, "both", kv_tokens=256)
    complete(engine, asked("a", 4))
    state = engine.export(PROMPT)
    assert state is not None
    sampling = SamplingParams(max_tokens=100)
    long = Request(id="long", prompt=(1, 2, 3), sampling=sampling, raw=True)
    expected = complete(engine, long)
    client = Client(engine, replace(long, id="again"))
    for _ in range(5):
        engine.install(state)
        engine.forget()
    assert facts(client.wait()) == facts(expected)
    assert is_idle(engine)
