"""llama.cpp through llama-cpp-python's low-level interface: what is timed is llama_decode itself.

The next token is the argmax over the logits, by numpy: less than llama.cpp's own samplers do. A
context is made for each shape of work (batch and length), with a cache of its own for each
sequence; its settings are llama.cpp's defaults. Imports no naga.
"""

import ctypes
from time import perf_counter
from typing import Any

import llama_cpp
import numpy as np

# llama.cpp's default: tokens in one llama_decode.
BATCH_TOKENS = 2048


class LlamaCppSequences:
    def __init__(self, *, model: str, kv: str | None, threads: int) -> None:
        """`kv`: int8 for keys and values in q8_0, else llama.cpp's float16."""
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(model.encode(), settings)
        if not self._model:
            raise ValueError(f"{model}: llama.cpp does not open it")
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(
            llama_cpp.llama_model_get_vocab(self._model)
        )
        self._threads, self._kv = threads, kv
        self._context: Any = None
        self._shape = (0, 0)
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._chosen: list[int] = []
        self._position = 0

    def start(self, prompts: list[list[int]], new_tokens: int) -> float:
        """Seconds from the prompts to a first token of each; up to new_tokens more may follow."""
        self.make_room(len(prompts), len(prompts[0]) + new_tokens)
        self.stop()
        started = perf_counter()
        self._chosen = [self._read(row, prompt) for row, prompt in enumerate(prompts)]
        self._position = len(prompts[0])
        return perf_counter() - started

    def advance(self, steps: int) -> float:
        """Seconds of `steps` more tokens of every sequence."""
        started = perf_counter()
        for _ in range(steps):
            rows = range(len(self._chosen))
            self._fill([(self._chosen[row], self._position, row, True) for row in rows])
            self._decode()
            self._chosen = [self._argmax(row) for row in rows]
            self._position += 1
        return perf_counter() - started

    def stop(self) -> None:
        self._chosen = []
        memory = llama_cpp.llama_get_memory(self._context)
        llama_cpp.llama_memory_clear(memory, False)

    def make_room(self, sequences: int, length: int) -> None:
        if self._shape[0] == sequences and self._shape[1] >= length:
            return
        if self._context:
            llama_cpp.llama_free(self._context)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max = sequences * length, sequences
        settings.n_batch = BATCH_TOKENS
        settings.n_threads = settings.n_threads_batch = self._threads
        if self._kv:
            settings.type_k = settings.type_v = llama_cpp.GGML_TYPE_Q8_0
            # Without it llama.cpp takes no quantised values.
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        if not self._context:
            raise ValueError(f"llama.cpp has no context of {sequences} times {length} tokens")
        self._shape = (sequences, length)

    def _read(self, row: int, prompt: list[int]) -> int:
        """The token after a prompt."""
        last = len(prompt) - 1
        for first in range(0, len(prompt), BATCH_TOKENS):
            part = enumerate(prompt[first : first + BATCH_TOKENS], first)
            self._fill([(token, position, row, position == last) for position, token in part])
            self._decode()
        return self._argmax(-1)

    def _fill(self, entries: list[tuple[int, int, int, bool]]) -> None:
        """Token, position, sequence, and whether its logits are wanted."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for index, (token, position, row, wanted) in enumerate(entries):
            batch.token[index], batch.pos[index] = token, position
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, row
            batch.logits[index] = wanted

    def _decode(self) -> None:
        code = llama_cpp.llama_decode(self._context, self._batch)
        if code:
            raise ValueError(f"llama_decode failed with code {code}")

    def _argmax(self, row: int) -> int:
        logits = llama_cpp.llama_get_logits_ith(self._context, row)
        pointer = ctypes.cast(logits, ctypes.POINTER(ctypes.c_float))
        return int(np.ctypeslib.as_array(pointer, (self._vocab_size,)).argmax())


open_sequences = LlamaCppSequences
