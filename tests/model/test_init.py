"""model/init.py: the table is what happens, every parameter is covered, a seed is a model."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.tiny import CONFIGS, MAMBA, MAMBA1
from naga.config.model import AttentionConfig, MlpConfig, ModelConfig, MoeConfig
from naga.model.init import initialize
from naga.model.lm import HybridLM

# Wide enough that a standard deviation is known to a few percent; nine layers: depth factor 3.
WIDE = ModelConfig(
    pattern="ME*EM-*-E",
    vocab_size=300,
    hidden_dim=64,
    max_positions=64,
    tie_embeddings=False,
    init_std=0.05,
    mamba=MAMBA.model_copy(update={"num_heads": 64, "head_dim": 2}),
    attention=AttentionConfig(num_heads=4, num_kv_heads=4, head_dim=16, qk_norm=True),
    mlp=MlpConfig(inner_dim=70),
    moe=MoeConfig(num_experts=4, top_k=2, expert_dim=32, shared_dim=40, router="sigmoid"),
)


def initialized(config: ModelConfig, seed: int = 0) -> dict[str, Tensor]:
    model = HybridLM(config)
    for parameter in model.parameters():
        parameter.data.fill_(torch.nan)
    initialize(model, seed)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_gets_a_value(name: str) -> None:
    for key, value in initialized(CONFIGS[name]).items():
        assert value.isfinite().all(), key


def test_projections_are_normal_with_residual_branches_scaled_by_depth() -> None:
    residual = ("out_proj.weight", "o_proj.weight", "down.weight", "experts.down")
    plain = (
        "embed.weight", "head.weight", "in_proj.weight", "q_proj.weight", "k_proj.weight",
        "v_proj.weight", "up.weight", "experts.up", "router.weight",
    )  # fmt: skip
    seen = set()
    for key, value in initialized(WIDE).items():
        kind = next((kind for kind in plain + residual if key.endswith(kind)), None)
        if kind is None:
            continue
        seen.add(kind)
        expected = 0.05 / 3 if kind in residual else 0.05
        # The standard error of a standard deviation is std / sqrt(2n); of a mean, std / sqrt(n).
        wanted = 5 * expected / math.sqrt(value.numel())
        assert value.std().item() == pytest.approx(expected, abs=wanted), key
        assert value.mean().item() == pytest.approx(0, abs=wanted), key
    assert seen == {*plain, *residual}


def test_constants_are_ones_and_zeros() -> None:
    ones, zeros = 0, 0
    for key, value in initialized(WIDE).items():
        if key.endswith(("norm.weight", ".D")):
            ones += 1
            assert (value == 1).all(), key
        elif key.endswith(("conv.bias", "router.bias")):
            zeros += 1
            assert (value == 0).all(), key
    # Nine layer norms, the last one, per M a gated norm and D, per * two head norms.
    assert (ones, zeros) == (10 + 2 * 2 + 2 * 2, 2 + 3)


def test_decays_and_time_steps_span_their_ranges() -> None:
    values = initialized(WIDE)
    A = torch.cat([v for k, v in values.items() if k.endswith("A_log")]).exp()
    assert 1 <= A.min() < 2.5 and 14.5 < A.max() <= 16.001
    bias = torch.cat([v for k, v in values.items() if k.endswith("dt_bias")])
    dt = functional.softplus(bias.double())
    assert 0.999e-3 <= dt.min() < 1.3e-3 and 0.075 < dt.max() <= 0.1001
    # Log-uniform: the median is the geometric mean.
    assert dt.median().item() == pytest.approx(1e-2, rel=0.4)
    conv = torch.cat([v.flatten() for k, v in values.items() if k.endswith("conv.weight")])
    assert conv.abs().max() <= 0.5 and conv.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.05)


def test_a_seed_is_a_model() -> None:
    first, again, other = (initialized(CONFIGS["everything"], seed) for seed in (3, 3, 4))
    assert all(first[key].equal(again[key]) for key in first)
    assert not first["embed.weight"].equal(other["embed.weight"])


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    initialized(CONFIGS["M"])
    assert torch.rand(3).equal(expected)


def test_mamba1_begins_as_in_its_paper() -> None:
    values = initialized(CONFIGS["everything"])
    own = {key: value for key, value in values.items() if key.startswith("layers.8.mixer.")}
    A = own["layers.8.mixer.A_log"].exp()
    expected = torch.arange(1.0, MAMBA1.state_dim + 1).expand(MAMBA1.inner_dim, -1)
    torch.testing.assert_close(A, expected)
    widening = own["layers.8.mixer.dt_proj.weight"].abs()
    bound = MAMBA1.dt_rank**-0.5
    assert 0.9 * bound < widening.max() <= bound
    dt = functional.softplus(own["layers.8.mixer.dt_bias"].double())
    assert dt.min() >= 0.999e-3 and dt.max() <= 0.1001
    for name in ("dt_norm.weight", "B_norm.weight", "C_norm.weight", "D"):
        assert (own[f"layers.8.mixer.{name}"] == 1).all(), name
