"""What a model's matrices are given on a text: the importance that quantisation weighs errors by.

The model is read and run layer by layer in float32, training form, so that memory holds one layer
and the text's hidden states, however large the model is.

T tokens, K columns, E experts.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from naga.checkpoint.load import StoredModel
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.data.tokenizer import Tokenizer
from naga.data.windows import read_windows
from naga.model.layer import Layer
from naga.model.lm import is_matrix
from naga.model.moments import Moments
from naga.model.state import Batch, pack

# Tokens read at once without what came before, of a text as a whole at most, and at least.
WINDOW = 512
MOST_TOKENS = 8192
LEAST_TOKENS = 256
# Tokens that go through a layer together.
BATCH_TOKENS = 2048

Windows = Sequence[Sequence[int]]


def read_calibration(file: Path, tokenizer: Tokenizer, config: ModelConfig) -> Windows:
    """Windows from all over the text, always the same; ConfigError for one of no use."""
    windows = read_windows(file, tokenizer, min(WINDOW, config.max_positions))
    count = sum(map(len, windows))
    if count < LEAST_TOKENS:
        raise ConfigError(
            f"{file}: {count} tokens are too few to calibrate on; give at least {LEAST_TOKENS}"
        )
    if (largest := max(map(max, windows))) >= config.vocab_size:
        raise ConfigError(
            f"the tokenizer has token {largest}, beyond the model's vocabulary of "
            f"{config.vocab_size}: they do not belong together"
        )
    random.Random(0).shuffle(windows)
    chosen: list[list[int]] = []
    for window in windows:
        if sum(map(len, chosen)) >= MOST_TOKENS:
            break
        chosen.append(window)
    return chosen


@torch.inference_mode()
def calibrate(
    stored: StoredModel, windows: Windows, *, done: Callable[[], None] = lambda: None
) -> dict[str, Tensor]:
    """Importance of the columns of each matrix inside layers, by its in-memory name.

    (K,), of experts (E, K), float32. `done` is called after each layer.
    """
    config = stored.config
    batches = _batches(windows)
    embedding = stored.read("embed.weight")
    hidden = [
        F.embedding(tokens, embedding).float() * config.embedding_multiplier
        for tokens, _ in batches
    ]
    del embedding
    importance: dict[str, Tensor] = {}
    for index in range(len(config.layers)):
        layer = _read_layer(stored, index)
        prefix = f"layers.{index}."
        named = {prefix + name: tensor for name, tensor in layer.state_dict().items()}
        with Moments({name: tensor for name, tensor in named.items() if is_matrix(name)}) as seen:
            hidden = [layer(x, batch)[0] for x, (_, batch) in zip(hidden, batches, strict=True)]
        if not all(x.isfinite().all() for x in hidden):
            raise ConfigError(f"layers.{index}: gives NaN or infinity; the checkpoint is damaged")
        importance |= seen.importance()
        done()
    return importance


def _batches(windows: Windows) -> list[tuple[Tensor, Batch]]:
    """Flat tokens (T,) and whose they are."""
    groups: list[list[Sequence[int]]] = [[]]
    for window in windows:
        if sum(map(len, groups[-1])) + len(window) > BATCH_TOKENS and groups[-1]:
            groups.append([])
        groups[-1].append(window)
    return [
        (torch.tensor([token for window in group for token in window]), pack(lengths, "cpu"))
        for group in groups
        if (lengths := [len(window) for window in group])
    ]


def _read_layer(stored: StoredModel, index: int) -> Layer:
    with torch.device("meta"):
        layer = Layer(stored.config, index)
    tensors = {name: stored.read(f"layers.{index}.{name}").float() for name in layer.state_dict()}
    layer.load_state_dict(tensors, assign=True)
    return layer.eval()
