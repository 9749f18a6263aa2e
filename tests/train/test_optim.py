"""naga.train.optim: who decays, and that nobody is forgotten."""

import pytest
from model.tiny import CONFIGS
from torch import nn

from naga.config.model import ModelConfig
from naga.config.train import OptimConfig
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.train.optim import decays, make_optimizer, make_trainable, trained_parameters


def grouped_names(model: HybridLM) -> list[set[str]]:
    optimizer = make_optimizer(model, OptimConfig(lr=0.1, weight_decay=0.3))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    names = {id(weight): name for name, weight in model.named_parameters()}
    return [{names[id(weight)] for weight in group["params"]} for group in optimizer.param_groups]


@pytest.mark.parametrize("tied", [True, False])
def test_every_parameter_is_in_exactly_one_group(model_config: ModelConfig, tied: bool) -> None:
    model = HybridLM(model_config.model_copy(update={"tie_embeddings": tied}))
    decayed, kept = grouped_names(model)
    moved_by_gradient = {name for name, _ in model.named_parameters() if "router.bias" not in name}
    assert not decayed & kept
    assert decayed | kept == moved_by_gradient


def test_matrices_decay_and_nothing_else(model_config: ModelConfig) -> None:
    model = HybridLM(model_config)
    decayed, _ = grouped_names(model)
    matrices = {
        name
        for name, weight in trained_parameters(model)
        if weight.dim() > 1 and "conv" not in name and "A_log" not in name
    }
    assert decayed == matrices


def test_both_halves_of_parallel_heads_are_decided_on() -> None:
    decayed, kept = grouped_names(HybridLM(CONFIGS["H beside others, odd sizes"]))
    assert {
        "layers.2.mixer.mamba.in_proj.weight",
        "layers.2.mixer.attention.q_proj.weight",
    } < decayed
    assert {"layers.2.mixer.mamba.A_log", "layers.2.mixer.mamba.norm.weight"} < kept


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(KeyError, match=r"layers\.0\.mixer\.gate\.weight"):
        decays("layers.0.mixer.gate.weight")


def test_a_loaded_model_becomes_trainable_but_for_router_biases(model_config: ModelConfig) -> None:
    model = HybridLM(model_config)
    initialize(model, 0)
    before = {name for name, _ in trained_parameters(model)}
    loaded = nn.Module.requires_grad_(model.eval(), False)
    make_trainable(loaded)
    assert {name for name, _ in trained_parameters(model)} == before and model.training
