"""What the cache knows <-> records that can leave the engine. Between steps, by its thread.

The cache's bookkeeping says where things lie, the pool holds them. What is put in is the caller's
to have checked (saved.py). Knows no files.

T tokens, L layers of a kind, V KV heads, d head dim.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from naga.config.base import ConfigError
from naga.engine.cache import Cache
from naga.engine.saved import SavedSnapshot, SavedState
from naga.model.state import StatePool


@torch.inference_mode()
def export_state(
    cache: Cache, pool: StatePool, tokens: Sequence[int], tenant: str
) -> SavedState | None:
    """The longest known beginning of `tokens`; None if there is none to go on from."""
    known = cache.known(tokens, tenant)
    if not known.length:
        return None
    pages, length = torch.tensor(known.pages), known.length

    def rows(memory: Tensor | None) -> Tensor | None:
        """(L, pages, page_size, ...) -> (L, T, ...)."""
        if memory is None or not memory.shape[0]:
            return None if memory is None else memory.new_empty(0, length, *memory.shape[3:])
        return memory[:, pages].flatten(1, 2)[:, :length].cpu()

    keys, values = rows(pool.keys), rows(pool.values)
    assert keys is not None and values is not None
    return SavedState(
        tokens=tuple(tokens[:length]),
        keys=keys,
        values=values,
        key_scales=rows(pool.key_scales) if keys.numel() else None,
        value_scales=rows(pool.value_scales) if keys.numel() else None,
        snapshots=tuple(
            SavedSnapshot(
                position=position,
                states={
                    name: memory[:, slot].clone().cpu() for name, memory in pool.by_slot.items()
                },
            )
            for position, slot in known.snapshots
        ),
    )


@torch.inference_mode()
def install_state(cache: Cache, pool: StatePool, state: SavedState, tenant: str) -> int:
    """Put a state's tokens among the known ones; how many of them are to be computed no more.

    ConfigError, with the counts, if it does not fit.
    """
    positions = [snapshot.position for snapshot in state.snapshots]
    with cache.adopting(state.tokens, tenant, positions) as places:
        if places is None:
            raise ConfigError(
                f"the saved state's {len(state.tokens)} tokens do not fit beside what runs: the "
                f"engine's KV memory is {cache.num_pages * cache.page_size} tokens (kv_tokens) and "
                f"{cache.num_snapshots} snapshots (snapshot_bytes)"
            )
        size = cache.page_size
        for index, page in places.pages:
            span = slice(index * size, min((index + 1) * size, len(state.tokens)))
            _fill(pool, page, span, state)
        slots = dict(places.snapshots)
        for snapshot in state.snapshots:
            if snapshot.position in slots:
                for name, memory in pool.by_slot.items():
                    memory[:, slots[snapshot.position]] = snapshot.states[name].to(memory.device)
        return places.known


def _fill(pool: StatePool, page: int, span: slice, state: SavedState) -> None:
    count = span.stop - span.start
    for memory, saved in (
        (pool.keys, state.keys),
        (pool.values, state.values),
        (pool.key_scales, state.key_scales),
        (pool.value_scales, state.value_scales),
    ):
        if memory is not None and saved is not None and memory.numel():
            memory[:, page, :count] = saved[:, span].to(memory.device)
