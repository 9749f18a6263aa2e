"""Free lists and counted pages: nothing leaks, nothing is held or given back twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.engine.pages import FreeList, Pages

COUNT = 6


@given(st.lists(st.tuples(st.sampled_from(["take", "share", "drop"]), st.integers(0, 5))))
def test_a_page_is_free_exactly_when_nobody_holds_it(steps: list[tuple[str, int]]) -> None:
    pages, held = Pages(COUNT), dict[int, int]()
    for what, number in steps:
        if what == "take" and number <= pages.num_free:
            for page in pages.take(number):
                assert page not in held
                held[page] = 1
        elif what == "share" and number in held:
            pages.share([number])
            held[number] += 1
        elif what == "drop" and number in held:
            pages.drop([number])
            held[number] -= 1
            held = {page: count for page, count in held.items() if count}
        assert pages.num_free == COUNT - len(held)
        assert all(pages.references(page) == held.get(page, 0) for page in range(COUNT))


def test_pages_that_nobody_holds_are_neither_shared_nor_dropped() -> None:
    pages = Pages(2)
    (page,) = pages.take(1)
    pages.drop([page])
    for move in (pages.share, pages.drop):
        with pytest.raises(ValueError, match=f"page {page} is .* but was not taken"):
            move([page])


def test_taking_more_than_is_free_is_an_error_and_takes_nothing() -> None:
    free = FreeList(3)
    with pytest.raises(ValueError, match="only 3"):
        free.take(4)
    assert sorted(free.take(3)) == [0, 1, 2]


def test_giving_back_twice_is_an_error() -> None:
    free = FreeList(1)
    free.give(free.take(1))
    with pytest.raises(ValueError, match="not taken"):
        free.give([0])
