"""naga.rl.parity: sampler and trainer agree, on a trained model and on one of every layer kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from naga.checkpoint.load import load_model
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine.backend import make_backend
from naga.engine.engine import Engine
from naga.model.lm import HybridLM
from naga.rl.parity import measure_parity, score_parity
from naga.rl.rollout import served_copy
from naga.runtime import Runtime, make_runtime
from rl.tiny import make_model, tokenizer

MINI = Path(__file__).parents[2] / "naga" / "assets" / "naga-mini"
MASTER = make_runtime("cpu", "float32")
PROMPT = tuple(range(20, 60))


@contextmanager
def engine_of(
    model: HybridLM, runtime: Runtime, backend: str, names: Tokenizer
) -> Iterator[Engine]:
    config = EngineConfig.model_validate({"backend": backend, "kv_tokens": 16_384})
    engine = Engine(make_backend(served_copy(model, runtime), config, runtime), names, config)
    with engine:
        yield engine


LONG = pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [100, 1000, LONG])
def test_the_native_engine_samples_as_the_trainer_reads(dtype: str, tokens: int) -> None:
    """A model of every layer kind."""
    runtime, model = make_runtime("cpu", dtype), make_model(max_positions=11_000)
    with engine_of(model, runtime, "native", tokenizer()) as engine:
        found = measure_parity(engine, model, runtime, PROMPT, tokens=tokens)
    assert found.tokens == tokens
    assert 1 <= found.mean <= found.limit, found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [100, 1000, LONG])
def test_the_reference_engine_reads_as_the_trainer_reads(dtype: str, tokens: int) -> None:
    """What it reads has the bits of what it samples (tests/engine); the first also sampled."""
    runtime, model = make_runtime("cpu", dtype), make_model(max_positions=11_000)
    source = torch.Generator().manual_seed(0)
    given = tuple(torch.randint(7, 280, (tokens + 1,), generator=source).tolist())
    with engine_of(model, runtime, "reference", tokenizer()) as engine:
        found = score_parity(engine, model, runtime, given)
        sampled = measure_parity(engine, model, runtime, PROMPT, tokens=25)
    assert found.tokens == tokens
    assert 1 <= found.mean <= found.limit, found
    assert sampled.held, sampled


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [100, 1000])
def test_a_trained_model(dtype: str, tokens: int) -> None:
    runtime, model = make_runtime("cpu", dtype), load_model(MINI, MASTER)
    with engine_of(model, runtime, "native", Tokenizer.load(MINI)) as engine:
        found = measure_parity(engine, model, runtime, PROMPT, tokens=tokens)
    assert 1 <= found.mean <= found.limit, found


def test_other_weights_do_not_pass() -> None:
    model = make_model(1)
    with engine_of(make_model(2), MASTER, "native", tokenizer()) as engine, torch.no_grad():
        assert not measure_parity(engine, model, MASTER, PROMPT, tokens=50).held
