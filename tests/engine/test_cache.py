"""The cache as a state machine: slots and pages hold what they should, and none is lost or doubled.

A slot's content is the tokens that its state has seen, a page's the tokens up to each of its
positions. Copies are done late, as the engine does them: before the next tokens are computed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from naga.engine.cache import Cache, Copies, Holding
from naga.engine.prefix import Node, Snapshot

SLOTS, PAGES, PAGE, SNAPSHOTS = 3, 9, 4, 3
History = tuple[int, ...]


@dataclass(eq=False)
class Running:
    holding: Holding
    tokens: list[int]
    tenant: str
    done: int


# Few tokens, so that beginnings are shared.
TOKENS = st.lists(st.sampled_from([0, 0, 0, 1]), min_size=1, max_size=30)
TENANTS = st.sampled_from(["", "", "other"])


def nodes_below(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children.values():
        yield from nodes_below(child)


def history_of(node: Node) -> History:
    return tuple(token for each in node.path() for token in each.tokens)


class CacheMachine(RuleBasedStateMachine):
    @initialize(recurrent=st.booleans(), snapshots=st.integers(0, SNAPSHOTS))
    def start(self, recurrent: bool, snapshots: int) -> None:
        self.cache = Cache(
            num_slots=SLOTS,
            num_pages=PAGES,
            page_size=PAGE,
            num_snapshots=snapshots if recurrent else 0,
            recurrent=recurrent,
        )
        self.running: list[Running] = []
        self.slots: dict[int, History] = {}
        self.pages: dict[int, list[History | None]] = {}
        self.copies: list[Copies] = []

    # ---- what the engine does

    @rule(tokens=TOKENS, tenant=TENANTS, more=st.integers(0, 8), use_known=st.booleans())
    def take_in(self, tokens: list[int], tenant: str, more: int, use_known: bool) -> None:
        before = (self.cache.tree.num_pages, self.cache.tree.num_snapshots)
        wanted = len(tokens) + more
        holding = self.cache.take_in(tokens, tenant, wanted, use_known=use_known)
        if holding is None:
            assert before == (self.cache.tree.num_pages, self.cache.tree.num_snapshots)
            full = self.cache.pages_for(wanted) > self.cache.num_pages - len(self.held())
            assert full or not self.cache.free_slots
            return
        assert 0 <= holding.start <= min(holding.known, len(tokens) - 1)
        assert use_known or not holding.start
        assert len(holding.pages) == self.cache.pages_for(wanted)
        self.copies.append(holding.copies)
        self.running.append(
            Running(holding=holding, tokens=tokens, tenant=tenant, done=holding.start)
        )

    @precondition(lambda self: self.running)
    @rule(data=st.data(), share=st.floats(0, 1), tokens=TOKENS)
    def fork(self, data: st.DataObject, share: float, tokens: list[int]) -> None:
        other = self.pick(data)
        shared = other.tokens[: int(share * len(other.tokens))]
        self.take_in(tokens=[*shared, *tokens], tenant=other.tenant, more=0, use_known=True)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), count=st.integers(1, 13), plant=st.booleans(), token=st.integers(0, 1))
    def compute(self, data: st.DataObject, count: int, plant: bool, token: int) -> None:
        run = self.pick(data)
        end = run.done + count
        grown = self.cache.grow(run.holding, end)
        more = self.cache.pages_for(end) - len(run.holding.pages)
        assert grown == (more <= 0)
        if not grown:
            assert more > self.cache.num_pages - len(self.held())
            return
        self.flush()
        run.tokens += [token] * (end - len(run.tokens))
        for position in range(run.done, end):
            history = tuple(run.tokens[: position + 1])
            page = run.holding.pages[position // PAGE]
            self.pages.setdefault(page, [None] * PAGE)[position % PAGE] = history
        run.done = end
        self.slots[run.holding.slot] = tuple(run.tokens[:end])
        self.cache.advance(run.holding, run.tokens, end)
        if plant:
            self.plant(run)

    def plant(self, run: Running) -> None:
        slot = self.cache.plant(run.holding, run.tokens, run.done)
        if slot is not None:
            assert self.cache.recurrent
            self.copies.append(Copies(slot=(run.holding.slot, slot)))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        """A guess came true: the state is in the other slot."""
        self.flush()
        holding = self.pick(data).holding
        holding.slot, holding.spare = holding.spare, holding.slot
        self.slots[holding.slot] = self.slots.get(holding.spare, ())

    @precondition(lambda self: self.running)
    @rule(data=st.data(), wrong=st.booleans())
    def release(self, data: st.DataObject, wrong: bool) -> None:
        run = self.pick(data)
        self.running.remove(run)
        self.cache.release(run.holding)
        with pytest.raises(ValueError):
            self.cache.release(run.holding)
        if wrong:
            self.cache.forget(run.tokens, run.tenant, run.holding.start)
            left = self.cache.tree.snapshots_on(run.tokens, run.tenant)
            assert all(snapshot.position <= run.holding.start for snapshot in left)

    @rule()
    def clear(self) -> None:
        self.cache.tree.clear()
        assert not self.cache.tree.num_snapshots
        assert self.cache.num_pages - self.cache.free_pages == len(self.held())

    @rule(
        tokens=TOKENS,
        tenant=TENANTS,
        positions=st.sets(st.integers(1, 30), min_size=1),
        fails=st.sampled_from([False, False, False, True]),
    )
    def adopt(self, tokens: list[int], tenant: str, positions: set[int], fails: bool) -> None:
        ascending = sorted({min(position, len(tokens)) for position in positions})
        if not self.cache.recurrent:
            ascending = []
        self.flush()
        try:
            with self.cache.adopting(tokens, tenant, ascending) as places:
                if places is None:
                    return
                for index, page in places.pages:
                    span = tokens[index * PAGE : (index + 1) * PAGE]
                    content = [tuple(tokens[: index * PAGE + n + 1]) for n in range(len(span))]
                    self.pages[page] = [*content, *[None] * (PAGE - len(span))]
                for position, slot in places.snapshots:
                    self.slots[slot] = tuple(tokens[:position])
                deepest = max((position for position, _ in places.snapshots), default=0)
                assert places.known >= deepest
                if fails:
                    raise OSError
        except OSError:
            assert not self.cache.tree.num_snapshots

    # ---- what must hold

    @invariant()
    def slots_add_up(self) -> None:
        assert self.cache.free_slots + len(self.running) == SLOTS
        own = [s for run in self.running for s in (run.holding.slot, run.holding.spare)]
        assert len(set(own)) == len(own) and set(own) <= set(range(2 * SLOTS))
        taken = [snapshot.slot for snapshot in self.snapshots()]
        assert len(set(taken)) == len(taken) == self.cache.tree.num_snapshots
        assert set(taken) <= set(range(self.cache.num_snapshots))

    @invariant()
    def pages_have_as_many_references_as_holders(self) -> None:
        holders = Counter(page for run in self.running for page in run.holding.pages)
        nodes = list(self.nodes())
        holders.update(node.page for node in nodes)
        holders.update(s.page for s in self.snapshots() if s.page is not None)
        for page in range(PAGES):
            assert self.cache.pages.references(page) == holders[page], page
        assert self.cache.free_pages == PAGES - len(holders)
        assert self.cache.tree.num_pages == len(nodes)
        for run in self.running:
            assert len(set(run.holding.pages)) == len(run.holding.pages)

    @invariant()
    def pins_are_those_of_who_runs(self) -> None:
        pins = Counter(run.holding.node for run in self.running)
        for root in self.cache.tree._roots.values():
            assert all(node.pins == pins.pop(node, 0) for node in nodes_below(root))
        assert not pins

    @invariant()
    def what_is_known_is_there(self) -> None:
        if self.copies:
            return
        for node in self.nodes():
            assert node.page is not None
            self.check_page(node.page, history_of(node), node.end - PAGE)
        for snapshot in self.snapshots():
            history = history_of(snapshot.node) + snapshot.tail
            assert self.slots[self.cache.first_snapshot + snapshot.slot] == history
            if snapshot.page is not None:
                self.check_page(snapshot.page, history, snapshot.node.end)

    @invariant()
    def who_runs_has_its_own_past(self) -> None:
        if self.copies:
            return
        for run in self.running:
            past = tuple(run.tokens[: run.done])
            if self.cache.recurrent and past:
                assert self.slots[run.holding.slot] == past
            for first in range(0, run.done, PAGE):
                self.check_page(run.holding.pages[first // PAGE], past[: first + PAGE], first)

    def teardown(self) -> None:
        for run in self.running:
            self.cache.release(run.holding)
        self.running.clear()
        self.cache.tree.clear()
        assert (self.cache.free_slots, self.cache.free_pages) == (SLOTS, PAGES)
        assert not self.cache.tree.num_snapshots

    # ---- helpers

    def check_page(self, page: int, history: Sequence[int], first: int) -> None:
        """It holds positions `first` to the end of `history`."""
        found = self.pages[page][: len(history) - first]
        assert found == [tuple(history[: n + 1]) for n in range(first, len(history))]

    def flush(self) -> None:
        for each in self.copies:
            if each.slot is not None:
                self.slots[each.slot[1]] = self.slots[each.slot[0]]
            if each.page is not None:
                self.pages[each.page[1]] = list(self.pages[each.page[0]])
        self.copies.clear()

    def pick(self, data: st.DataObject) -> Running:
        return data.draw(st.sampled_from(self.running))

    def held(self) -> set[int]:
        return {page for run in self.running for page in run.holding.pages}

    def nodes(self) -> Iterator[Node]:
        roots = self.cache.tree._roots.values()
        return (node for root in roots for node in nodes_below(root) if node is not root)

    def snapshots(self) -> list[Snapshot]:
        roots = self.cache.tree._roots.values()
        return [s for root in roots for node in nodes_below(root) for s in node.snapshots.values()]


CacheMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestCache = CacheMachine.TestCase


def test_what_does_not_fit_drives_nothing_out() -> None:
    cache = Cache(num_slots=3, num_pages=9, page_size=4, num_snapshots=2)
    first = cache.take_in([1] * 9, "", 9)
    assert first is not None
    cache.advance(first, [1] * 9, 9)
    cache.plant(first, [1] * 9, 9)
    cache.release(first)
    other = cache.take_in([2] * 9, "", 17)
    assert other is not None
    assert cache.take_in([1] * 12, "", 17) is None
    assert not cache.grow(other, 37)
    kept = cache.take_in([1] * 12, "", 12)
    assert kept is not None and kept.start == 9


def test_a_state_with_more_snapshots_than_there_is_room_keeps_the_deepest() -> None:
    cache = Cache(num_slots=1, num_pages=10, page_size=4, num_snapshots=2)
    with cache.adopting(list(range(30)), "", [10, 20, 30]) as places:
        assert places is not None
        assert [position for position, _ in places.snapshots] == [30, 20]
        assert len({slot for _, slot in places.snapshots}) == 2
        assert places.known == 30


def test_two_that_compute_the_same_hold_it_once() -> None:
    cache = Cache(num_slots=2, num_pages=10, page_size=4, num_snapshots=2)
    pair = [cache.take_in([1] * 10, "", 10) for _ in range(2)]
    assert cache.free_pages == 4
    for holding in pair:
        assert holding is not None
        cache.advance(holding, [1] * 10, 10)
    assert cache.free_pages == 6
