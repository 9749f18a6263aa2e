"""Numbers that are free or taken: slots, and pages that several may hold. No torch, no tensors.

Not thread-safe: the engine thread alone calls it. Knows nothing of what the numbers stand for.
"""

from collections.abc import Iterable


class FreeList:
    """The numbers 0..count-1, each free or taken; the one given back last is taken first."""

    def __init__(self, count: int) -> None:
        self.count = count
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


class Pages:
    """The numbers 0..count-1 with reference counts; one with none is free."""

    def __init__(self, count: int) -> None:
        self._free = FreeList(count)
        self._references: dict[int, int] = {}

    @property
    def count(self) -> int:
        return self._free.count

    @property
    def num_free(self) -> int:
        return self._free.num_free

    def take(self, count: int) -> tuple[int, ...]:
        """Free ones, each with one reference; ValueError if there are fewer."""
        taken = self._free.take(count)
        self._references.update(dict.fromkeys(taken, 1))
        return taken

    def share(self, pages: Iterable[int]) -> None:
        """One more reference to each."""
        for page in pages:
            if page not in self._references:
                raise ValueError(f"page {page} is shared but was not taken")
            self._references[page] += 1

    def drop(self, pages: Iterable[int]) -> None:
        """One reference less; ValueError where there was none."""
        for page in pages:
            if page not in self._references:
                raise ValueError(f"page {page} is dropped but was not taken")
            self._references[page] -= 1
            if not self._references[page]:
                del self._references[page]
                self._free.give([page])

    def references(self, page: int) -> int:
        return self._references.get(page, 0)
