"""Who holds which recurrent-state slot and which KV pages. Numbers only: no torch, no tensors.

A request reserves everything it can come to need before it starts, so a running request never
waits for memory. Not thread-safe: the engine thread alone calls it. Shares nothing between
requests yet (no prefix cache).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.engine.request import Request


class FreeList:
    """The numbers 0..count-1, each free or taken; the one given back last is taken first."""

    def __init__(self, count: int) -> None:
        self._free = list(range(count - 1, -1, -1))
        self._taken: set[int] = set()

    @property
    def num_free(self) -> int:
        return len(self._free)

    def take(self, count: int) -> tuple[int, ...]:
        if count > len(self._free):
            raise ValueError(f"asked for {count}, only {len(self._free)} are free")
        taken = tuple(self._free.pop() for _ in range(count))
        self._taken.update(taken)
        return taken

    def give(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number not in self._taken:
                raise ValueError(f"{number} is given back but was not taken")
            self._taken.remove(number)
            self._free.append(number)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What one running request holds."""

    slot: int
    pages: tuple[int, ...]
    """pages[p] keeps positions [p * page_size, (p + 1) * page_size)."""


class Memory:
    """State slots and KV pages, reserved and released together."""

    def __init__(self, *, num_slots: int, num_pages: int, page_size: int) -> None:
        self.num_pages = num_pages
        self.page_size = page_size
        self._slots = FreeList(num_slots)
        self._pages = FreeList(num_pages)

    @property
    def free_slots(self) -> int:
        return self._slots.num_free

    @property
    def free_pages(self) -> int:
        return self._pages.num_free

    def pages_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.page_size)

    def reserve(self, num_tokens: int) -> Holding | None:
        """A slot and pages for num_tokens positions; None while either is short."""
        num_pages = self.pages_for(num_tokens)
        if not self._slots.num_free or num_pages > self._pages.num_free:
            return None
        (slot,) = self._slots.take(1)
        return Holding(slot=slot, pages=self._pages.take(num_pages))

    def release(self, holding: Holding) -> None:
        """Give everything back; ValueError if it was given back before."""
        self._slots.give([holding.slot])
        self._pages.give(holding.pages)


def check_fits(request: Request, config: ModelConfig, memory: Memory) -> None:
    """ConfigError, with the exact counts, if `request` could not run in an empty engine either."""
    prompt_len, max_tokens = len(request.prompt), request.sampling.max_tokens
    total = prompt_len + max_tokens
    counts = f"{prompt_len} prompt tokens + {max_tokens} max_tokens = {total}"
    if total > config.max_positions:
        raise ConfigError(
            f"{counts} exceeds the model's context of {config.max_positions} tokens "
            "(max_positions); shorten the prompt or lower max_tokens"
        )
    if memory.pages_for(total) > memory.num_pages:
        raise ConfigError(
            f"{counts} exceeds the {memory.num_pages * memory.page_size} tokens of the engine's "
            "KV memory (kv_tokens); raise kv_tokens, shorten the prompt or lower max_tokens"
        )
    for token in request.prompt:
        if not 0 <= token < config.vocab_size:
            raise ConfigError(
                f"prompt token {token} is not in the model's vocabulary of {config.vocab_size}"
            )
