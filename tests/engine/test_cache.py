"""Slots and pages: nothing leaks, nothing is held twice, nothing is given back twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.engine.cache import FreeList, Holding, Memory

SLOTS, PAGES, PAGE_SIZE = 3, 10, 16


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200)), max_size=60))
def test_what_is_held_and_what_is_free_is_always_everything(steps: list[tuple[bool, int]]) -> None:
    memory = Memory(num_slots=SLOTS, num_pages=PAGES, page_size=PAGE_SIZE)
    held: list[Holding] = []
    for reserve, number in steps:
        if reserve:
            fits = len(held) < SLOTS and memory.pages_for(number) <= memory.free_pages
            holding = memory.reserve(number)
            assert (holding is not None) == fits
            if holding is not None:
                assert len(holding.pages) * PAGE_SIZE >= number
                held.append(holding)
        elif held:
            memory.release(held.pop(number % len(held)))
        pages = [page for holding in held for page in holding.pages]
        slots = [holding.slot for holding in held]
        assert len(set(pages)) == len(pages) == PAGES - memory.free_pages
        assert len(set(slots)) == len(slots) == SLOTS - memory.free_slots
        assert set(pages) <= set(range(PAGES))
        assert set(slots) <= set(range(SLOTS))


def test_releasing_twice_is_an_error() -> None:
    memory = Memory(num_slots=SLOTS, num_pages=PAGES, page_size=PAGE_SIZE)
    holding = memory.reserve(20)
    assert holding is not None
    memory.release(holding)
    with pytest.raises(ValueError, match="not taken"):
        memory.release(holding)


def test_taking_more_than_is_free_is_an_error_and_takes_nothing() -> None:
    free = FreeList(3)
    with pytest.raises(ValueError, match="only 3"):
        free.take(4)
    assert sorted(free.take(3)) == [0, 1, 2]
