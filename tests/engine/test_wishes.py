"""Biases, minimum lengths, budgets and constraints through the whole engine, on both backends."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from naga.config.base import ConfigError
from naga.data.tokenizer import END, END_THINK, Tokenizer
from naga.engine.chat import Reply, complete, complete_all
from naga.engine.choosing import CLOSING_ENGLISH
from naga.engine.constraint import Constraint
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.model.lm import HybridLM
from naga.runtime import Runtime

OpenEngine = Callable[..., Engine]
PROMPT = tuple(range(20, 60))


@pytest.fixture(params=["native", "reference"])
def engine(
    request: pytest.FixtureRequest,
    open_engine: OpenEngine,
    small_model: HybridLM,
    small_runtime: Runtime,
) -> Engine:
    return open_engine(small_model, small_runtime, backend=request.param)


def ask(engine: Engine, sampling: SamplingParams, *, thinking: bool = False) -> Reply:
    return complete(engine, Request(id="a", prompt=PROMPT, sampling=sampling, thinking=thinking))


def test_end_tokens_wait_for_min_tokens_and_can_be_ignored(
    engine: Engine, tokenizer: Tokenizer
) -> None:
    sampling = SamplingParams(max_tokens=9, logit_bias=((tokenizer.control_id(END), 100.0),))

    def tokens(sampling: SamplingParams) -> tuple[int, str]:
        reply = ask(engine, sampling)
        return reply.usage.completion_tokens, reply.finish_reason

    assert tokens(sampling) == (1, "stop")
    assert tokens(replace(sampling, min_tokens=4)) == (5, "stop")
    assert tokens(replace(sampling, ignore_eos=True)) == (9, "length")


def test_a_budget_closes_the_thought_and_the_answer_follows(
    engine: Engine, tokenizer: Tokenizer
) -> None:
    closed = ((tokenizer.control_id(END_THINK), -100.0), (tokenizer.control_id(END), -100.0))
    sampling = SamplingParams(max_tokens=60, thinking_budget=5, logit_bias=closed, seed=2)
    reply = ask(engine, sampling, thinking=True)
    assert reply.reasoning.endswith(CLOSING_ENGLISH)
    assert reply.usage.reasoning_tokens == 5 + len(tokenizer.encode(CLOSING_ENGLISH)) + 1
    assert reply.usage.completion_tokens == 60


def test_top_logprobs_come_with_every_token(engine: Engine) -> None:
    reply = ask(engine, SamplingParams(max_tokens=7, temperature=0, top_logprobs=3))
    assert [top[0] for top in reply.top_logprobs] == [
        *zip(reply.tokens, reply.logprobs, strict=True)
    ]
    assert all(len(top) == 3 for top in reply.top_logprobs)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_constraint_holds_whoever_else_runs(engine: Engine, temperature: float) -> None:
    schema = {"type": "array", "items": {"enum": ["a", "租", None]}, "minItems": 2, "maxItems": 4}
    constraints = [
        None,
        Constraint(kind="json_schema", text=json.dumps(schema)),
        Constraint(kind="regex", text="[ab]{5}(c|甲)"),
        Constraint(kind="grammar", text='start: ("yes" | "no") "!"'),
    ]
    requests = [
        Request(
            id=f"{index}",
            prompt=PROMPT[index:],
            sampling=SamplingParams(
                temperature=temperature, max_tokens=40, seed=index, constraint=constraint
            ),
            choice=index % 3,
        )
        for index, constraint in enumerate(constraints * 3)
    ]
    together = complete_all(engine, requests)
    for request, reply in zip(requests, together, strict=True):
        alone = complete(engine, request)
        assert (alone.tokens, alone.logprobs) == (reply.tokens, reply.logprobs)
    for reply in together[1::4]:
        items = json.loads(reply.text)
        assert 2 <= len(items) <= 4 and all(item in ("a", "租", None) for item in items)
    assert all(re.fullmatch("[ab]{5}(c|甲)", reply.text) for reply in together[2::4])
    assert all(reply.text in ("yes!", "no!") for reply in together[3::4])
    assert {reply.finish_reason for reply in together[1:4]} == {"stop"}


def test_a_constraint_that_cannot_be_held_to_is_refused_at_once(engine: Engine) -> None:
    constraint = Constraint(kind="json_schema", text='{"not": {}}')
    with pytest.raises(ConfigError, match="not"):
        ask(engine, SamplingParams(constraint=constraint))
    assert ask(engine, SamplingParams(max_tokens=2)).usage.completion_tokens <= 2
