"""Automatic thinking in requests: the first token decides, unless a thought is demanded."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.data.chat import Message
from naga.data.formats import own
from naga.data.tokenizer import END_THINK, Tokenizer
from naga.engine.chat import chat_request, complete
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.model.lm import HybridLM
from naga.runtime import Runtime

ASK = [Message(role="user", content="the rent")]


@pytest.fixture(params=["native", "reference"])
def engine(
    request: pytest.FixtureRequest,
    open_engine: Callable[..., Engine],
    small_model: HybridLM,
    small_runtime: Runtime,
) -> Engine:
    return open_engine(small_model, small_runtime, backend=request.param)


def closing(tokenizer: Tokenizer, **changes: Any) -> SamplingParams:
    """Of a model that would rather not think."""
    bias = ((tokenizer.control_id(END_THINK), 100.0),)
    return replace(SamplingParams(max_tokens=6, seed=3, logit_bias=bias), **changes)


def test_auto_and_on_have_one_prompt_and_only_on_demands_a_thought(tokenizer: Tokenizer) -> None:
    asked = {
        mode: chat_request(tokenizer, ASK, SamplingParams(), enable_thinking=mode)
        for mode in (True, False, "auto")
    }
    assert asked["auto"].prompt == asked[True].prompt != asked[False].prompt
    assert [r.thinking for r in asked.values()] == [True, False, True]
    assert [r.must_think for r in asked.values()] == [True, False, False]


def test_the_model_may_close_the_thought_at_once_only_in_auto(engine: Engine) -> None:
    end = engine.tokenizer.control_id(END_THINK)
    sampling = closing(engine.tokenizer)
    auto = complete(engine, chat_request(engine.tokenizer, ASK, sampling, enable_thinking="auto"))
    assert (auto.tokens[0], auto.reasoning, auto.usage.reasoning_tokens) == (end, "", 1)
    on = complete(engine, chat_request(engine.tokenizer, ASK, sampling))
    assert on.tokens[0] != end
    assert on.tokens[1] == end, "from the second token on it is the model's again"


def test_a_budget_of_nothing_still_ends_a_demanded_thought(engine: Engine) -> None:
    sampling = closing(engine.tokenizer, thinking_budget=0)
    reply = complete(engine, chat_request(engine.tokenizer, ASK, sampling))
    assert reply.tokens[0] == engine.tokenizer.control_id(END_THINK)


def test_a_thought_cannot_be_demanded_where_none_is_open() -> None:
    with pytest.raises(ConfigError, match="must_think needs thinking"):
        Request(id="a", prompt=(1,), must_think=True)


def test_a_format_that_cannot_decide_is_refused(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "naga.engine.chat.format_of",
        lambda _: own.OwnFormat(name="other", has_tools=False, decides=False),
    )
    with pytest.raises(ConfigError, match=r"\(other\) cannot leave it to the model"):
        chat_request(tokenizer, ASK, SamplingParams(), enable_thinking="auto")
