"""What a model costs, computed from its structure alone: no torch, no tensors.

FLOPs count a multiply-add as two and cover one token's forward pass at empty context: products with
weights, the scan and the convolution; attention over a context of n tokens adds
`attention_flops_per_context_token · n`. tests/model/test_account.py holds this to the real tensors.
"""

from dataclasses import dataclass, replace
from typing import Literal

from naga.config.model import ModelConfig

GATED = {"swiglu": 2, "relu2": 1}


@dataclass(frozen=True, kw_only=True)
class LayerAccount:
    kind: str
    parameters: int
    active_parameters: int
    """Parameters one token visits."""
    flops_per_token: int
    attention_flops_per_context_token: int = 0
    kv_elements_per_token: int = 0
    kv_scales_per_token: int = 0
    """Of int8 keys and values: one for each key and value head."""
    state_bytes: int = 0
    """float32 scan state plus convolution state in the given dtype, per sequence."""


@dataclass(frozen=True, kw_only=True)
class Account:
    parameters: int
    active_parameters: int
    flops_per_token: int
    attention_flops_per_context_token: int
    kv_bytes_per_token: int
    state_bytes: int
    layers: tuple[LayerAccount, ...]


def account(
    config: ModelConfig, dtype_bytes: int = 2, kv: Literal["int8"] | None = None
) -> Account:
    """Totals and one row per layer; `dtype_bytes` is the size of a compute-dtype element.

    kv: what keys and values are held in, None being the compute dtype.
    """
    layers = tuple(_layer(letter, config, dtype_bytes) for letter in config.layers)
    table = config.vocab_size * config.hidden_dim
    embeddings = table if config.tie_embeddings else 2 * table
    outside = embeddings + config.hidden_dim
    elements = sum(layer.kv_elements_per_token for layer in layers)
    scales = sum(layer.kv_scales_per_token for layer in layers)
    return Account(
        parameters=outside + sum(layer.parameters for layer in layers),
        # An untied input embedding is a look-up of one row.
        active_parameters=table + config.hidden_dim + sum(x.active_parameters for x in layers),
        flops_per_token=2 * table + sum(layer.flops_per_token for layer in layers),
        attention_flops_per_context_token=sum(
            layer.attention_flops_per_context_token for layer in layers
        ),
        kv_bytes_per_token=elements + 4 * scales if kv else dtype_bytes * elements,
        state_bytes=sum(layer.state_bytes for layer in layers),
        layers=layers,
    )


def _layer(letter: str, config: ModelConfig, dtype_bytes: int) -> LayerAccount:
    if letter == "M":
        return _mamba2(config, dtype_bytes)
    if letter == "S":
        return _mamba1(config, dtype_bytes)
    if letter == "*":
        return _attention(config)
    if letter == "H":
        return _parallel(config, dtype_bytes)
    return _mlp(config) if letter == "-" else _moe(config)


def _mamba2(config: ModelConfig, dtype_bytes: int) -> LayerAccount:
    mamba, dim = config.mamba, config.hidden_dim
    assert mamba is not None
    products = mamba.in_proj_dim * dim + mamba.inner_dim * dim
    conv = mamba.conv_dim * mamba.conv_width
    state = mamba.inner_dim * mamba.state_dim
    norm = 0 if mamba.norm == "none" else mamba.inner_dim
    small = mamba.conv_dim + 3 * mamba.num_heads + norm + dim
    parameters = products + conv + small
    return LayerAccount(
        kind="M",
        parameters=parameters,
        active_parameters=parameters,
        # The scan decays, adds an outer product and reads: three multiply-adds per state element.
        flops_per_token=2 * (products + conv + 3 * state),
        state_bytes=4 * state + dtype_bytes * mamba.conv_dim * (mamba.conv_width - 1),
    )


def _mamba1(config: ModelConfig, dtype_bytes: int) -> LayerAccount:
    mamba, dim = config.mamba1, config.hidden_dim
    assert mamba is not None
    inner, state = mamba.inner_dim, mamba.inner_dim * mamba.state_dim
    products = inner * (3 * dim + mamba.select_dim + mamba.dt_rank)
    conv = inner * mamba.conv_width
    # Biases of the convolution and of dt, D, A_log, the layer's norm.
    small = 3 * inner + state + dim + (mamba.select_dim if mamba.norms else 0)
    parameters = products + conv + small
    return LayerAccount(
        kind="S",
        parameters=parameters,
        active_parameters=parameters,
        # As Mamba-2's; the decay, one for each number of the state, counts as one multiply-add.
        flops_per_token=2 * (products + conv + 4 * state),
        state_bytes=4 * state + dtype_bytes * inner * (mamba.conv_width - 1),
    )


def _attention(config: ModelConfig) -> LayerAccount:
    attention, dim = config.attention, config.hidden_dim
    assert attention is not None
    query_dim = attention.num_heads * attention.head_dim
    kv_dim = attention.num_kv_heads * attention.head_dim
    products = 2 * dim * (query_dim + kv_dim)
    parameters = products + dim + (2 * attention.head_dim if attention.qk_norm else 0)
    return LayerAccount(
        kind="*",
        parameters=parameters,
        active_parameters=parameters,
        flops_per_token=2 * products,
        attention_flops_per_context_token=4 * query_dim,
        kv_elements_per_token=2 * kv_dim,
        kv_scales_per_token=2 * attention.num_kv_heads,
    )


def _parallel(config: ModelConfig, dtype_bytes: int) -> LayerAccount:
    """Both halves under one norm."""
    mamba, attention = _mamba2(config, dtype_bytes), _attention(config)
    parameters = mamba.parameters + attention.parameters - config.hidden_dim
    return replace(
        attention,
        kind="H",
        parameters=parameters,
        active_parameters=parameters,
        flops_per_token=mamba.flops_per_token + attention.flops_per_token,
        state_bytes=mamba.state_bytes,
    )


def _mlp(config: ModelConfig) -> LayerAccount:
    mlp, dim = config.mlp, config.hidden_dim
    assert mlp is not None
    products = (GATED[mlp.activation] + 1) * mlp.inner_dim * dim
    parameters = products + dim
    return LayerAccount(
        kind="-",
        parameters=parameters,
        active_parameters=parameters,
        flops_per_token=2 * products,
    )


def _moe(config: ModelConfig) -> LayerAccount:
    moe, dim = config.moe, config.hidden_dim
    assert moe is not None
    matrices = (GATED[moe.activation] + 1) * dim
    routed = (GATED[moe.activation] + 1) * (moe.latent_dim or dim)
    latent = 2 * dim * (moe.latent_dim or 0)
    router = moe.num_experts * dim
    bias = moe.num_experts if moe.router == "sigmoid" else 0
    shared = matrices * (moe.shared_dim or 0)
    visited = routed * moe.expert_dim * moe.top_k
    always = router + bias + shared + latent + dim
    return LayerAccount(
        kind="E",
        parameters=always + routed * moe.expert_dim * moe.num_experts,
        active_parameters=always + visited,
        flops_per_token=2 * (router + shared + latent + visited),
    )
