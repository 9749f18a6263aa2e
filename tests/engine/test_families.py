"""A tiny checkpoint of every family is opened and answers, by the native kernels and without."""

from pathlib import Path

import pytest
import torch
from checkpoint import tiny

from naga.checkpoint.save import save_model
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine.chat import complete, open_engine, raw_request
from naga.engine.request import SamplingParams

PROMPT = "The tenant shall pay the rent on the first day of each month. 甲方应当支付租金。"


@pytest.mark.parametrize("name", tiny.EVERY)
def test_a_checkpoint_answers_the_same_from_the_cache_and_on_either_backend(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    config = tiny.vary(tiny.EVERY[name], vocab_size=tokenizer.vocab_size, max_positions=256)
    model = tiny.random_model(config, seed=6)
    save_model(tmp_path / "m", config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    found = {}
    for backend in ("native", "reference"):
        options = {"backend": backend, "page_size": 16, "kv_tokens": 512, "max_running": 2}
        with open_engine(tmp_path / "m", EngineConfig.model_validate(options)) as engine:
            request = raw_request(
                engine.tokenizer, PROMPT, SamplingParams(temperature=0.0, max_tokens=12)
            )
            first, again = complete(engine, request), complete(engine, request)
        assert first.error is None
        assert (again.tokens, again.logprobs) == (first.tokens, first.logprobs)
        assert first.usage.cached_tokens == 0 < again.usage.cached_tokens
        found[backend] = first.tokens
    assert found["native"] == found["reference"]


@pytest.mark.parametrize("name", tiny.EVERY)
def test_a_conversation_goes_on_in_another_engine(
    name: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    config = tiny.vary(tiny.EVERY[name], vocab_size=tokenizer.vocab_size, max_positions=256)
    model = tiny.random_model(config, seed=6)
    save_model(tmp_path / "m", config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    options = EngineConfig.model_validate({"page_size": 16, "kv_tokens": 512, "max_running": 2})
    sampling = SamplingParams(seed=3, max_tokens=12)
    with open_engine(tmp_path / "m", options) as one, open_engine(tmp_path / "m", options) as two:
        request = raw_request(one.tokenizer, PROMPT, sampling)
        expected = complete(one, request)
        state = one.export(request.prompt)
        assert state is not None and two.install(state) == len(state.tokens)
        found = complete(two, request)
    assert (found.tokens, found.logprobs) == (expected.tokens, expected.logprobs)
    assert found.usage.cached_tokens > 0
