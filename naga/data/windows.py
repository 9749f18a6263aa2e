"""A text file -> windows of tokens: what perplexity scores and calibration runs the model over."""

from pathlib import Path

from naga.data.corpus import read_texts
from naga.data.tokenizer import Tokenizer


def read_windows(file: Path, tokenizer: Tokenizer, size: int) -> list[list[int]]:
    """The documents of `file` in windows of at most `size` tokens; a lone last token is left."""
    windows = []
    for tokens in map(tokenizer.encode, read_texts([file])):
        cut = (tokens[first : first + size] for first in range(0, len(tokens), size))
        windows += [window for window in cut if len(window) > 1]
    return windows
