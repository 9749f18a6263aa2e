"""Who holds which recurrent-state slot and which KV pages, and what is known already. No tensors.

A sequence is taken in with what the prefix tree knows of its beginning: full pages are shared, the
page that has begun and the state are copied (the caller does the copying, in the order told). It
grows page by page; what it has filled is shared with others at once. Every sequence has two slots,
so that its state can be taken on without losing it: those are the first 2 * num_slots; those above
hold snapshots. Not thread-safe: the engine thread alone calls it.
Does not decide who runs (scheduler.py).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.engine.pages import FreeList, Pages
from naga.engine.prefix import Match, Node, PrefixTree
from naga.engine.request import Request

# Of tiny states a budget holds more than anybody can use.
MOST_SNAPSHOTS = 4096


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Memory to be copied before the next step; source, then target."""

    slot: tuple[int, int] | None = None
    page: tuple[int, int] | None = None


@dataclass(kw_only=True, eq=False)
class Holding:
    """What one running sequence holds."""

    seat: int
    slot: int
    """Of its state."""
    spare: int
    """For a state that may be dropped again."""
    pages: list[int]
    """pages[p] keeps positions [p * page_size, (p + 1) * page_size)."""
    node: Node
    """Of its last full page; pinned."""
    start: int
    """Tokens that need not be computed."""
    known: int
    """Tokens whose keys and values were known when it came."""
    copies: Copies


@dataclass(frozen=True, kw_only=True)
class Known:
    """Where a known beginning lies."""

    length: int
    """Tokens that need not be computed."""
    pages: tuple[int, ...]
    snapshots: tuple[tuple[int, int], ...]
    """(position, slot), ascending."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What is to be written before the next step."""

    pages: tuple[tuple[int, int], ...]
    """(index of the page among the tokens', page)."""
    snapshots: tuple[tuple[int, int], ...]
    """(position, slot)."""
    known: int
    """Tokens that need not be computed once that is done."""


@dataclass(kw_only=True)
class CacheCounts:
    """Since the engine started; of tokens unless it says otherwise."""

    asked: int = 0
    """Of sequences that were taken in."""
    matched: int = 0
    """Of those, keys and values were known."""
    restored: int = 0
    """Of those, the state was restored: they were not computed again."""
    snapshots_planted: int = 0
    """Number of snapshots."""

    @property
    def replayed(self) -> int:
        """Known, but computed again for lack of a snapshot."""
        return self.matched - self.restored


@dataclass(kw_only=True)
class Cache:
    """Slots, pages and the tree over them."""

    num_slots: int
    num_pages: int
    page_size: int
    num_snapshots: int = 0
    recurrent: bool = True
    counts: CacheCounts = field(default_factory=CacheCounts)

    def __post_init__(self) -> None:
        self._slots = FreeList(self.num_slots)
        self.pages = Pages(self.num_pages)
        # Of running sequences: by how many.
        self._held = Counter[int]()
        self.tree = PrefixTree(
            self.pages,
            page_size=self.page_size,
            num_snapshots=self.num_snapshots,
            recurrent=self.recurrent,
        )

    @property
    def first_snapshot(self) -> int:
        """The slot of the first snapshot."""
        return 2 * self.num_slots

    @property
    def free_slots(self) -> int:
        return self._slots.num_free

    @property
    def free_pages(self) -> int:
        """Without evicting anything."""
        return self.pages.num_free

    def pages_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.page_size)

    def take_in(
        self, tokens: Sequence[int], tenant: str, num_tokens: int, *, use_known: bool = True
    ) -> Holding | None:
        """A slot, and pages for num_tokens positions; None while either is short.

        `use_known`: False computes every token, whatever is known.
        """
        if not self._slots.num_free:
            return None
        known = self.tree.match(tokens, tenant) if use_known else self._nothing(tenant)
        # What is known may stand in the way: a tail takes a page besides the one it is copied to.
        for match in (known, self._nothing(tenant)):
            if (pages := self._make_room(match, num_tokens)) is not None:
                return self._hold(match, pages, len(tokens))
        return None

    def _make_room(self, match: Match, num_tokens: int) -> list[int] | None:
        """Pages for a sequence that goes on from `match`, which is then pinned."""
        self.tree.pin(match.node)
        shared = [node.page for node in match.node.path() if node.page is not None]
        own = self.pages_for(num_tokens) - len(shared)
        # A tail's page must not go to somebody else before it is copied.
        tail = [] if match.tail_page is None else [match.tail_page]
        self.pages.share(tail)
        fits = self._free_pages(own, {*shared, *tail})
        self.pages.drop(tail)
        if not fits:
            self.tree.unpin(match.node)
            return None
        self.pages.share(shared)
        pages = [*shared, *self.pages.take(own)]
        self._held.update(pages)
        return pages

    def _free_pages(self, count: int, besides: Collection[int] = ()) -> bool:
        """Evict until so many are free; False, with nothing evicted, if that is not enough.

        All can be had that nobody runs with; `besides`: but these.
        """
        kept = len(self._held) + sum(1 for page in besides if page not in self._held)
        return count <= self.num_pages - kept and self.tree.free_pages(count)

    def _put_down(self, pages: Collection[int]) -> None:
        """A running sequence does without them."""
        self._held -= Counter(pages)
        self.pages.drop(pages)

    def grow(self, holding: Holding, num_tokens: int) -> bool:
        """Pages for num_tokens positions; False, with nothing taken, if there are none."""
        more = self.pages_for(num_tokens) - len(holding.pages)
        if more <= 0:
            return True
        if not self._free_pages(more):
            return False
        taken = self.pages.take(more)
        self._held.update(taken)
        holding.pages += taken
        return True

    def advance(self, holding: Holding, tokens: Sequence[int], done: int) -> None:
        """`done` of the sequence's `tokens` are computed: others may share its full pages."""
        while holding.node.end + self.page_size <= done:
            first = holding.node.end
            page = holding.pages[first // self.page_size]
            child = self.tree.extend(
                holding.node, tuple(tokens[first : first + self.page_size]), page
            )
            self.tree.pin(child)
            self.tree.unpin(holding.node)
            holding.node = child
            # Somebody else has computed the same: one copy of it is enough.
            if child.page is not None and child.page != page:
                self.pages.share([child.page])
                self._held[child.page] += 1
                holding.pages[first // self.page_size] = child.page
                self._put_down([page])

    def plant(self, holding: Holding, tokens: Sequence[int], done: int) -> int | None:
        """A slot to copy the sequence's state to, which is that after `done` tokens.

        None if it is known, or not worth a snapshot.
        """
        first = holding.node.end
        assert first <= done < first + self.page_size, "advance comes before"
        page = holding.pages[first // self.page_size] if done > first else None
        slot = self.tree.plant(holding.node, tuple(tokens[first:done]), page)
        if slot is None:
            return None
        self.counts.snapshots_planted += 1
        return self.first_snapshot + slot

    def release(self, holding: Holding) -> None:
        """Give everything back; ValueError if it was given back before."""
        self._slots.give([holding.seat])
        self._put_down(holding.pages)
        self.tree.unpin(holding.node)

    def forget(self, tokens: Sequence[int], tenant: str, start: int) -> None:
        """Nothing is known any more of what comes after `start` of these tokens.

        Pages that somebody runs with stay, and all that lies above them.
        """
        self.tree.forget(tokens, tenant, start)

    def known(self, tokens: Sequence[int], tenant: str) -> Known:
        """The longest beginning of `tokens` to go on from; its last token may be their last."""
        nodes = self.tree.nodes_of(tokens, tenant)
        snapshots = self.tree.snapshots_on(tokens, tenant)
        length = nodes[-1].end if nodes else 0
        pages = [node.page for node in nodes if node.page is not None]
        if self.recurrent:
            length = snapshots[-1].position if snapshots else 0
            last = snapshots[-1].page if snapshots else None
            pages = pages[: length // self.page_size] + ([] if last is None else [last])
        return Known(
            length=length,
            pages=tuple(pages),
            snapshots=tuple((s.position, self.first_snapshot + s.slot) for s in snapshots),
        )

    @contextmanager
    def adopting(
        self, tokens: Sequence[int], tenant: str, positions: Sequence[int]
    ) -> Iterator[Places | None]:
        """Make these tokens known, whose states at `positions` are; None if they do not fit.

        What is known already stays as it is. The caller writes what the places say; if it raises,
        all is forgotten.
        """
        nodes = self.tree.nodes_of(tokens, tenant)
        node = nodes[-1] if nodes else self.tree.root(tenant)
        # Without recurrent layers a page that has begun is of no use; it ends at a snapshot.
        length = len(tokens) if self.recurrent else len(tokens) // self.page_size * self.page_size
        count = self.pages_for(length) - len(nodes)
        self.tree.pin(node)
        shared = [n.page for n in nodes if n.page is not None]
        fits = self.num_snapshots > 0 or not self.recurrent
        fits = fits and self._free_pages(count, shared)
        self.tree.unpin(node)
        if not fits:
            yield None
            return
        own = self.pages.take(count)
        pages = [*shared, *own]
        path = [self.tree.root(tenant), *nodes]
        for first in range(len(nodes) * self.page_size, length, self.page_size):
            page = tuple(tokens[first : first + self.page_size])
            if len(page) == self.page_size:
                path.append(self.tree.extend(path[-1], page, pages[first // self.page_size]))
        planted = tuple(self._plant_all(tokens, path, pages, positions))
        try:
            yield Places(
                pages=tuple(enumerate(own, len(nodes))),
                snapshots=planted,
                known=self.known(tokens, tenant).length,
            )
        except BaseException:
            self.tree.clear()
            raise
        finally:
            self.pages.drop(own)

    def _plant_all(
        self,
        tokens: Sequence[int],
        path: Sequence[Node],
        pages: Sequence[int],
        positions: Sequence[int],
    ) -> Iterator[tuple[int, int]]:
        """The deepest first: it saves most, and does not make room for the others."""
        taken = set[int]()
        for position in sorted(positions, reverse=True):
            node = path[position // self.page_size]
            tail = tuple(tokens[node.end : position])
            page = pages[position // self.page_size] if tail else None
            slot = self.tree.plant(node, tail, page, spared=taken)
            if slot is not None:
                taken.add(slot)
                self.counts.snapshots_planted += 1
                yield position, self.first_snapshot + slot

    def _nothing(self, tenant: str) -> Match:
        root = self.tree.root(tenant)
        return Match(node=root, position=0, known=0, snapshot=None, tail_page=None)

    def _hold(self, match: Match, pages: list[int], asked: int) -> Holding:
        self.tree.use(match)
        (seat,) = self._slots.take(1)
        restored, tail = match.snapshot, match.tail_page
        self.counts.asked += asked
        self.counts.matched += match.known
        self.counts.restored += match.position
        return Holding(
            seat=seat,
            slot=seat,
            spare=self.num_slots + seat,
            pages=pages,
            node=match.node,
            start=match.position,
            known=match.known,
            copies=Copies(
                slot=None if restored is None else (self.first_snapshot + restored.slot, seat),
                page=None if tail is None else (tail, pages[match.node.end // self.page_size]),
            ),
        )


def snapshots_within(num_bytes: int, state_bytes: int) -> int:
    """Snapshots of recurrent states that fit; 0 for a model without any state."""
    return min(num_bytes // state_bytes, MOST_SNAPSHOTS) if state_bytes else 0


def check_fits(request: Request, config: ModelConfig, cache: Cache) -> None:
    """ConfigError, with the exact counts, if `request` could not run in an empty engine either."""
    prompt_len, max_tokens = len(request.prompt), request.sampling.max_tokens
    total = prompt_len + max_tokens
    counts = f"{prompt_len} prompt tokens + {max_tokens} max_tokens = {total}"
    if total > config.max_positions:
        raise ConfigError(
            f"{counts} exceeds the model's context of {config.max_positions} tokens "
            "(max_positions); shorten the prompt or lower max_tokens"
        )
    if cache.pages_for(total) > cache.num_pages:
        raise ConfigError(
            f"{counts} exceeds the {cache.num_pages * cache.page_size} tokens of the engine's "
            "KV memory (kv_tokens); raise kv_tokens, shorten the prompt or lower max_tokens"
        )
    for token in request.prompt:
        if not 0 <= token < config.vocab_size:
            raise ConfigError(
                f"prompt token {token} is not in the model's vocabulary of {config.vocab_size}"
            )
