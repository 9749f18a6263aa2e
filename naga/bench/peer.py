"""transformers training the same checkpoint, in this process.

Forward, backward, clipping and AdamW as its Trainer does them; bfloat16 is autocast over float32
weights. What transformers says about itself is kept off the terminal (`quiet`). Imports
transformers only when asked to: it is no dependency of naga.

B sequences, C tokens of each.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from naga.bench.rounds import Case, Tokens
from naga.config.base import ConfigError
from naga.config.train import OptimConfig

# Optional packages it would compute Mamba layers with.
KERNELS = ("mamba_ssm", "causal_conv1d", "kernels")


def peer_kernels() -> tuple[str, ...]:
    """Those of KERNELS that are installed."""
    return tuple(name for name in KERNELS if find_spec(name) is not None)


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines below errors, no progress bars, no Python warnings of transformers' own."""
    logging: Any = import_module("transformers.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"transformers(\.|$)")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


class PeerTrainSide:
    """Training: forward, backward, clipping, AdamW."""

    def __init__(self, path: Path, dtype: torch.dtype, optim: OptimConfig) -> None:
        from naga.bench.workers.transformers_sequences import load

        self._model = load(str(path), torch.float32).train()
        self._dtype, self._clip_norm = dtype, optim.clip_norm
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(),
            lr=optim.lr,
            betas=optim.betas,
            eps=optim.eps,
            weight_decay=optim.weight_decay,
            fused=True,
        )

    def seconds(self, case: Case, tokens: Tokens) -> float:
        ids = torch.from_numpy(tokens)
        mixed = self._dtype != torch.float32
        with _one_line_errors(self._dtype):
            started = perf_counter()
            self._optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                loss = self._model(input_ids=ids, labels=ids, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_norm)
            self._optimizer.step()
            return perf_counter() - started


@contextmanager
def _one_line_errors(dtype: torch.dtype) -> Iterator[None]:
    try:
        yield
    # Some of its kernels do not take every size and dtype, and say so only when called.
    except RuntimeError as error:
        name, reason = str(dtype).removeprefix("torch."), str(error).partition("\n")[0]
        raise ConfigError(
            f"transformers cannot compute this model in {name} ({reason}); try another --dtype"
        ) from error
