"""transformers (5 or newer) with its default settings, on the CPU.

Decode is a bare loop of forward passes over transformers' own cache, greedy: less than `generate`
does, so it flatters the peer. Weights that it could not match are an error. Imports no naga.

B sequences, C tokens of each.
"""

from importlib import import_module
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

transformers: Any = import_module("transformers")


def load(path: str, dtype: torch.dtype) -> nn.Module:
    """The checkpoint folder, all weights in `dtype`."""
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, trust_remote_code=False, local_files_only=True, output_loading_info=True
    )
    wrong = sorted(str(name) for names in report.values() for name in names)
    if wrong:
        raise ValueError(f"{path}: transformers does not open it as naga does: {wrong[0]}")
    assert isinstance(model, nn.Module)
    return model


class TransformersSequences:
    def __init__(self, *, model: str, precision: str, threads: int) -> None:
        torch.set_num_threads(threads)
        dtypes = {"f32": torch.float32, "bf16": torch.bfloat16}
        self._model = load(model, dtypes[precision]).eval()
        self._chosen, self._cache = torch.empty(0), None

    def start(self, prompts: list[list[int]], new_tokens: int) -> float:
        """Seconds from the prompts to a first token of each."""
        started = perf_counter()
        self._forward(torch.tensor(prompts), None)
        return perf_counter() - started

    def advance(self, steps: int) -> float:
        """Seconds of `steps` more tokens of every sequence."""
        started = perf_counter()
        for _ in range(steps):
            self._forward(self._chosen, self._cache)
        return perf_counter() - started

    def stop(self) -> None:
        self._cache = None

    @torch.inference_mode()
    def _forward(self, tokens: Tensor, cache: Any) -> None:
        """Choose the next tokens (B, 1), greedily."""
        output = self._model(
            input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        self._chosen, self._cache = output.logits[:, -1:].argmax(-1), output.past_key_values


open_sequences = TransformersSequences
