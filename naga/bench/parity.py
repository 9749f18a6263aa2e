"""The same checkpoint in transformers: logits of a text, beside those of what answers here.

One model is in memory at a time, ours first. Of every position the largest difference is kept, and
whether both hold the same token the likeliest. Imports transformers only when asked to. Does not
generate.

P prompts, T tokens of each, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from naga.bench.peer import quiet
from naga.checkpoint.config import read_layout
from naga.checkpoint.naga import NAME as OWN_LAYOUT
from naga.config.serve import EngineConfig
from naga.engine.backend import load_backend
from naga.engine.memory import read_memory, size
from naga.model.account import account
from naga.model.state import StatePool, place
from naga.runtime import DTYPES

PAGE_SIZE = 64
# Largest difference allowed, as a share of the largest logit: rounding in each dtype, many layers.
BOUNDS = {"float32": 1e-4, "bfloat16": 5e-2}
# What loading takes besides the weights themselves.
ROOM = 1.3


@dataclass(frozen=True, kw_only=True)
class Parity:
    dtype: str
    positions: int
    largest_logit: float
    largest_difference: float
    mean_divergence: float
    """KL from theirs to ours, nats a position."""
    same_token: int
    """Positions with the same likeliest token."""

    @property
    def passed(self) -> bool:
        """Within bounds; the likeliest token can then differ only where two are as close."""
        return self.largest_difference <= BOUNDS[self.dtype] * max(1.0, self.largest_logit)


def obstacle(path: Path) -> str | None:
    """Why transformers cannot be asked about the checkpoint folder; None if it can."""
    if find_spec("transformers") is None:
        return "transformers is not installed"
    layout, config = read_layout(path)
    if layout.model_type == OWN_LAYOUT:
        return "transformers does not open layout naga"
    if dtype_within(account(config).parameters, read_memory().available) is None:
        return "there is too little memory for transformers' copy of the model"
    return None


def dtype_within(parameters: int, available: int) -> str | None:
    """The best that one copy of the model fits into; None if none does."""
    fitting = (d for d in BOUNDS if parameters * DTYPES[d].itemsize * ROOM <= available)
    return next(fitting, None)


def compare(path: Path, prompts: Sequence[Sequence[int]]) -> Parity:
    """To be called where there is no obstacle."""
    dtype = dtype_within(account(read_layout(path)[1]).parameters, read_memory().available)
    assert dtype is not None, size(read_memory().available)
    ours = [*our_logits(path, prompts, dtype)]
    theirs = [*their_logits(path, prompts, dtype)]
    return judge(torch.cat(ours), torch.cat(theirs), dtype)


@torch.inference_mode()
def our_logits(path: Path, prompts: Sequence[Sequence[int]], dtype: str) -> list[Tensor]:
    """(T, V) float32 of each prompt."""
    engine = EngineConfig.model_validate({"dtype": dtype, "max_running": 1, "kv_tokens": 4096})
    backend = load_backend(path, engine)
    found = []
    for prompt in prompts:
        pages = range(-(-len(prompt) // PAGE_SIZE))
        pool = StatePool.create(
            backend.model.config,
            backend.runtime,
            num_slots=1,
            num_pages=len(pages),
            page_size=PAGE_SIZE,
        )
        batch = place([len(prompt)], [0], [0], [pages], backend.runtime.device)
        found.append(
            backend.model.logits_rows(backend.model.step(torch.tensor(prompt), batch, pool))
        )
    return found


@torch.inference_mode()
def their_logits(path: Path, prompts: Sequence[Sequence[int]], dtype: str) -> list[Tensor]:
    from naga.bench.workers.transformers_sequences import load

    with quiet():
        model = load(str(path), DTYPES[dtype]).eval()
        return [model(torch.tensor([prompt])).logits[0].float() for prompt in prompts]


def judge(ours: Tensor, theirs: Tensor, dtype: str) -> Parity:
    """(positions, V) float32 of both."""
    log_ours, log_theirs = ours.log_softmax(-1), theirs.log_softmax(-1)
    divergence = (log_theirs.exp() * (log_theirs - log_ours)).sum(-1)
    return Parity(
        dtype=dtype,
        positions=len(ours),
        largest_logit=float(theirs.abs().max()),
        largest_difference=float((ours - theirs).abs().max()),
        mean_divergence=float(divergence.mean()),
        same_token=int((ours.argmax(-1) == theirs.argmax(-1)).sum()),
    )
