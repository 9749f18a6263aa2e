"""Pieces of jobs -> one call of the model -> tokens. Owns the model and the pool of states.

Assumes one caller thread, which has it copy what the scheduler says before each step. All pieces of
a step go through one `model.choose` over flat tokens; a row's result depends on its own tokens
alone (the model's promise), so who shares a step is free.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch

from naga.engine.backend import RowModel
from naga.engine.cache import Copies
from naga.engine.scheduler import Piece
from naga.model.account import account
from naga.model.lm import HybridLM
from naga.model.state import StatePool, place
from naga.ops.linear import padded_len
from naga.ops.sampling import Draw, Sample
from naga.runtime import Runtime

# A PyTorch step of less work is faster on one thread (docs/log.md).
SMALL_STEP_FLOPS = 1e9


class Runner:
    def __init__(self, model: RowModel, runtime: Runtime, pool: StatePool) -> None:
        self.pool = pool
        self._model = model
        self._device = runtime.device
        self._threads = torch.get_num_threads()
        self._flops_per_token = account(model.config).flops_per_token

    @torch.inference_mode()
    def copy(self, copies: Iterable[Copies]) -> None:
        for each in copies:
            if each.slot is not None:
                self.pool.copy_slot(*each.slot)
            if each.page is not None:
                self.pool.copy_page(*each.page)

    @torch.inference_mode()
    def step(self, pieces: Sequence[Piece], draws: Sequence[Draw]) -> list[Sample | None]:
        """Compute every piece; a token for each of their positions, in order, as `draws` say.

        None stands for logits that were not finite.
        """
        if isinstance(self._model, HybridLM):
            self._choose_threads(sum(len(piece.tokens) for piece in pieces))
        batch = place(
            [len(piece.tokens) for piece in pieces],
            [piece.start for piece in pieces],
            [piece.slot for piece in pieces],
            [piece.pages for piece in pieces],
            self._device,
            [piece.source for piece in pieces],
        )
        tokens = [token for piece in pieces for token in piece.tokens]
        firsts = accumulate((len(piece.tokens) for piece in pieces), initial=0)
        rows = [
            first + position - piece.start - 1
            for first, piece in zip(firsts, pieces, strict=False)
            for position in piece.positions
        ]
        return self._model.choose(tokens, batch, self.pool, rows, draws)

    def _choose_threads(self, tokens: int) -> None:
        """Results do not depend on the number of threads; how long they take does."""
        small = padded_len(tokens) * self._flops_per_token < SMALL_STEP_FLOPS
        threads = 1 if small else self._threads
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
