"""Which beginnings of token sequences the pools still know. Numbers only: no torch, no tensors.

A tree whose nodes are full pages of tokens, each with the KV page that was computed for them after
all pages above it. A key is the SHA-256 of the parent's key and the tokens; a root's key is that of
its tenant, so that no tenant can find out what another has asked. Snapshots of the recurrent state
hang on the node before them, each with the tokens of the page that had begun (its tail) and the
page that holds their keys and values. A model without recurrent layers needs none: it can go on
from any token.

Pages have reference counts: the tree has one, a snapshot has one on its tail's page, whoever runs
has one on each of its own. What is pinned, or has anything below it, is not evicted. Snapshots are
kept by the tokens that they save (greedy-dual). Not thread-safe: the engine thread alone calls it.
Copies nothing: it says what is to be copied.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from struct import pack

from naga.engine.pages import FreeList, Pages

Tokens = tuple[int, ...]
# Tenants of which nothing is known any more are forgotten when there are so many.
MANY_ROOTS = 1024
# Looked at when one has to go.
MANY_SNAPSHOTS = 256


@dataclass(eq=False)
class Snapshot:
    """The state after the tokens of its node's path and `tail`."""

    node: "Node"
    tail: Tokens
    slot: int
    page: int | None
    """Of the tail's keys and values; None for an empty tail."""
    credit: float
    """Greedy-dual: the tree's clock when it was last used."""
    used: int
    """Later uses have larger numbers."""

    @property
    def position(self) -> int:
        return self.node.end + len(self.tail)


@dataclass(eq=False)
class Node:
    """One full page of tokens after its parent's; a root has none."""

    key: bytes
    parent: "Node | None"
    tokens: Tokens
    page: int | None
    end: int
    """Tokens up to and with this page."""
    children: dict[bytes, "Node"] = field(default_factory=dict)
    snapshots: dict[Tokens, Snapshot] = field(default_factory=dict)
    pins: int = 0
    used: int = 0

    def path(self) -> list["Node"]:
        """From the first page to this one, without the root."""
        nodes, node = [], self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]


@dataclass(frozen=True, kw_only=True)
class Match:
    """How much of a sequence is known."""

    node: Node
    """The deepest whose page may be shared: all of its tokens lie before `position`."""
    position: int
    """Tokens that need not be computed."""
    known: int
    """Tokens whose keys and values are known: at least `position`."""
    snapshot: Snapshot | None
    """What to restore; None at position 0, and where states are not recurrent."""
    tail_page: int | None
    """Whose first position % page_size tokens are to be copied; None where that is none."""


class PrefixTree:
    def __init__(
        self, pages: Pages, *, page_size: int, num_snapshots: int, recurrent: bool
    ) -> None:
        self.evicted_pages = 0
        self.evicted_snapshots = 0
        self._pages = pages
        self._page_size = page_size
        self._recurrent = recurrent
        self._slots = FreeList(num_snapshots)
        self._roots: dict[str, Node] = {}
        # Ordered by their last use.
        self._snapshots: dict[Snapshot, None] = {}
        self._num_nodes = 0
        self._clock = 0.0
        self._ticks = itertools.count(1)
        # (has snapshots, last use, number, node): leaves as they were when they came here.
        self._leaves: list[tuple[bool, int, int, Node]] = []
        self._numbers = itertools.count()

    @property
    def num_snapshots(self) -> int:
        return len(self._snapshots)

    @property
    def num_pages(self) -> int:
        return self._num_nodes

    # ---- finding

    def match(self, tokens: Sequence[int], tenant: str) -> Match:
        """The deepest place from which the last of `tokens`, at least, can be computed."""
        root, most = self._root(tenant), len(tokens) - 1
        nodes = [root, *self._walk(root, tokens, most)]
        deepest = nodes[-1]
        child, overlap = self._overlap(deepest, tokens[deepest.end : most])
        known = deepest.end + overlap
        if not self._recurrent:
            page = None if child is None else child.page
            return Match(node=deepest, position=known, known=known, snapshot=None, tail_page=page)
        for node in reversed(nodes):
            snapshot = self._deepest(node, tokens, most)
            if snapshot is not None:
                return Match(
                    node=node,
                    position=snapshot.position,
                    known=max(known, snapshot.position),
                    snapshot=snapshot,
                    tail_page=snapshot.page,
                )
        return Match(node=root, position=0, known=known, snapshot=None, tail_page=None)

    def snapshots_on(self, tokens: Sequence[int], tenant: str) -> list[Snapshot]:
        """All that the tokens go through, the shallowest first; the last may be at their end."""
        root = self._root(tenant)
        nodes = [root, *self._walk(root, tokens, len(tokens))]
        found = [
            snapshot
            for node in nodes
            for tail, snapshot in node.snapshots.items()
            if tuple(tokens[node.end : snapshot.position]) == tail
        ]
        return sorted(found, key=lambda snapshot: snapshot.position)

    def nodes_of(self, tokens: Sequence[int], tenant: str) -> list[Node]:
        """Of the full pages that `tokens` begin with, as far as they are known."""
        return list(self._walk(self._root(tenant), tokens, len(tokens)))

    def use(self, match: Match) -> None:
        """Somebody goes on from there: later to be evicted."""
        tick = next(self._ticks)
        for node in match.node.path():
            node.used = tick
        self._offer(match.node)
        if match.snapshot is not None:
            match.snapshot.credit, match.snapshot.used = self._clock, tick
            if match.snapshot in self._snapshots:
                del self._snapshots[match.snapshot]
                self._snapshots[match.snapshot] = None

    def pin(self, node: Node) -> None:
        """Not to be evicted, nor what lies above it, until `unpin`."""
        node.pins += 1

    def unpin(self, node: Node) -> None:
        if not node.pins:
            raise ValueError("a node is unpinned more often than it was pinned")
        node.pins -= 1
        self._offer(node)

    # ---- growing

    def root(self, tenant: str) -> Node:
        return self._root(tenant)

    def extend(self, node: Node, tokens: Tokens, page: int) -> Node:
        """The child of `node` with these tokens; a new one keeps `page`, whose owner has it too."""
        assert len(tokens) == self._page_size, len(tokens)
        key = _key(node.key, tokens)
        child = node.children.get(key)
        if child is None:
            self._pages.share([page])
            child = Node(key=key, parent=node, tokens=tokens, page=page, end=node.end + len(tokens))
            node.children[key] = child
            self._num_nodes += 1
        child.used = next(self._ticks)
        self._offer(child)
        return child

    def plant(
        self, node: Node, tail: Tokens, page: int | None, spared: Container[int] = ()
    ) -> int | None:
        """A slot for the state after `node` and `tail`, whose keys and values `page` begins with.

        None if it is known already, or if every snapshot is worth more; those in the slots `spared`
        are worth more.
        """
        assert (page is None) == (not tail) and len(tail) < self._page_size, tail
        if tail in node.snapshots or not self._recurrent or not node.end + len(tail):
            return None
        saved = node.end + len(tail) - self._before(node, tail)
        if not self._slots.num_free and not self._make_slot(self._clock + saved, spared):
            return None
        (slot,) = self._slots.take(1)
        if page is not None:
            self._pages.share([page])
        snapshot = Snapshot(
            node=node, tail=tail, slot=slot, page=page, credit=self._clock, used=next(self._ticks)
        )
        node.snapshots[tail] = snapshot
        self._snapshots[snapshot] = None
        self._offer(node)
        return slot

    # ---- evicting

    def free_pages(self, count: int) -> bool:
        """Evict until so many pages are free; False, with all evicted that can be, if they cannot.

        A snapshot lets go of its tail's page with its node; where that stays, last of all.
        """
        while self._pages.num_free < count:
            node = self._pop_leaf()
            if node is None:
                return self._drop_tails(count)
            self._evict(node)
        return True

    def clear(self) -> None:
        """Forget everything but the pages of those who run."""
        for snapshot in list(self._snapshots):
            self._remove(snapshot)
        while (node := self._pop_leaf()) is not None:
            self._evict(node)

    def forget(self, tokens: Sequence[int], tenant: str, start: int) -> None:
        """What comes after `start` of these tokens, but what is pinned or has others below it."""
        for snapshot in self.snapshots_on(tokens, tenant):
            if snapshot.position > start:
                self._remove(snapshot)
        for node in reversed(self.nodes_of(tokens, tenant)):
            if node.end <= start or node.children or node.pins:
                break
            self._evict(node)

    def _remove(self, snapshot: Snapshot) -> None:
        del snapshot.node.snapshots[snapshot.tail]
        del self._snapshots[snapshot]
        self._slots.give([snapshot.slot])
        if snapshot.page is not None:
            self._pages.drop([snapshot.page])
        self._offer(snapshot.node)

    def _make_slot(self, worth: float, spared: Container[int]) -> bool:
        """Evict the least snapshot if it is worth no more than a new one would be.

        Of many the least recently used are looked at: where states are tiny there are thousands.
        """
        old = (snapshot for snapshot in self._snapshots if snapshot.slot not in spared)
        entries = (
            (self._worth(snapshot), snapshot.used, snapshot)
            for snapshot in itertools.islice(old, MANY_SNAPSHOTS)
        )
        found = min(entries, key=lambda entry: entry[:2], default=None)
        if found is None or found[0] > worth:
            return False
        least_worth, _, least = found
        self._clock = max(self._clock, least_worth)
        self._remove(least)
        self.evicted_snapshots += 1
        return True

    def _worth(self, snapshot: Snapshot) -> float:
        """When it was used, and the tokens that would be computed again without it."""
        before = self._before(snapshot.node, snapshot.tail)
        return snapshot.credit + snapshot.position - before

    def _evict(self, node: Node) -> None:
        self.evicted_snapshots += len(node.snapshots)
        for snapshot in list(node.snapshots.values()):
            self._remove(snapshot)
        assert node.parent is not None and node.page is not None, "roots are never leaves"
        del node.parent.children[node.key]
        self._num_nodes -= 1
        self.evicted_pages += 1
        self._pages.drop([node.page])
        self._offer(node.parent)

    def _drop_tails(self, count: int) -> bool:
        """Snapshots whose tail's page nobody but snapshots holds, the least first."""
        held = Counter(snapshot.page for snapshot in self._snapshots)
        for snapshot in sorted(self._snapshots, key=self._worth):
            if self._pages.num_free >= count:
                break
            page = snapshot.page
            if page is not None and self._pages.references(page) == held[page]:
                self._remove(snapshot)
                self.evicted_snapshots += 1
                held[page] -= 1
        return self._pages.num_free >= count

    def _offer(self, node: Node) -> None:
        """To be evicted one day, if nothing hangs on it."""
        if node.parent is None or node.children or node.pins:
            return
        if len(self._leaves) > 4 * self._num_nodes + 64:
            # One of each node: who is pinned and let go again comes here every time.
            current = {entry[3].key: entry for entry in self._leaves if self._current(entry)}
            self._leaves = list(current.values())
            heapq.heapify(self._leaves)
        entry = (bool(node.snapshots), node.used, next(self._numbers), node)
        heapq.heappush(self._leaves, entry)

    def _pop_leaf(self) -> Node | None:
        """The leaf least used, those with snapshots last."""
        while self._leaves:
            entry = heapq.heappop(self._leaves)
            if self._current(entry):
                return entry[3]
        return None

    def _current(self, entry: tuple[bool, int, int, Node]) -> bool:
        planted, used, _, node = entry
        attached = node.parent is not None and node.parent.children.get(node.key) is node
        same = (planted, used) == (bool(node.snapshots), node.used)
        return attached and same and not node.children and not node.pins

    # ---- walking

    def _root(self, tenant: str) -> Node:
        if tenant not in self._roots:
            if len(self._roots) >= MANY_ROOTS:
                self._roots = {
                    name: root
                    for name, root in self._roots.items()
                    if root.children or root.snapshots or root.pins
                }
            key = sha256(b"naga prefix " + tenant.encode()).digest()
            self._roots[tenant] = Node(key=key, parent=None, tokens=(), page=None, end=0)
        return self._roots[tenant]

    def _walk(self, node: Node, tokens: Sequence[int], most: int) -> Iterator[Node]:
        """Nodes of the full pages among the first `most` tokens, as long as they are known."""
        while node.end + self._page_size <= most:
            page = tuple(tokens[node.end : node.end + self._page_size])
            child = node.children.get(_key(node.key, page))
            if child is None or child.tokens != page:
                return
            yield child
            node = child

    def _overlap(self, node: Node, rest: Sequence[int]) -> tuple[Node | None, int]:
        """The child that begins with most of `rest`, and how many tokens that is."""
        best: tuple[Node | None, int] = (None, 0)
        for child in node.children.values():
            same = _common(child.tokens, rest)
            if same > best[1]:
                best = (child, same)
        return best

    def _deepest(self, node: Node, tokens: Sequence[int], most: int) -> Snapshot | None:
        """Of the node's snapshots the longest that `tokens` go on through."""
        longest = min(most - node.end, self._page_size - 1) if node.snapshots else -1
        rest = tuple(tokens[node.end : node.end + max(0, longest)])
        for length in range(longest, -1, -1):
            if rest[:length] in node.snapshots:
                return node.snapshots[rest[:length]]
        return None

    def _before(self, node: Node, tail: Tokens) -> int:
        """Position of the last snapshot before that of `node` and `tail`; 0 if there is none."""
        rest, longest = tail, len(tail) - 1
        while True:
            # Looked up by length: a root may hold thousands of short ones.
            for length in range(longest, -1, -1) if node.snapshots else ():
                if rest[:length] in node.snapshots:
                    return node.end + length
            if node.parent is None:
                return 0
            # A tail is shorter than a page.
            rest, longest, node = node.tokens, self._page_size - 1, node.parent


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest beginning that both have."""
    pairs = zip(a, b, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _key(parent: bytes, tokens: Tokens) -> bytes:
    return sha256(parent + pack(f"<{len(tokens)}I", *tokens)).digest()
