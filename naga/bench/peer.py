"""Their side: the same checkpoint in transformers (5 or newer), with its default settings.

Decode is a bare loop of forward passes over transformers' own cache, greedy: less than `generate`
does, so it flatters the peer. Training in bfloat16 is autocast over float32 weights, as its Trainer
does it. What transformers says about itself is kept off the terminal (`quiet`); weights it could
not match are an error. Imports transformers only when asked to: it is no dependency of naga.

B sequences, C tokens of each.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from naga.bench.rounds import Case, Tokens
from naga.config.base import ConfigError
from naga.config.train import OptimConfig

OLDEST = 5
# Optional packages it would compute Mamba layers with.
KERNELS = ("mamba_ssm", "causal_conv1d", "kernels")


def peer_version() -> str:
    """The installed transformers; ConfigError if it is missing or too old."""
    fix = f"pip install 'transformers>={OLDEST}'"
    if find_spec("transformers") is None:
        raise ConfigError(f"transformers is not installed, and naga is compared with it: {fix}")
    found = version("transformers")
    if int(found.partition(".")[0]) < OLDEST:
        raise ConfigError(f"transformers {found} is too old to be compared with: {fix}")
    return found


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


def load_peer(path: Path, dtype: torch.dtype) -> nn.Module:
    """The checkpoint folder in transformers, all weights in `dtype`."""
    transformers: Any = import_module("transformers")
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, trust_remote_code=False, local_files_only=True, output_loading_info=True
    )
    wrong = sorted(str(name) for names in report.values() for name in names)
    if wrong:
        raise ConfigError(f"{path}: transformers does not open it as naga does: {wrong[0]}")
    assert isinstance(model, nn.Module)
    return model


class PeerSide:
    """Prefill and decode."""

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self._model = load_peer(path, dtype).eval()
        self._dtype = dtype

    def seconds(self, case: Case, tokens: Tokens) -> float:
        """Prefill: one pass over the prompts. Decode: new_tokens passes after that one."""
        with torch.inference_mode(), _one_line_errors(self._dtype):
            started = perf_counter()
            chosen, cache = self._forward(torch.from_numpy(tokens), None)
            if case.work == "decode":
                started = perf_counter()
                for _ in range(case.new_tokens):
                    chosen, cache = self._forward(chosen, cache)
            return perf_counter() - started

    def _forward(self, tokens: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """Greedy next tokens (B, 1), and the cache that has seen `tokens`."""
        output = self._model(
            input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        return output.logits[:, -1:].argmax(-1), output.past_key_values


class PeerTrainSide:
    """Training: forward, backward, clipping, AdamW."""

    def __init__(self, path: Path, dtype: torch.dtype, optim: OptimConfig) -> None:
        self._model = load_peer(path, torch.float32).train()
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
