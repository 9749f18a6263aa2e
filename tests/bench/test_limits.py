"""naga.bench.limits: what a step must read and compute, held to the account and to tensors."""

from typing import Literal

import pytest
import torch

from bench.conftest import CONFIGS
from naga.bench.limits import (
    GGUF_BITS,
    NAGA_BITS,
    Rates,
    average,
    decode_bytes,
    prefill_flops,
    quantised_bits,
    step_flops,
    tensor_bytes,
    weight_bytes,
)
from naga.bench.models import presets
from naga.config.quantisation import Quantisation
from naga.model.account import account
from naga.model.lm import HybridLM, value_dtype
from naga.model.native import packed_shape

PRESETS = presets()
SMALL = PRESETS["granite-4.0-h-350m"]


@pytest.mark.parametrize("name", CONFIGS)
def test_bf16_weights_are_the_tensors_that_are_read(name: str) -> None:
    config = CONFIGS[name]
    tensors = HybridLM(config).state_dict()
    if not config.tie_embeddings:
        del tensors["embed.weight"]
    expected = sum(
        tensor.numel() * value_dtype(key, torch.bfloat16).itemsize
        for key, tensor in tensors.items()
    )
    # So many tokens that every expert has one.
    assert weight_bytes(config, NAGA_BITS["bf16"], batch=1000) == pytest.approx(expected)


def test_a_token_reads_its_experts_only() -> None:
    config = PRESETS["granite-4.0-h-tiny"]
    one, eight = (weight_bytes(config, NAGA_BITS["bf16"], batch) for batch in (1, 8))
    assert one == pytest.approx(2 * account(config).active_parameters, rel=0.01)
    # 64 experts, 6 a token: 8 tokens meet 64 · (1 - (58/64)^8) of them.
    experts = weight_bytes(config, NAGA_BITS["bf16"], 10_000) - one
    share = (1 - (58 / 64) ** 8 - 6 / 64) / (58 / 64)
    assert eight - one == pytest.approx(share * experts, rel=1e-3)


def test_quantised_weights_take_their_bits() -> None:
    table = SMALL.vocab_size * SMALL.hidden_dim
    body = account(SMALL).parameters - table
    for bits, matrix, head in (
        (NAGA_BITS["int8"], 8.125, 8.125),
        (NAGA_BITS["int4"], 4.5, 8.5),
        (GGUF_BITS["int4"], 4.5, 6.5625),
    ):
        expected = (body * matrix + table * head) / 8
        assert weight_bytes(SMALL, bits, 1) == pytest.approx(expected, rel=0.01)


def test_decode_adds_states_twice_and_the_cache_once_for_every_sequence() -> None:
    bits, costs = NAGA_BITS["bf16"], account(SMALL)
    alone = decode_bytes(SMALL, bits, 1, 0) - weight_bytes(SMALL, bits, 1)
    assert alone == 2 * costs.state_bytes + costs.kv_bytes_per_token
    deep = decode_bytes(SMALL, bits, 8, 16_384) - weight_bytes(SMALL, bits, 8)
    assert deep == 8 * (2 * costs.state_bytes + 16_385 * costs.kv_bytes_per_token)
    small = decode_bytes(SMALL, bits, 8, 16_384, "int8") - weight_bytes(SMALL, bits, 8)
    # A scale of four bytes for each head of 64.
    assert deep - small == 8 * 16_385 * costs.kv_bytes_per_token * (1 - (64 + 4) / 128)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_bits_are_those_of_the_packed_bytes(precision: Literal["int8", "int4"]) -> None:
    quantisation = Quantisation(format=precision)
    assert quantised_bits(quantisation) == NAGA_BITS[precision]
    for held in (quantisation, Quantisation(format="int8", group="channel")):
        for name in ("layers.0.mixer.up.weight", "embed.weight"):
            (count,) = packed_shape(name, (1024, 768), held)
            assert count == tensor_bytes(name, (1024, 768), quantised_bits(held))


def test_prefill_computes_the_head_once_and_meets_every_earlier_token() -> None:
    costs, head = account(SMALL), 2 * SMALL.vocab_size * SMALL.hidden_dim
    assert prefill_flops(SMALL, 1) == costs.flops_per_token
    met = 0 + 1 + 2
    assert prefill_flops(SMALL, 3) == (
        3 * (costs.flops_per_token - head) + head + met * costs.attention_flops_per_context_token
    )
    cut = step_flops(SMALL, 100, 0) + step_flops(SMALL, 28, 100)
    assert cut == pytest.approx(step_flops(SMALL, 128, 0))


def test_readings_are_averaged() -> None:
    first = Rates(bytes_per_s=1, flops_per_s={"bf16": 3})
    second = Rates(bytes_per_s=2, flops_per_s={"bf16": 5})
    assert average(first, second) == Rates(bytes_per_s=1.5, flops_per_s={"bf16": 4})
    assert average(Rates(bytes_per_s=1), Rates(bytes_per_s=3)) == Rates(bytes_per_s=2)
