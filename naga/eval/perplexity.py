"""How well a model predicts a text, as it is served: the engine's backend, dtype and states.

Each document is cut into windows that start from zero state and do not overlap; every token but
the first of its window is scored given those before it. Bits per byte count the bytes of scored
tokens alone, so that the length of a window does not distort them by what it leaves out.
Does not batch windows, and knows no tasks (run.py).
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.table import Table

from naga.checkpoint.config import read_model_config
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.data.windows import read_windows
from naga.engine.backend import RowModel, load_backend
from naga.model.state import StatePool, place
from naga.runtime import Runtime

DEFAULT_WINDOW = 2048
# Tokens of one step and rows of logits at once: logits of a large vocabulary take much memory.
PIECE = 256
PAGE_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    file: str
    tokens: int
    """Scored ones."""
    num_bytes: int
    """Of the scored tokens."""
    nats: float
    """Sum of -log p over the scored tokens."""

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """inf beyond what a float holds."""
        return math.exp(self.nats_per_token) if self.nats_per_token < 700 else math.inf

    @property
    def bits_per_byte(self) -> float:
        return self.nats / math.log(2) / self.num_bytes

    def to_json(self) -> str:
        found = {
            "file": self.file,
            "tokens": self.tokens,
            "nats_per_token": self.nats_per_token,
            "perplexity": self.perplexity,
            "bits_per_byte": self.bits_per_byte,
        }
        return json.dumps(found, ensure_ascii=False)

    def table(self) -> Table:
        table = Table("file")
        for heading in ("tokens", "nats/token", "perplexity", "bits/byte"):
            table.add_column(heading, justify="right")
        table.add_row(
            *(self.file, f"{self.tokens:,}", f"{self.nats_per_token:.5f}"),
            *(f"{self.perplexity:.4f}", f"{self.bits_per_byte:.5f}"),
        )
        return table


Watch = Callable[[Iterable[float], int], Iterable[float]]


def measure_perplexity(
    path: Path,
    file: Path,
    config: EngineConfig,
    *,
    window: int | None = None,
    watch: Watch = lambda nats, total: nats,
) -> Perplexity:
    """Of the text in `file` under the checkpoint folder `path`; ConfigError names what is wrong.

    `watch` passes the scored tokens on, told how many there will be: a progress bar.
    """
    model_config, tokenizer = read_model_config(path), Tokenizer.load(path)
    size = window_size(window, model_config)
    windows = read_windows(file, tokenizer, size)
    scored = [token for window_ in windows for token in window_[1:]]
    num_bytes = sum(len(tokenizer.token_bytes(token)) for token in scored)
    if not num_bytes:
        raise ConfigError(f"{file}: too short to score: no window has two tokens of text")
    if (largest := max(map(max, windows))) >= model_config.vocab_size:
        raise ConfigError(
            f"{path}: its tokenizer has token {largest}, beyond the model's vocabulary of "
            f"{model_config.vocab_size}"
        )
    small = config.model_copy(update={"max_running": 1, "kv_tokens": size})
    backend = load_backend(path, small)
    nats = math.fsum(watch(token_nats(backend.model, backend.runtime, windows), len(scored)))
    if not math.isfinite(nats):
        raise ConfigError(f"{path}: its logits on {file} are not finite")
    return Perplexity(file=str(file), tokens=len(scored), num_bytes=num_bytes, nats=nats)


def window_size(asked: int | None, config: ModelConfig) -> int:
    """Tokens of a window; ConfigError if the model is not meant for so many."""
    size = min(DEFAULT_WINDOW, config.max_positions) if asked is None else asked
    if not 2 <= size <= config.max_positions:
        raise ConfigError(
            f"window {size}: must be at least 2 and at most the model's max_positions, "
            f"{config.max_positions}"
        )
    return size


@torch.inference_mode()
def token_nats(
    model: RowModel, runtime: Runtime, windows: Iterable[Sequence[int]]
) -> Iterator[float]:
    """-log p of every token but the first of each window, in order."""
    for window in windows:
        # The last token is only predicted.
        inputs, targets = torch.tensor([window[:-1], window[1:]], device=runtime.device)
        pages = list(range(-(-len(inputs) // PAGE_SIZE)))
        pool = StatePool.create(
            model.config, runtime, num_slots=1, num_pages=len(pages), page_size=PAGE_SIZE
        )
        start = 0
        for tokens, expected in zip(inputs.split(PIECE), targets.split(PIECE), strict=True):
            batch = place([len(tokens)], [start], [0], [pages], runtime.device)
            logits = model.logits_rows(model.step(tokens, batch, pool))
            yield from F.cross_entropy(logits, expected, reduction="none").tolist()
            start += len(tokens)
