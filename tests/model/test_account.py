"""model/account.py against real tensors, the memory of a pool and torch's own count of products."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from model.tiny import CONFIGS, random_tokens, trained_model
from naga.config.model import (
    AttentionConfig,
    Mamba1Config,
    MambaConfig,
    MlpConfig,
    ModelConfig,
    MoeConfig,
    ParallelConfig,
    RopeConfig,
)
from naga.model.account import account
from naga.model.lm import HybridLM
from naga.model.state import StatePool, pack
from naga.runtime import Runtime

SMALL = st.integers(1, 40)
ACTIVATIONS = st.sampled_from(["swiglu", "relu2"])


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    pattern = draw(st.text("M*-ESH", min_size=1, max_size=7))
    groups, kv_heads, router = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    mamba = MambaConfig(
        num_heads=groups * draw(st.integers(1, 3)),
        head_dim=draw(SMALL),
        state_dim=draw(SMALL),
        num_groups=groups,
        conv_width=draw(st.integers(2, 5)),
        norm=draw(st.sampled_from(["gate_first", "norm_first", "none"])),
    )
    attention = AttentionConfig(
        num_heads=kv_heads * draw(st.integers(1, 4)),
        num_kv_heads=kv_heads,
        head_dim=2 * draw(SMALL),
        rope=draw(st.sampled_from([None, RopeConfig()])),
        qk_norm=draw(st.booleans()),
    )
    mamba1 = Mamba1Config(
        inner_dim=draw(SMALL),
        state_dim=draw(SMALL),
        conv_width=draw(st.integers(2, 5)),
        dt_rank=draw(SMALL),
        norms=draw(st.booleans()),
    )
    moe = MoeConfig(
        num_experts=draw(st.integers(4, 9)),
        top_k=draw(st.integers(1, 4)),
        expert_dim=draw(SMALL),
        shared_dim=draw(st.none() | SMALL),
        latent_dim=draw(st.none() | SMALL),
        activation=draw(ACTIVATIONS),
        router="sigmoid" if router else "softmax",
    )
    mlp = MlpConfig(inner_dim=draw(SMALL), activation=draw(ACTIVATIONS))
    return ModelConfig(
        pattern=pattern,
        vocab_size=draw(SMALL),
        hidden_dim=draw(SMALL),
        max_positions=16,
        tie_embeddings=draw(st.booleans()),
        mamba=mamba if {"M", "H"} & {*pattern} else None,
        attention=attention if {"*", "H"} & {*pattern} else None,
        mlp=mlp if "-" in pattern else None,
        mamba1=mamba1 if "S" in pattern else None,
        moe=moe if "E" in pattern else None,
        parallel=ParallelConfig() if "H" in pattern else None,
    )


def meta_model(config: ModelConfig) -> HybridLM:
    with torch.device("meta"):
        return HybridLM(config)


@given(config=configs())
def test_parameters_are_the_elements_of_the_real_tensors(config: ModelConfig) -> None:
    model, total = meta_model(config), account(config)
    assert total.parameters == sum(p.numel() for p in model.parameters())
    for layer, row, letter in zip(model.layers, total.layers, config.layers, strict=True):
        assert row.parameters == sum(p.numel() for p in layer.parameters())
        assert row.kind == letter


@given(config=configs())
def test_active_parameters_leave_out_unchosen_experts_and_an_untied_table(
    config: ModelConfig,
) -> None:
    active = 0
    for name, parameter in meta_model(config).named_parameters():
        if ".experts." in name:
            assert config.moe is not None
            active += parameter.numel() * config.moe.top_k // config.moe.num_experts
        elif name != "embed.weight" or config.tie_embeddings:
            active += parameter.numel()
    assert account(config).active_parameters == active


@given(config=configs(), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_state_and_kv_bytes_are_those_of_a_pool(config: ModelConfig, dtype: torch.dtype) -> None:
    runtime = Runtime(device=torch.device("meta"), dtype=dtype)
    pool = StatePool.create(config, runtime, num_slots=3, num_pages=2, page_size=16)
    total = account(config, dtype.itemsize)
    assert 3 * total.state_bytes == sum(memory.nbytes for memory in pool.by_slot.values())
    assert 2 * 16 * total.kv_bytes_per_token == pool.keys.nbytes + pool.values.nbytes


def scan_flops(config: ModelConfig) -> int:
    """What is no product with a weight: two FLOPs per tap, six per element of the state.

    Eight in Mamba-1, where each has a decay of its own.
    """
    total = 0
    if mamba := config.mamba:
        state = mamba.inner_dim * mamba.state_dim
        total += config.num_mamba2 * (2 * mamba.conv_dim * mamba.conv_width + 6 * state)
    if mamba1 := config.mamba1:
        each = 2 * mamba1.conv_width + 8 * mamba1.state_dim
        total += config.count("S") * mamba1.inner_dim * each
    return total


@pytest.mark.parametrize("name", CONFIGS)
def test_flops_are_the_products_that_torch_counts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mm` is every product with a weight; scan and attention scores are batched products."""
    # Rows that only fill up an expert's products are work, but none that the model asks for.
    monkeypatch.setattr("naga.ops.moe.reference.TRAIN_MULTIPLE", 1)
    model, tokens, length = trained_model(name), random_tokens(32), 32
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.logits(model(tokens, pack([length], "cpu"), torch.float32).hidden)
    found = counter.get_flop_counts()["Global"][torch.ops.aten.mm]
    total = account(model.config)
    assert found == length * (total.flops_per_token - scan_flops(model.config))
    assert total.flops_per_token == 2 * model.config.vocab_size * model.config.hidden_dim + sum(
        layer.flops_per_token for layer in total.layers
    )


def test_attention_flops_grow_with_the_context() -> None:
    """Scores and their mixture: two products of head_dim for each head and earlier token."""
    config = CONFIGS["*"]
    assert config.attention is not None
    expected = 2 * 2 * 2 * config.attention.num_heads * config.attention.head_dim
    assert account(config).attention_flops_per_context_token == expected
    assert account(CONFIGS["M"]).attention_flops_per_context_token == 0


@settings(max_examples=20)
@given(config=configs())
def test_totals_are_sums_over_the_layers(config: ModelConfig) -> None:
    total = account(config)
    outside = total.parameters - sum(layer.parameters for layer in total.layers)
    tables = 1 if config.tie_embeddings else 2
    assert outside == tables * config.vocab_size * config.hidden_dim + config.hidden_dim
    assert total.state_bytes == sum(layer.state_bytes for layer in total.layers)
    kept = sum(layer.kv_elements_per_token for layer in total.layers)
    assert total.kv_bytes_per_token == 2 * kept
