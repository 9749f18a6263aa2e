"""naga.train.step: one update, and what it must not depend on."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.train import OptimConfig
from naga.data.packing import PackedBatch, Piece, Sample, pack
from naga.model import state
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime
from naga.train.optim import make_optimizer
from naga.train.step import (
    NonFiniteError,
    accumulate_gradients,
    side_by_side,
    train_step,
    update_router_biases,
)

CPU = make_runtime("cpu", "float32")


def make_model(config: ModelConfig, **moe: float) -> HybridLM:
    assert config.moe is not None
    model = HybridLM(
        config.model_copy(update={"moe": config.moe.model_copy(update=moe)} if moe else {})
    )
    initialize(model, seed=1)
    return model


def pieces(count: int) -> list[Piece]:
    """Sequences of different lengths, about half of whose tokens are learned."""
    random = np.random.default_rng(7)
    made = []
    for length in random.integers(3, 15, count):
        tokens = random.integers(0, 300, length + 1).astype(np.int32)
        mask = random.random(length + 1) < 0.5
        mask[1] = True
        made.append(Piece(sample=Sample(tokens=tokens, loss_mask=mask), start=0, end=int(length)))
    return made


def gradients(model: HybridLM, batches: Sequence[PackedBatch]) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    loss, _, _ = accumulate_gradients(model, batches, CPU)
    named = model.named_parameters()
    return loss, {name: weight.grad.clone() for name, weight in named if weight.grad is not None}


def test_batch_1_times_8_equals_batch_8(model_config: ModelConfig) -> None:
    model = make_model(model_config, balance_loss=0.0)
    sequences = pieces(8)
    loss, grads = gradients(model, [pack(sequences)])
    split_loss, split_grads = gradients(model, [pack([piece]) for piece in sequences])
    assert split_loss == pytest.approx(loss, rel=1e-6)
    assert grads.keys() == split_grads.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(split_grads[name], grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_loss_is_that_of_the_models_own_logits(model_config: ModelConfig) -> None:
    factors = {"logits_multiplier": 0.3, "logits_divisor": 1.7, "embedding_multiplier": 9.0}
    model = make_model(model_config.model_copy(update=factors), balance_loss=0.0)
    batch = pack(pieces(4))
    loss, _ = gradients(model, [batch])
    tokens, lengths = torch.from_numpy(batch.tokens).long(), state.pack(batch.lengths, "cpu")
    with torch.no_grad():
        logits = model.logits(model(tokens, lengths, torch.float32).hidden)
    mask = torch.from_numpy(batch.loss_mask)
    targets = torch.from_numpy(batch.targets).long()
    expected = torch.nn.functional.cross_entropy(logits[mask], targets[mask])
    assert loss == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_side_by_side_equals_one_after_the_other(model_config: ModelConfig, dtype: str) -> None:
    model = make_model(model_config)
    runtime = make_runtime("cpu", dtype)
    # The first takes longest: were gradients added as they come, its would come last.
    batches = [pack(pieces(24)), *(pack([piece]) for piece in pieces(4))]
    accumulate_gradients(model, batches, runtime)
    alone = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    with side_by_side(3) as workers:
        accumulate_gradients(model, batches, runtime, workers)
    for name, weight in model.named_parameters():
        assert alone[name] is None or torch.equal(weight.grad, alone[name]), name  # type: ignore[arg-type]


def test_every_trained_parameter_gets_a_gradient(model_config: ModelConfig) -> None:
    model = make_model(model_config)
    _, grads = gradients(model, [pack(pieces(8))])
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert grads.keys() == trained
    assert all(grad.any() for grad in grads.values())


def test_the_balancing_loss_is_added_to_the_gradient_not_to_the_loss(
    model_config: ModelConfig,
) -> None:
    batches = [pack(pieces(4))]
    without = gradients(make_model(model_config, balance_loss=0.0), batches)
    added = gradients(make_model(model_config, balance_loss=5.0), batches)
    router = "layers.1.mixer.router.weight"
    assert added[0] == without[0]
    assert not torch.allclose(added[1][router], without[1][router])


def run_step(model: HybridLM, batches: Sequence[PackedBatch], **options: float) -> float:
    optimizer = make_optimizer(model, OptimConfig(lr=1.0))
    settings = {"lr": 0.01, "clip_norm": 1.0} | options
    return train_step(model, optimizer, batches, **settings, runtime=CPU).grad_norm


def test_a_step_lowers_the_loss(model_config: ModelConfig) -> None:
    model = make_model(model_config)
    batches = [pack(pieces(8))]
    before, _ = gradients(model, batches)
    run_step(model, batches)
    after, _ = gradients(model, batches)
    assert after < before


def test_gradients_are_clipped_to_the_norm_given(model_config: ModelConfig) -> None:
    model = make_model(model_config)
    grad_norm = run_step(model, [pack(pieces(8))], clip_norm=1e-3)
    clipped = [weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
    assert grad_norm > 0.1
    assert math.hypot(*clipped) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("where", ["embed.weight", "layers.1.mixer.router.weight"])
def test_a_loss_that_is_not_finite_changes_no_weight(model_config: ModelConfig, where: str) -> None:
    model = make_model(model_config)
    model.get_parameter(where).data[0, 0] = torch.inf
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(NonFiniteError, match=r"is (nan|inf)"):
        run_step(model, [pack(pieces(3))])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_step_without_a_learned_token_is_refused(model_config: ModelConfig) -> None:
    batch = pack(pieces(1))
    batch.loss_mask[:] = False
    with pytest.raises(ConfigError, match="no token to learn"):
        run_step(make_model(model_config), [batch])


def test_router_biases_move_against_the_load(model_config: ModelConfig) -> None:
    model = make_model(model_config, bias_update=0.25)
    update_router_biases(model, torch.tensor([[9, 1, 3, 3], [4, 4, 4, 4]]))
    first, second = (model.state_dict()[f"layers.{i}.mixer.router.bias"] for i in (1, 3))
    assert first.tolist() == [-0.25, 0.25, 0.25, 0.25]
    assert second.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_expert_load_is_the_worst_layers_maximum_over_mean(model_config: ModelConfig) -> None:
    model = make_model(model_config)
    optimizer = make_optimizer(model, OptimConfig(lr=1.0))
    batches = [pack(pieces(2)), pack(pieces(3))]
    _, _, counts = accumulate_gradients(model, batches, CPU)
    result = train_step(model, optimizer, batches, lr=0.1, clip_norm=1.0, runtime=CPU)
    assert counts.sum(dim=1).tolist() == [2 * result.tokens] * 2
    assert result.expert_load == pytest.approx(4 * counts.max().item() / (2 * result.tokens))
