"""The prefix tree: what it knows, what it keeps, what it frees."""

from naga.engine.pages import Pages
from naga.engine.prefix import PrefixTree

PAGE = 4


class Kept:
    """A tree, and a helper that puts sequences into it as the engine does."""

    def __init__(self, pages: int = 40, snapshots: int = 3, *, recurrent: bool = True) -> None:
        self.pages = Pages(pages)
        self.tree = PrefixTree(
            self.pages, page_size=PAGE, num_snapshots=snapshots, recurrent=recurrent
        )

    def put(self, tokens: list[int], *plants: int, tenant: str = "") -> list[bool]:
        """Whether each position in `plants` got a snapshot."""
        planted, node = [], self.tree.root(tenant)
        own = self.pages.take(-(-len(tokens) // PAGE))
        for position in range(1, len(tokens) + 1):
            if position % PAGE == 0:
                page = tuple(tokens[position - PAGE : position])
                node = self.tree.extend(node, page, own[position // PAGE - 1])
            if position in plants:
                tail = tuple(tokens[node.end : position])
                held = own[node.end // PAGE] if tail else None
                planted.append(self.tree.plant(node, tail, held) is not None)
        self.pages.drop(own)
        return planted


def test_the_deepest_snapshot_on_the_way_is_found() -> None:
    kept = Kept()
    kept.put(list(range(20)), 3, 10, 17)
    for length, expected in ((3, 0), (4, 3), (10, 3), (11, 10), (17, 10), (18, 17), (20, 17)):
        match = kept.tree.match(list(range(length)), "")
        assert (match.position, match.known) == (expected, length - 1), length
    match = kept.tree.match([*range(12), 99, 98, 97], "")
    assert (match.position, match.known, match.node.end) == (10, 12, 8)
    assert kept.tree.match([*range(9), 99, 99, 99], "").known == 9


def test_without_recurrent_layers_every_token_is_a_place_to_go_on_from() -> None:
    kept = Kept(recurrent=False)
    assert kept.put(list(range(20)), 10) == [False]
    match = kept.tree.match([*range(14), 99, 98], "")
    assert (match.position, match.known, match.snapshot) == (14, 14, None)
    assert match.tail_page is not None


def test_tenants_do_not_see_each_other() -> None:
    kept = Kept()
    kept.put(list(range(20)), 10, tenant="a")
    assert kept.tree.match(list(range(20)), "a").position == 10
    for other in ("", "b", "a "):
        assert kept.tree.match(list(range(20)), other).known == 0
    roots = {kept.tree.root(name).key for name in ("", "a", "b")}
    assert len(roots) == 3


def test_the_snapshot_that_saves_least_goes_first() -> None:
    kept = Kept(snapshots=3)
    kept.put(list(range(40)), 8, 10, 30)
    # 10 saves two tokens beyond 8, the others eight and twenty.
    assert kept.put([*range(12), *range(50, 60)], 20) == [True]
    assert kept.tree.match(list(range(40)), "").position == 30
    assert kept.tree.match(list(range(12)), "").position == 8
    # Without 8, the next one would save all that both save now.
    assert kept.put([9, 9, 9], 1) == [False]


def test_of_snapshots_that_save_as_much_the_one_not_used_goes() -> None:
    kept = Kept(pages=100, snapshots=2)
    first, second = list(range(0, 12)), list(range(100, 112))
    kept.put(first, 12)
    kept.put(second, 12)
    for round_ in range(12):
        # Newcomers push the clock on; who is used keeps up with it.
        kept.tree.use(kept.tree.match([*first, 1], ""))
        base = 1000 * (round_ + 1)
        kept.put(list(range(base, base + 12)), 12)
    assert kept.tree.match([*first, 1], "").position == 12
    assert kept.tree.match([*second, 1], "").position == 0


def test_pages_are_freed_from_the_least_used_leaves_and_pinned_ones_stay() -> None:
    kept = Kept(pages=10)
    kept.put(list(range(16)), 16)
    kept.put([*range(8), *range(50, 62)])
    match = kept.tree.match([*range(16), 0], "")
    kept.tree.pin(match.node)
    assert not kept.tree.free_pages(7)
    assert kept.pages.num_free == 6
    assert kept.tree.match([*range(16), 0], "").position == 16
    kept.tree.unpin(match.node)
    assert kept.tree.free_pages(10)
    assert kept.tree.match([*range(16), 0], "").known == 0
    assert kept.tree.num_snapshots == kept.tree.num_pages == 0


def test_tails_let_go_of_their_pages_last() -> None:
    kept = Kept(pages=3)
    kept.put([1, 2, 3], 3)
    kept.put([7, 2, 3], 3)
    assert kept.pages.num_free == 1
    assert kept.tree.free_pages(2) and kept.tree.num_snapshots == 1
    assert kept.tree.free_pages(3) and kept.tree.num_snapshots == 0


def test_clearing_forgets_all_but_what_is_pinned() -> None:
    kept = Kept()
    kept.put(list(range(20)), 9, 18)
    node = kept.tree.nodes_of(list(range(9)), "")[-1]
    assert node.end == 8
    kept.tree.pin(node)
    kept.tree.clear()
    assert kept.tree.num_snapshots == 0 and kept.tree.num_pages == 2
    kept.tree.unpin(node)
    kept.tree.clear()
    assert kept.pages.num_free == 40


def test_many_tenants_leave_no_roots_behind() -> None:
    kept = Kept()
    for number in range(3000):
        kept.tree.match([1, 2], str(number))
    assert len(kept.tree._roots) <= 1024
