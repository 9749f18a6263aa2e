"""`generate` and its cache: naga's own answers, whatever stands beside them."""

from pathlib import Path

import pytest
import torch
from checkpoint import tiny
from transformers import DynamicCache

from hf.tiny import MINI, padded, pair, sequences
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.engine.chat import complete, open_engine, raw_request
from naga.engine.request import SamplingParams
from naga.hf import NagaCache, NagaForCausalLM

MODELS = ("granitemoehybrid-moe", "naga")


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_greedy_tokens_are_those_of_the_engine(backend: str) -> None:
    config = EngineConfig(dtype="float32", backend=backend, max_running=1, kv_tokens=256)
    model = NagaForCausalLM.from_pretrained(MINI, dtype=torch.float32)
    with open_engine(MINI, config) as engine:
        request = raw_request(
            engine.tokenizer, "The tenant shall", SamplingParams(temperature=0, max_tokens=64)
        )
        expected = complete(engine, request).tokens
    prompt = torch.tensor([request.prompt])
    given = model.generate(prompt, max_new_tokens=64, do_sample=False)[0, prompt.shape[1] :]
    assert len(expected) == 64
    assert given.tolist() == list(expected)


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_logits_with_a_cache_are_bitwise_those_of_the_row_form(name: str, tmp_path: Path) -> None:
    """Left padding, pieces of several sizes, in memory of NaN."""
    ours, model = pair(name, tmp_path)
    tokens = sequences(70, 41)
    input_ids, mask = padded(tokens, "left")
    cache = NagaCache()
    pool = cache.begin(ours.config, tiny.RUNTIME, 2)
    pool.ssm.fill_(torch.nan)
    pool.conv.fill_(torch.nan)
    pieces, start = [], 0
    for count in (33, 1, 30, 5, 1):
        end = start + count
        step = model(input_ids[:, start:end], attention_mask=mask[:, :end], past_key_values=cache)
        pieces.append(step.logits)
        start = end
    assert cache.get_seq_length() == 70 and cache.lengths == (70, 41)
    for row, kept, own in zip(torch.cat(pieces, 1), mask.bool(), tokens, strict=True):
        assert row[kept].equal(tiny.step_logits(ours, own))


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_a_left_padded_batch_go_on_as_alone(name: str, tmp_path: Path) -> None:
    _, model = pair(name, tmp_path)
    tokens = sequences(11, 4, 17)
    input_ids, mask = padded(tokens, "left")
    together = model.generate(input_ids, attention_mask=mask, max_new_tokens=12, do_sample=False)
    for row, own in zip(together, tokens, strict=True):
        single = model.generate(own[None], max_new_tokens=12, do_sample=False)[0]
        assert row[-12:].tolist() == single[-12:].tolist()


@pytest.mark.parametrize("name", MODELS)
def test_beam_search_finds_the_same_with_and_without_a_cache(name: str, tmp_path: Path) -> None:
    _, model = pair(name, tmp_path)
    input_ids, mask = padded(sequences(11, 4), "left")
    asked = {"num_beams": 4, "max_new_tokens": 10, "do_sample": False, "num_return_sequences": 3}
    cached = model.generate(input_ids, attention_mask=mask, **asked)
    plain = model.generate(input_ids, attention_mask=mask, use_cache=False, **asked)
    assert cached.tolist() == plain.tolist()
    assert len({tuple(row) for row in cached.tolist()}) == 6


def test_a_config_that_asks_for_router_logits_generates(tmp_path: Path) -> None:
    """As SFTTrainer leaves the config of a model with experts."""
    _, model = pair("naga", tmp_path)
    model.config.output_router_logits = True
    prompt = sequences(5)[0][None]
    assert model(prompt).router_logits is not None
    assert model.generate(prompt, max_new_tokens=3).shape == (1, 8)


def test_sampling_follows_torchs_seed(tmp_path: Path) -> None:
    _, model = pair("naga", tmp_path)
    prompt = sequences(5)[0][None]

    def sampled() -> list[int]:
        torch.manual_seed(3)
        return model.generate(prompt, max_new_tokens=10, do_sample=True)[0].tolist()

    assert sampled() == sampled()


@torch.no_grad()
def test_a_cache_may_be_used_again_after_a_reset(tmp_path: Path) -> None:
    _, model = pair("naga", tmp_path)
    first, second = sequences(9, 7)
    cache = NagaCache()
    model(first[None], past_key_values=cache)
    cache.reset()
    again = model(second[None], past_key_values=cache).logits
    assert again.equal(model(second[None], use_cache=True).logits)


@torch.no_grad()
def test_a_cache_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    _, model = pair("naga", tmp_path)
    cache = model(sequences(9)[0][None], use_cache=True).past_key_values
    with pytest.raises(ConfigError, match="no crop"):
        cache.crop(1)
    with pytest.raises(ConfigError, match="holds 1 rows"):
        model(torch.zeros(2, 1, dtype=torch.int64), past_key_values=cache)
    with pytest.raises(ConfigError, match="DynamicCache"):
        model(sequences(9)[0][None], past_key_values=DynamicCache())
    with pytest.raises(ConfigError, match="cache_implementation"):
        model.generate(sequences(9)[0][None], cache_implementation="static", max_new_tokens=2)
    with pytest.raises(ValueError, match="stateful"):
        model.generate(sequences(9)[0][None], assistant_model=model, max_new_tokens=2)
