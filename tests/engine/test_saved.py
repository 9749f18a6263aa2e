"""Out of one engine, onto the disk, into another: the answer is the same, bit for bit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from naga.engine.chat import Reply, complete, new_id
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.engine.saved import Identity
from naga.engine.state_folder import read_state, write_state
from naga.model.lm import HybridLM
from naga.runtime import Runtime

PROMPT = tuple(7 + (37 * index) % 250 for index in range(90))
MORE = tuple(8 + (31 * index) % 240 for index in range(20))


def identity_of(engine: Engine) -> Identity:
    return Identity(
        weights="a" * 64,
        tokenizer="b" * 64,
        template="c" * 64,
        config=engine.model_config,
        numerics=engine.numerics,
    )


def answer(engine: Engine, prompt: tuple[int, ...], temperature: float, num_tokens: int) -> Reply:
    sampling = SamplingParams(temperature=temperature, seed=3, max_tokens=num_tokens)
    return complete(engine, Request(id=new_id(), prompt=prompt, sampling=sampling, raw=True))


@pytest.mark.parametrize("kv", [None, "int8"])
@pytest.mark.parametrize("num_tokens", [64, 65, 90])
def test_an_answer_after_a_restart_is_the_same(
    open_engine: Callable[..., Engine],
    model: HybridLM,
    runtime: Runtime,
    tmp_path: Path,
    kv: str | None,
    num_tokens: int,
) -> None:
    changes = {} if kv is None else {"kv": kv}
    first, second, third = (open_engine(model, runtime, **changes) for _ in range(3))
    known = PROMPT[:num_tokens]
    answer(first, known, 0.0, 1)
    state = first.export(known)
    assert state is not None
    write_state(tmp_path / "X.state", identity_of(first), state)
    installed = second.install(read_state(tmp_path / "X.state", identity_of(second)))
    assert 0 < installed <= num_tokens
    for temperature in (0.0, 1.0):
        warm = answer(second, known + MORE, temperature, 12)
        cold = answer(third, known + MORE, temperature, 12)
        assert (warm.tokens, warm.logprobs) == (cold.tokens, cold.logprobs)
        if temperature == 0.0:
            assert cold.usage.cached_tokens == 0 and warm.usage.cached_tokens == installed


def test_a_state_is_the_size_that_the_account_says(
    open_engine: Callable[..., Engine], model: HybridLM, runtime: Runtime
) -> None:
    engine = open_engine(model, runtime)
    answer(engine, PROMPT, 0.0, 1)
    state = engine.export(PROMPT)
    assert state is not None
    expected = identity_of(engine).state_bytes(len(state.tokens), len(state.snapshots))
    assert state.num_bytes == expected
