"""Bitwise: prefill + decode = full forward, fork = replay, stale memory is never read."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from naga.model.lm import HybridLM
from naga.model.state import StatePool, place
from naga.runtime import Runtime

PAGE = 16
LENGTH = 150


def poisoned_pool(model: HybridLM, runtime: Runtime) -> StatePool:
    pool = StatePool.create(model.config, runtime, num_slots=4, num_pages=48, page_size=PAGE)
    for memory in (*pool.by_slot.values(), pool.keys, pool.values):
        memory.fill_(torch.nan)
    return pool


def pages_of(slot: int, end: int) -> list[int]:
    """Each slot has 12 pages of its own, in an order that is not the natural one."""
    return [slot * 12 + (page * 5 + 3) % 12 for page in range(-(-end // PAGE))]


def run(
    model: HybridLM, pool: StatePool, tokens: Tensor, cuts: Sequence[int], slot: int, start: int = 0
) -> Tensor:
    """Logits (T, V) of tokens fed in runs of the given lengths."""
    rows = []
    for piece in tokens.split(list(cuts)):
        end = start + len(piece)
        batch = place([len(piece)], [start], [slot], [pages_of(slot, end)], "cpu")
        rows.append(model.logits_rows(model.step(piece, batch, pool)))
        start = end
    return torch.cat(rows)


def random_tokens(model: HybridLM, count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.config.vocab_size, (count,), generator=generator)


def random_cuts(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    cuts = []
    while count:
        cuts.append(min(count, int(torch.randint(1, 40, (), generator=generator))))
        count -= cuts[-1]
    return cuts


CUTS = {
    "token by token": [1] * LENGTH,
    "in chunks": [64, 64, 22],
    "prefill, then decode": [97] + [1] * 53,
    "one, then the rest": [1, 149],
}


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS.keys())
def test_any_chunking_gives_the_logits_of_one_full_forward(
    model: HybridLM, runtime: Runtime, cuts: list[int]
) -> None:
    pool, tokens = poisoned_pool(model, runtime), random_tokens(model, LENGTH)
    full = run(model, pool, tokens, [LENGTH], slot=0)
    assert full.isfinite().all()
    assert run(model, pool, tokens, cuts, slot=1).equal(full)


@pytest.mark.parametrize("seed", range(3))
def test_sequences_of_one_batch_are_as_if_alone(
    model: HybridLM, runtime: Runtime, seed: int
) -> None:
    pool, counts = poisoned_pool(model, runtime), [LENGTH, 61, 33, 7]
    texts = [random_tokens(model, count, seed + index) for index, count in enumerate(counts)]
    alone = [run(model, pool, text, [len(text)], slot=0) for text in texts]
    cuts = [random_cuts(count, 10 * seed + index) for index, count in enumerate(counts)]
    done, rows = [0] * 4, [[] for _ in range(4)]
    while any(cuts):
        active = [index for index in range(4) if cuts[index]]
        takes = [cuts[index].pop() for index in active]
        starts = [done[index] for index in active]
        ends = [start + take for start, take in zip(starts, takes, strict=True)]
        pages = [pages_of(index, end) for index, end in zip(active, ends, strict=True)]
        spans = zip(active, starts, ends, strict=True)
        flat = torch.cat([texts[index][start:end] for index, start, end in spans])
        hidden = model.step(flat, place(takes, starts, active, pages, "cpu"), pool)
        for index, end, part in zip(active, ends, hidden.split(takes), strict=True):
            rows[index].append(model.logits_rows(part))
            done[index] = end
    for index in range(4):
        assert torch.cat(rows[index]).equal(alone[index])


def test_a_fork_continues_as_a_replay_does(model: HybridLM, runtime: Runtime) -> None:
    pool, prefix = poisoned_pool(model, runtime), random_tokens(model, 77)
    tails = [random_tokens(model, 40, seed) for seed in (1, 2)]
    run(model, pool, prefix, [50, 27], slot=0)
    pool.copy_slot(0, 1)
    for source, target in zip(pages_of(0, 77), pages_of(1, 77), strict=True):
        pool.copy_page(source, target)
    forked = [
        run(model, pool, tail, [9] + [1] * 31, slot=slot, start=77)
        for slot, tail in enumerate(tails)
    ]
    for tail, rows in zip(tails, forked, strict=True):
        replayed = run(model, pool, torch.cat([prefix, tail]), [117], slot=2)
        assert rows.equal(replayed[77:])


def test_the_number_of_threads_changes_nothing(model: HybridLM, runtime: Runtime) -> None:
    pool, tokens = poisoned_pool(model, runtime), random_tokens(model, LENGTH)
    alone = run(model, pool, tokens, [100, 47, 1, 1, 1], slot=0)
    torch.set_num_threads(2)
    try:
        assert run(model, pool, tokens, [100, 47, 1, 1, 1], slot=1).equal(alone)
    finally:
        torch.set_num_threads(1)
