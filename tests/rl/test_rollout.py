"""naga.rl.rollout: groups by the engine, of one prompt state and one version of the weights."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from naga.model.lm import HybridLM
from naga.rl.episodes import roll_out
from naga.rl.rollout import EngineSampler, group_asks, seed_of
from naga.rl.types import Prompt
from naga.runtime import make_runtime
from rl.tiny import CPU, make_model, prompt, rollout_config, tokenizer

LONG = tuple(np.random.default_rng(0).integers(7, 280, 100).tolist())


@pytest.fixture
def open_sampler() -> Iterator[Callable[..., EngineSampler]]:
    opened: list[EngineSampler] = []

    def make(model: HybridLM, **changes: Any) -> EngineSampler:
        opened.append(EngineSampler(model, CPU, tokenizer(), rollout_config(**changes)))
        return opened[-1]

    yield make
    for sampler in opened:
        sampler.engine.close()


def long_prompt() -> Prompt:
    return replace(prompt(), tokens=LONG, boundaries=())


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_group_computes_its_prompt_once(
    open_sampler: Callable[..., EngineSampler], backend: str
) -> None:
    sampler = open_sampler(make_model(), backend=backend)
    asks = group_asks(long_prompt(), seed=5, size=6, max_tokens=4)
    sampler.generate(asks)
    counts = sampler.engine.load.counts
    # The last token of a prompt is always read: the first choice comes from it.
    assert (counts.asked, counts.asked - counts.restored) == (600, 100 + 5)


def test_answers_differ_and_repeat(open_sampler: Callable[..., EngineSampler]) -> None:
    """Noise is a function of seed and number, whoever is sampled beside."""
    sampler = open_sampler(make_model())
    asks = group_asks(prompt(), seed=5, size=6, max_tokens=8)
    first = sampler.generate(asks)
    assert len({answer.tokens for answer in first}) == 6
    alone = open_sampler(make_model(), max_running=1).generate([asks[4]])
    assert alone[0].tokens == first[4].tokens
    assert alone[0].logprobs == first[4].logprobs
    assert seed_of(1, 2, prompt(), 0) != seed_of(1, 3, prompt(), 0) != seed_of(1, 3, prompt(1), 0)


def test_every_rollout_carries_its_weights_version(
    open_sampler: Callable[..., EngineSampler],
) -> None:
    sampler = open_sampler(make_model(1))
    asks = [(prompt(), group_asks(prompt(), seed=5, size=2, max_tokens=8))]
    ((before, _),) = roll_out(sampler, tokenizer(), asks)
    assert sampler.update_weights(make_model(2).state_dict().items()) == 1
    ((after, _),) = roll_out(sampler, tokenizer(), asks)
    assert (before.weights_version, after.weights_version) == (0, 1)
    assert before.tokens != after.tokens
    fresh = open_sampler(make_model(2))
    ((expected, _),) = roll_out(fresh, tokenizer(), asks)
    assert (after.tokens, after.logprobs) == (expected.tokens, expected.logprobs)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_first_engine_has_the_weights_of_an_updated_one(backend: str) -> None:
    """In bfloat16: a resumed run hands weights over where an uninterrupted one began with them."""
    model, runtime = make_model(), make_runtime("cpu", "bfloat16")
    asks = group_asks(prompt(), seed=5, size=2, max_tokens=8)
    with EngineSampler(model, runtime, tokenizer(), rollout_config(backend=backend)) as sampler:
        first = sampler.generate(asks)
        sampler.update_weights(model.state_dict().items())
        again = sampler.generate(asks)
    assert [one.logprobs for one in first] == [one.logprobs for one in again]


def test_logprobs_are_those_of_the_whole_distribution(
    open_sampler: Callable[..., EngineSampler],
) -> None:
    model = make_model()
    ((one, _),) = roll_out(
        open_sampler(model),
        tokenizer(),
        [(prompt(), group_asks(prompt(), seed=5, size=2, max_tokens=8))],
    )
    from naga.model.state import pack

    tokens = torch.tensor(one.prompt + one.tokens)
    with torch.no_grad():
        hidden = model(tokens[:-1], pack([len(tokens) - 1], "cpu"), torch.float32).hidden
        logs = model.logits(hidden).log_softmax(-1).gather(1, tokens[1:, None]).squeeze(1)
    assert one.logprobs == pytest.approx(logs[len(one.prompt) - 1 :].tolist(), abs=1e-4)
    assert all(one.chosen) and one.num_chosen == len(one.tokens) <= 8
