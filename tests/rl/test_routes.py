"""naga.rl.routes: the selection is replayed, the weights are the live router's."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from naga.config.serve import EngineConfig
from naga.engine.backend import make_backend
from naga.engine.chat import complete
from naga.engine.engine import Engine
from naga.engine.request import Request, SamplingParams
from naga.model.lm import HybridLM
from naga.rl.batches import MicroBatch, pack
from naga.rl.learner import accumulate
from naga.rl.losses import Loss, Tokens
from naga.rl.rollout import served_copy
from naga.rl.routes import find_routes, recording
from rl.tiny import CPU, make_model, random_samples, rollout_config, tokenizer

ROUTERS: dict[str, dict[str, Any]] = {
    "sigmoid": {"router": "sigmoid"},
    "softmax": {"router": "softmax"},
    "softmax over all": {"router": "softmax", "weigh": "all"},
}


@pytest.fixture(params=ROUTERS.values(), ids=ROUTERS)
def model(request: pytest.FixtureRequest) -> HybridLM:
    moe = {"num_experts": 4, "top_k": 2, "expert_dim": 16, "balance_loss": 0.01}
    return make_model(moe=moe | request.param)


def plain(tokens: Tokens) -> Loss:
    return Loss(total=-(tokens.weights * tokens.logprobs).sum(), seen={})


def gradients(model: HybridLM, batch: MicroBatch) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad(set_to_none=True)
    (part,) = accumulate(model, [batch], plain, CPU)
    named = {name: weight.grad for name, weight in model.named_parameters()}
    return part.loss, {name: grad.clone() for name, grad in named.items() if grad is not None}


def test_replaying_what_the_weights_would_choose_changes_nothing(model: HybridLM) -> None:
    batch = pack(random_samples(model, (9, 14)), CPU.device)
    with recording(model) as seen:
        loss, expected = gradients(model, batch)
    again, found = gradients(model, replace(batch, routes=tuple(seen)))
    assert again == loss
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_gradients_reach_the_router(model: HybridLM) -> None:
    """Experts that it would not have chosen: it still learns what they are worth."""
    batch = pack(random_samples(model, (9, 14)), CPU.device)
    with recording(model) as seen:
        loss, _ = gradients(model, batch)
    others = tuple((choices + 1) % 4 for choices in seen)
    with recording(model) as replayed:
        again, found = gradients(model, replace(batch, routes=others))
    assert all(a.equal(b) for a, b in zip(replayed, others, strict=True))
    assert again != loss
    routers = [grad for name, grad in found.items() if name.endswith("router.weight")]
    assert len(routers) == 2 and all(grad.abs().max() > 1e-6 for grad in routers)


def test_routes_are_those_of_the_engine_that_sampled(model: HybridLM) -> None:
    """The reference backend, token by token, beside the row form at once: the same bits."""
    served = served_copy(model, CPU)
    config = EngineConfig.model_validate({"backend": "reference", "draft_tokens": 0})
    prompt = tuple(range(20, 30))
    request = Request(
        id="a", prompt=prompt, sampling=SamplingParams(max_tokens=12, ignore_eos=True), raw=True
    )
    backend = make_backend(served, config, CPU)
    with Engine(backend, tokenizer(), config) as engine, recording(served) as seen:
        reply = complete(engine, request)
    # Two layers in turn at each step; the last token is read by nobody.
    visits = [torch.cat(seen[layer::2]).numpy() for layer in (0, 1)]
    found = find_routes(model, CPU, prompt + reply.tokens)
    assert found is not None and found.shape == (2, 21, 2)
    assert np.array_equal(found, np.stack(visits)[:, :21])


def test_a_batch_holds_the_routes_of_all_its_samples(model: HybridLM) -> None:
    samples = [
        replace(sample, routes=find_routes(model, CPU, sample.tokens.tolist()))
        for sample in random_samples(model, (9, 14))
    ]
    batch = pack(samples, CPU.device)
    assert batch.routes is not None
    assert [routes.shape for routes in batch.routes] == [(21, 2)] * 2
    assert np.array_equal(batch.routes[1][8:].numpy(), samples[1].routes[1])  # type: ignore[index]


def test_a_model_without_experts_has_no_routes() -> None:
    assert (
        find_routes(make_model(pattern="M*", moe=None, mamba1=None, mlp=None), CPU, range(9))
        is None
    )
    assert not rollout_config().replay_routes
