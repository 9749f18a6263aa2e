"""vLLM's CPU build, its V1 engine in this process, step by step.

Settings are vLLM's defaults (compiled, chunked prefill) but for the prefix cache, which is off:
prompts are random. bfloat16. Imports no naga.
"""

import os
from time import perf_counter
from typing import Any

GIGABYTE = 1 << 30
# Tokens of a prompt that one step takes at least, whatever vLLM's default is.
SHORTEST_PART = 512


class VllmSequences:
    def __init__(
        self, *, model: str, threads: int, sequences: int, positions: int, kv_bytes: int
    ) -> None:
        """Room for `sequences` of `positions` tokens each; `kv_bytes`: of all of them."""
        # Read when vLLM is imported. In this process, so that nothing runs between two calls.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(1 + 2 * kv_bytes // GIGABYTE)
        cores = sorted(os.sched_getaffinity(0))[:threads]
        os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
        vllm: Any = __import__("vllm")
        self._engine = vllm.LLM(
            model=model,
            skip_tokenizer_init=True,
            dtype="bfloat16",
            max_model_len=positions,
            max_num_seqs=sequences,
            enable_prefix_caching=False,
        ).llm_engine
        self._parameters = vllm.SamplingParams
        self._running: dict[str, int] = {}
        self._number = 0

    def start(self, prompts: list[list[int]], new_tokens: int) -> float:
        """Seconds from the prompts to a first token of each; up to new_tokens more may follow."""
        self.stop()
        # The first sequence goes on while the prompts of the others are read, in parts.
        most = new_tokens + 2 + sum(map(len, prompts)) // SHORTEST_PART
        sampling = self._parameters(
            temperature=0, max_tokens=most, ignore_eos=True, detokenize=False
        )
        started = perf_counter()
        for prompt in prompts:
            self._number += 1
            self._running[str(self._number)] = 0
            self._engine.add_request(str(self._number), {"prompt_token_ids": prompt}, sampling)
        while not all(self._running.values()):
            self._step()
        return perf_counter() - started

    def advance(self, steps: int) -> float:
        """Seconds of `steps` more tokens of every sequence."""
        wanted = {name: count + steps for name, count in self._running.items()}
        started = perf_counter()
        while any(self._running[name] < count for name, count in wanted.items()):
            self._step()
        return perf_counter() - started

    def stop(self) -> None:
        if self._running:
            self._engine.abort_request(list(self._running))
        self._running.clear()

    def _step(self) -> None:
        for output in self._engine.step():
            if output.finished:
                raise ValueError("a sequence ended while it was timed")
            self._running[output.request_id] = len(output.outputs[0].token_ids)


open_sequences = VllmSequences
