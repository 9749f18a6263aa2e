"""A tiny model of every family learns: whatever layers and factors it has, a few steps help."""

import pytest
import torch
from checkpoint import tiny

from naga.config.train import OptimConfig
from naga.data.packing import Piece, Sample, pack
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime
from naga.train.optim import make_optimizer, trained_parameters
from naga.train.step import train_step


@pytest.mark.parametrize("name", tiny.EVERY)
def test_a_few_steps_lower_the_loss_and_move_every_weight(name: str) -> None:
    model = HybridLM(tiny.EVERY[name])
    initialize(model, seed=1)
    tokens = tiny.random_tokens(model.config, 41, seed=2).numpy().astype("int32")
    sample = Sample(tokens=tokens, loss_mask=tokens >= 0)
    batches = [pack([Piece(sample=sample, start=0, end=40)])]
    before = {key: weight.detach().clone() for key, weight in trained_parameters(model)}
    optimizer, runtime = make_optimizer(model, OptimConfig(lr=1.0)), make_runtime("cpu", "float32")
    losses = [
        train_step(model, optimizer, batches, lr=0.01, clip_norm=1.0, runtime=runtime).loss
        for _ in range(4)
    ]
    assert losses[-1] < losses[0] - 0.01
    assert not [
        key for key, weight in trained_parameters(model) if torch.equal(before[key], weight)
    ]
