"""The scheduler and the cache as integers: a simulated pool holds what it should at every step.

A slot's content is the tokens that its state has seen, a page's the tokens up to each of its
positions; what nobody wrote is no such thing. So a wrong page, a copy in the wrong order, or a
state restored at another position shows at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naga.engine.cache import Cache, Copies
from naga.engine.pace import Pace
from naga.engine.scheduler import AHEAD, Job, Piece, Scheduler

SLOTS, PAGES, PAGE, CHUNK, SNAPSHOTS = 3, 12, 16, 20, 3
History = tuple[int, ...]


@dataclass
class Pool:
    """What a StatePool would hold."""

    recurrent: bool
    slots: dict[int, History] = field(default_factory=dict)
    pages: dict[int, list[History | None]] = field(default_factory=dict)

    def copy(self, copies: Sequence[Copies]) -> None:
        for each in copies:
            if each.slot is not None:
                self.slots[each.slot[1]] = self.slots[each.slot[0]]
            if each.page is not None:
                self.pages[each.page[1]] = list(self.pages[each.page[0]])

    def compute(self, piece: Piece) -> History:
        """Takes the piece's state on; returns all tokens behind it."""
        job = piece.job
        before = tuple(job.tokens[: piece.start])
        assert piece.tokens, "a piece has tokens"
        if self.recurrent and piece.start:
            assert self.slots[piece.source] == before
        for position in range(piece.start):
            held = self.pages[piece.pages[position // PAGE]][position % PAGE]
            assert held == before[: position + 1], (position, held)
        for position, token in enumerate(piece.tokens, piece.start):
            before += (token,)
            page = self.pages.setdefault(piece.pages[position // PAGE], [None] * PAGE)
            page[position % PAGE] = before
        self.slots[piece.slot] = before
        return before


def next_token(tokens: Sequence[int]) -> int:
    """A model's next token depends on all before it."""
    return sum(tokens) % 3


class World:
    def __init__(self, *, recurrent: bool = True, pages: int = PAGES, chunk: int = CHUNK) -> None:
        self.cache = Cache(
            num_slots=SLOTS,
            num_pages=pages,
            page_size=PAGE,
            num_snapshots=SNAPSHOTS,
            recurrent=recurrent,
        )
        self.scheduler = Scheduler(self.cache, Pace(chunk))
        self.pool = Pool(recurrent)
        self.guesses = 0
        self.guessing = False

    def step(self) -> list[Piece]:
        self.admitted = self.scheduler.admit()
        if self.guessing:
            self.guess()
        pieces = self.scheduler.plan()
        self.check(pieces)
        self.pool.copy(self.scheduler.take_copies())
        for piece in pieces:
            history = self.pool.compute(piece)
            if not piece.job.scores_prompt:
                assert piece.positions == tuple(range(len(piece.job.tokens), len(history) + 1))
            self.choose(piece)
        self.scheduler.finish(pieces, 0.01 * len(pieces))
        return pieces

    def guess(self) -> None:
        for job in self.scheduler.running:
            if not job.reading:
                self.guesses += 1
                count = min(self.guesses * 7 % 5, job.max_len - len(job.tokens) - 1)
                right = [next_token(job.tokens)] if count else []
                for _ in range(count - 1):
                    right.append(next_token([*job.tokens, *right]))
                # Right up to a point that differs from time to time.
                job.drafts = tuple(
                    token if index < self.guesses % 4 else token + 1
                    for index, token in enumerate(right)
                )

    def choose(self, piece: Piece) -> None:
        job, drafts, right = piece.job, piece.job.drafts, 0
        if piece.end < len(job.tokens):
            return
        while True:
            job.tokens.append(next_token(job.tokens))
            if len(job.tokens) == job.max_len or right == piece.drafts:
                break
            if job.tokens[-1] != drafts[right]:
                break
            right += 1
        if piece.drafts:
            self.scheduler.accept(piece, right)

    def check(self, pieces: list[Piece]) -> None:
        running = self.scheduler.running
        assert bool(pieces) == bool(running)
        assert len({piece.slot for piece in pieces}) == len(pieces)
        decoding = {job.id for job in running if len(job.tokens) - job.done == 0}
        assert decoding <= {piece.job.id for piece in pieces}
        held: dict[int, int] = {}
        for job in running:
            assert job.holding is not None
            for page in job.holding.pages:
                held[page] = held.get(page, 0) + 1
        nodes = list(self.cache.tree._roots.values())
        while nodes:
            node = nodes.pop()
            nodes += node.children.values()
            for page in (node.page, *(s.page for s in node.snapshots.values())):
                if page is not None:
                    held[page] = held.get(page, 0) + 1
        assert all(self.cache.pages.references(page) == count for page, count in held.items())
        assert self.cache.free_pages == self.cache.num_pages - len(held)
        assert self.cache.free_slots == SLOTS - len(running)

    def check_empty(self) -> None:
        assert not self.scheduler.running and not self.scheduler.waiting
        self.cache.tree.clear()
        assert (self.cache.free_slots, self.cache.free_pages) == (SLOTS, self.cache.num_pages)


def new_job(
    name: int, prompt: Sequence[int], max_tokens: int, tenant: str = "", priority: int = 0
) -> Job:
    return Job(
        id=str(name),
        tokens=list(prompt),
        prompt_len=len(prompt),
        max_len=len(prompt) + max_tokens,
        tenant=tenant,
        priority=priority,
        boundaries=tuple(range(5, len(prompt), 9)) if name % 2 else (),
        scores_prompt=name % 5 == 4,
    )


# Few tokens, so that beginnings are shared.
PROMPTS = st.lists(st.sampled_from([0, 0, 0, 0, 1]), min_size=1, max_size=120)
JOBS = st.tuples(
    PROMPTS, st.integers(1, 60), st.sampled_from(["", "other"]), st.sampled_from([0, 0, 0, 1])
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(JOBS, min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), st.booleans()), max_size=6),
    st.lists(st.integers(0, 40), max_size=10),
    st.booleans(),
    st.booleans(),
    st.integers(12, 24),
)
def test_every_job_ends_with_its_own_history_and_all_memory_comes_back(
    sizes: list[tuple[list[int], int, str, int]],
    cancels: list[tuple[int, int, bool]],
    arrivals: list[int],
    recurrent: bool,
    guessing: bool,
    pages: int,
) -> None:
    world = World(recurrent=recurrent, pages=pages)
    world.guessing = guessing
    jobs = {index: new_job(index, *size) for index, size in enumerate(sizes)}
    starts = {index: arrivals[index] if index < len(arrivals) else 0 for index in jobs}
    alive: dict[int, Job] = {}
    for step in range(5000):
        for index in [index for index, start in starts.items() if start <= step]:
            del starts[index]
            alive[index] = jobs[index]
            world.scheduler.add(jobs[index])
        for _, index, keep in (cancel for cancel in cancels if cancel[0] == step):
            if index in alive:
                world.scheduler.remove(alive.pop(index), keep=keep)
        if not alive and not starts:
            break
        world.step()
        for index, job in list(alive.items()):
            if len(job.tokens) == job.max_len:
                world.scheduler.remove(alive.pop(index), keep=True)
    assert not alive, "a job never ended"
    world.pool.copy(world.scheduler.take_copies())
    world.check_empty()


def run(world: World, *jobs: Job) -> int:
    """Tokens computed until all of them have ended."""
    for job in jobs:
        world.scheduler.add(job)
    left, computed = list(jobs), 0
    while left:
        computed += sum(len(piece.tokens) for piece in world.step())
        for job in [job for job in left if len(job.tokens) == job.max_len]:
            world.scheduler.remove(job, keep=True)
            left.remove(job)
    return computed


def test_a_repeated_prompt_is_computed_once() -> None:
    world, prompt = World(), [1, 2, 3] * 30
    assert run(world, new_job(0, prompt, 1)) == 90
    assert run(world, new_job(2, prompt, 1)) == 1
    assert world.cache.counts.restored == 89


def test_an_answer_goes_on_from_its_end() -> None:
    world = World()
    job = new_job(0, [1, 2, 3] * 20, 10)
    run(world, job)
    assert run(world, new_job(2, [*job.tokens, 5, 6], 1)) == 3


def test_what_is_known_does_not_stand_in_the_way_of_who_needs_every_page() -> None:
    world = World(pages=2)
    run(world, new_job(0, [0], 1))
    assert world.cache.free_pages == 1
    run(world, new_job(2, [n % 7 for n in range(20)], 3))
    world = World(pages=1)
    for name in (0, 2, 6):
        run(world, new_job(name, [name] * 9, 5))


def test_prompts_that_begin_alike_and_come_together_are_read_once() -> None:
    world = World(pages=60)
    prompt = [n % 7 for n in range(200)]
    jobs = [new_job(10 * index, prompt, 3) for index in range(SLOTS)]
    # Each computes its prompt's last token and two of its own.
    assert run(world, *jobs) == 199 + 3 * SLOTS


def test_the_third_that_leaves_a_beginning_where_a_second_left_it_replays_nothing() -> None:
    world, start = World(pages=60), [n % 7 for n in range(100)]
    prompts = [[*start, *[n] * 20] for n in (1, 2, 3)]
    assert run(world, new_job(0, prompts[0], 1)) == 120
    assert run(world, new_job(2, prompts[1], 1)) == 120
    assert run(world, new_job(6, prompts[2], 1)) == 20
    assert world.cache.counts.replayed == 100


def test_a_state_kept_inside_a_prompt_takes_no_step_of_its_own() -> None:
    world, prompt = World(pages=60), [n % 7 for n in range(CHUNK)]
    job = new_job(0, prompt, 1)
    world.scheduler.add(job)
    assert [len(piece.tokens) for piece in world.step()] == [CHUNK - 1, 1]
    world.scheduler.remove(job, keep=True)
    assert run(world, new_job(2, prompt, 1)) == 1


def test_the_prompt_nearest_to_its_end_has_half_of_a_step_and_all_others_some() -> None:
    world = World(pages=60)
    for name, length in enumerate((150, 40, 100)):
        world.scheduler.add(new_job(2 * name, [name] * length, 1))
    taken = {piece.job.id: len(piece.tokens) for piece in world.step()}
    assert taken == {"2": CHUNK // 2, "4": CHUNK // 4, "0": CHUNK // 4}


def test_nobody_gives_way_to_one_who_would_not_fit_all_the_same() -> None:
    world = World(pages=24)
    for name, priority in ((0, 2), (2, 0)):
        world.scheduler.add(new_job(name, [name] * 150, 20, priority=priority))
    world.step()
    world.scheduler.add(new_job(4, [9] * 200, 100, priority=1))
    world.step()
    assert not world.admitted and not world.scheduler.gave_way


def test_prompts_with_log_probabilities_are_computed_whole() -> None:
    world, prompt = World(), [1, 2, 3] * 30
    run(world, new_job(0, prompt, 1))
    job = new_job(4, prompt, 1)
    world.scheduler.add(job)
    positions = [
        position for _ in range(6) for piece in world.step() for position in piece.positions
    ]
    assert positions[:90] == list(range(1, 91))


def test_who_does_not_fit_yet_holds_back_those_behind() -> None:
    world = World()
    for index, length in enumerate((100, 101, 5)):
        world.scheduler.add(new_job(2 * index, [index] * length, 80))
    assert [job.id for job in world.scheduler.admit()] == ["0"]
    world.scheduler.remove(world.scheduler.running[0], keep=False)
    assert [job.id for job in world.scheduler.admit()] == ["2"]


def test_higher_priorities_go_first_and_take_the_place_of_lower_ones() -> None:
    world = World()
    for index in range(SLOTS + 1):
        world.scheduler.add(new_job(2 * index, [index] * 20, 20))
    world.step()
    world.scheduler.add(new_job(20, [9] * 20, 5, priority=1))
    world.step()
    assert [job.id for job in world.admitted] == ["20"]
    # The latest of the others gave way.
    assert {job.id for job in world.scheduler.running} == {"0", "2", "20"}
    assert world.scheduler.gave_way == 1


def test_a_tenant_with_many_requests_does_not_hold_back_another() -> None:
    world = World(pages=60)
    crowd = [new_job(2 * index, [index, 1] * 30, 4, "crowd") for index in range(12)]
    for job in crowd:
        world.scheduler.add(job)
    world.step()
    single = new_job(40, [5] * 40, 4, "single")
    world.scheduler.add(single)
    ended = []
    while single not in ended:
        world.step()
        for job in list(world.scheduler.running):
            if len(job.tokens) == job.max_len:
                world.scheduler.remove(job, keep=True)
                ended.append(job)
    assert len(ended) <= SLOTS + 2


def test_who_grows_beyond_the_pages_makes_the_latest_give_way() -> None:
    world = World(pages=40)
    jobs = [new_job(2 * index, [index] * 10, AHEAD + 300) for index in range(2)]
    run(world, *jobs)
    assert world.scheduler.gave_way == 1
    for job in jobs:
        assert len(job.tokens) == 10 + AHEAD + 300


def test_right_guesses_take_fewer_steps_and_wrong_ones_lose_nothing() -> None:
    steps = []
    for guessing in (False, True):
        world = World(pages=60)
        world.guessing = guessing
        job = new_job(0, [1, 2, 3] * 10, 60)
        world.scheduler.add(job)
        count = 0
        while len(job.tokens) < job.max_len:
            world.step()
            count += 1
        steps.append((job.tokens, count))
    (plain, slow), (guessed, fast) = steps
    assert plain == guessed and fast < 0.8 * slow


def test_removing_a_job_twice_is_an_error() -> None:
    world = World()
    job = new_job(0, [1] * 5, 1)
    world.scheduler.add(job)
    world.scheduler.admit()
    world.scheduler.remove(job, keep=True)
    with pytest.raises(ValueError, match="not in list"):
        world.scheduler.remove(job, keep=True)
