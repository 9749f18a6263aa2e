"""What a request record refuses by itself, and what never fits."""

from dataclasses import replace

import pytest

from naga.config.base import ConfigError
from naga.engine.cache import Cache, check_fits
from naga.engine.constraint import Constraint
from naga.engine.request import Request, SamplingParams
from naga.model.lm import HybridLM

WRONG = [
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": float("nan")}, "temperature"),
    ({"temperature": float("inf")}, "temperature"),
    ({"top_p": 0.0}, "top_p"),
    ({"top_p": 1.01}, "top_p"),
    ({"top_k": 0}, "top_k"),
    ({"seed": 2**63}, "seed"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop": ("a", "")}, "stop"),
    ({"logit_bias": ((3, 100.5),)}, "logit_bias"),
    ({"logit_bias": ((3, float("nan")),)}, "logit_bias"),
    ({"logit_bias": ((-1, 1.0),)}, "logit_bias"),
    ({"logit_bias": ((3, 1.0),) * 2000}, "logit_bias"),
    ({"min_tokens": -1}, "min_tokens"),
    ({"min_tokens": 9, "max_tokens": 8}, "min_tokens"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"prompt_logprobs": -1}, "prompt_logprobs"),
    ({"thinking_budget": -1}, "thinking_budget"),
    ({"constraint": Constraint(kind="json_object"), "ignore_eos": True}, "ignore_eos"),
    ({"constraint": Constraint(kind="json_object"), "min_tokens": 1}, "min_tokens"),
]


@pytest.mark.parametrize(("fields", "name"), WRONG, ids=str)
def test_sampling_out_of_range_is_refused_by_name(fields: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        SamplingParams(**fields)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        Request(id="a", prompt=())


def test_thinking_in_a_raw_request_is_refused() -> None:
    with pytest.raises(ConfigError, match="raw"):
        Request(id="a", prompt=(1,), raw=True, thinking=True)


def test_a_budget_for_thinking_needs_thinking() -> None:
    with pytest.raises(ConfigError, match="thinking_budget"):
        Request(id="a", prompt=(1,), sampling=SamplingParams(thinking_budget=5))


def test_what_exceeds_the_context_is_refused_with_the_counts(small_model: HybridLM) -> None:
    config = small_model.config
    cache = Cache(num_slots=1, num_pages=100, page_size=16)
    request = Request(id="a", prompt=(1,) * 390, sampling=SamplingParams(max_tokens=10))
    check_fits(request, config, cache)
    with pytest.raises(
        ConfigError, match=r"390 prompt tokens \+ 11 max_tokens = 401 .* 400 tokens"
    ):
        check_fits(replace(request, sampling=SamplingParams(max_tokens=11)), config, cache)


def test_what_exceeds_the_memory_is_refused_with_the_counts(small_model: HybridLM) -> None:
    config = small_model.config
    cache = Cache(num_slots=1, num_pages=3, page_size=16)
    request = Request(id="a", prompt=(1,) * 40, sampling=SamplingParams(max_tokens=8))
    check_fits(request, config, cache)
    with pytest.raises(ConfigError, match=r"40 prompt tokens \+ 9 max_tokens = 49 .* 48 tokens"):
        check_fits(replace(request, sampling=SamplingParams(max_tokens=9)), config, cache)


def test_a_token_outside_the_vocabulary_is_refused(small_model: HybridLM) -> None:
    cache = Cache(num_slots=1, num_pages=3, page_size=16)
    for token in (-1, 300):
        request = Request(id="a", prompt=(5, token), sampling=SamplingParams(max_tokens=8))
        with pytest.raises(ConfigError, match=f"token {token} .* 300"):
            check_fits(request, small_model.config, cache)
