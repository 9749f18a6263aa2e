"""Routing replay: experts chosen while sampling are the ones that learn (arXiv 2510.11370).

Only the selection is replayed: weights of the chosen experts come from the live router, so that it
goes on learning. The engine does not report routes. They are computed again with the weights that
sampled, in the row form, whose bits depend on neither batch nor cache: with the reference backend
these *are* the engine's choices; the native one rounds otherwise, and may differ in near ties.

E layers of the kind, T tokens, k choices.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from naga.model.layer import Layer
from naga.model.lm import HybridLM, LayerCall, call_layer
from naga.model.moe import Experts, Moe, Routing
from naga.model.state import Batch, StatePool, place
from naga.runtime import Runtime

PAGE_SIZE = 64


def replaying(routes: Sequence[Tensor] | None) -> LayerCall:
    """How to call layers so that the n-th mixture takes the experts routes[n] (T, k)."""
    if routes is None:
        return call_layer
    left = iter(routes)

    def call(layer: Layer, x: Tensor, batch: Batch) -> tuple[Tensor, Routing | None]:
        choices = next(left) if isinstance(layer.mixer, Moe) else None
        called: tuple[Tensor, Routing | None] = layer(x, batch, choices)
        return called

    return call


@contextmanager
def recording(model: HybridLM) -> Iterator[list[Tensor]]:
    """What experts are visited by within the block: (T, k) for each visit, layer by layer."""
    seen: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        seen.append(given[1].detach())

    hooks = [
        module.register_forward_pre_hook(note)
        for module in model.modules()
        if isinstance(module, Experts)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def find_routes(
    model: HybridLM, runtime: Runtime, tokens: Sequence[int]
) -> NDArray[np.int16] | None:
    """(E, T - 1, k) of a sequence read by `model` in the row form; None without experts.

    The last token is never read: nothing follows it.
    """
    if model.config.moe is None:
        return None
    read = tokens[:-1]
    pages = range(-(-len(read) // PAGE_SIZE))
    pool = StatePool.create(
        model.config, runtime, num_slots=1, num_pages=len(pages), page_size=PAGE_SIZE
    )
    batch = place([len(read)], [0], [0], [tuple(pages)], runtime.device)
    with recording(model) as seen:
        model.step(torch.tensor(read, device=runtime.device), batch, pool)
    return np.stack([choices.cpu().numpy().astype(np.int16) for choices in seen])
