"""Batch and StatePool: who owns which token, where states lie, what a pool's memory is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.tiny import CONFIGS, RUNTIMES
from naga.model.state import StatePool, pack, place


@given(spans=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 50)), min_size=1, max_size=6))
def test_every_token_knows_its_sequence_and_position(spans: list[tuple[int, int]]) -> None:
    lengths, starts = zip(*spans, strict=True)
    slots = list(range(len(spans)))
    batch = place(lengths, starts, slots, [[9]] * len(spans), "cpu")
    owners = [(s, start + i) for s, (n, start) in enumerate(spans) for i in range(n)]
    assert list(zip(batch.segments.tolist(), batch.positions.tolist(), strict=True)) == owners
    assert batch.cu_seqlens.tolist() == [sum(lengths[:i]) for i in range(len(spans) + 1)]
    assert (batch.cu_seqlens.dtype, batch.positions.dtype) == (torch.int32, torch.int64)


def test_packed_sequences_start_at_zero_and_have_no_memory() -> None:
    batch = pack([2, 3], "cpu")
    assert batch.positions.tolist() == [0, 1, 0, 1, 2] and batch.starts == (0, 0)
    assert batch.slots is None and batch.pages is None


def test_slots_and_pages_are_indices_of_tensors_too() -> None:
    batch = place([1, 1, 1], [40, 0, 0], [5, 0, 2], [[3, 1, 4], [2], []], "cpu")
    assert [own.tolist() for own in batch.page_index] == [[3, 1, 4], [2], []]
    assert batch.slot_index.tolist() == [5, 0, 2]


def test_two_sequences_in_one_slot_are_refused() -> None:
    with pytest.raises(AssertionError):
        place([1, 1], [0, 0], [3, 3], [[0], [1]], "cpu")


@pytest.mark.parametrize("lengths", [[], [3, 0]])
def test_an_empty_batch_or_sequence_is_refused(lengths: list[int]) -> None:
    with pytest.raises(AssertionError):
        pack(lengths, "cpu")


@pytest.mark.parametrize("name", ["everything", "M", "*", "-", "S", "H", "all six kinds"])
def test_a_pool_has_memory_for_the_layers_there_are(name: str) -> None:
    config = CONFIGS[name]
    pool = StatePool.create(config, RUNTIMES["bfloat16"], num_slots=3, num_pages=5, page_size=32)
    mamba, attention = config.mamba, config.attention
    scans, attentions = (sum(map(config.count, letters)) for letters in ("MH", "*H"))
    if mamba:
        state = (mamba.num_heads, mamba.head_dim, mamba.state_dim)
        assert pool.ssm.shape == (scans, 3, *state)
        assert pool.conv.shape == (scans, 3, mamba.conv_width - 1, mamba.conv_dim)
    if mamba1 := config.mamba1:
        slots = (config.count("S"), 3)
        assert pool.mamba1_ssm.shape == (*slots, mamba1.inner_dim, mamba1.state_dim)
        assert pool.mamba1_conv.shape == (*slots, mamba1.conv_width - 1, mamba1.inner_dim)
    if attention:
        row = (attention.num_kv_heads, attention.head_dim)
        assert pool.keys.shape == pool.values.shape == (attentions, 5, 32, *row)
    assert bool(pool.ssm.numel()) == bool(mamba) and bool(pool.keys.numel()) == bool(attention)
    assert bool(pool.mamba1_ssm.numel()) == bool(config.mamba1)
    assert pool.ssm.dtype == pool.mamba1_ssm.dtype == torch.float32
    assert (
        pool.mamba1_conv.dtype == pool.conv.dtype == pool.keys.dtype == pool.dtype == torch.bfloat16
    )
    assert pool.page_size == 32


@pytest.mark.parametrize("name", ["everything", "-"])
def test_copies_reach_every_layer_and_nothing_else(name: str) -> None:
    pool = StatePool.create(
        CONFIGS[name], RUNTIMES["float32"], num_slots=3, num_pages=4, page_size=16
    )
    states = (pool.ssm, pool.conv, pool.mamba1_ssm, pool.mamba1_conv)
    for memory in (*states, pool.keys, pool.values):
        memory.copy_(torch.arange(memory.numel()).view(memory.shape))
    before = [memory.clone() for memory in (*states, pool.keys, pool.values)]
    pool.copy_slot(2, 0)
    pool.copy_page(1, 3)
    for memory, old in zip(states, before[:4], strict=True):
        if memory.numel():
            assert memory.equal(old[:, [2, 1, 2]])
    for memory, old in zip((pool.keys, pool.values), before[4:], strict=True):
        if memory.numel():
            assert memory.equal(old[:, [0, 1, 2, 1]])
