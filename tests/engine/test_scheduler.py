"""The batcher as integers: each token computed once, in order; nobody overtakes or starves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naga.engine.cache import Memory
from naga.engine.scheduler import Job, Piece, Scheduler

SLOTS, PAGES, PAGE_SIZE, CHUNK = 3, 12, 16, 20


def new_scheduler() -> Scheduler:
    memory = Memory(num_slots=SLOTS, num_pages=PAGES, page_size=PAGE_SIZE)
    return Scheduler(memory, prefill_chunk=CHUNK)


def new_job(name: int, prompt_len: int, max_tokens: int) -> Job:
    return Job(
        id=str(name),
        tokens=list(range(prompt_len)),
        prompt_len=prompt_len,
        max_len=prompt_len + max_tokens,
    )


def check_step(scheduler: Scheduler, pieces: list[Piece]) -> None:
    """What holds for every step."""
    assert bool(pieces) == bool(scheduler.running)
    assert len({piece.slot for piece in pieces}) == len(pieces)
    prefill = [piece for piece in pieces if piece.start < piece.job.prompt_len]
    assert sum(len(piece.tokens) for piece in prefill) <= CHUNK
    for piece in pieces:
        end = piece.start + len(piece.tokens)
        assert piece.tokens == tuple(piece.job.tokens[piece.start : end])
        assert (len(piece.pages) - 1) * PAGE_SIZE < end <= len(piece.pages) * PAGE_SIZE
        assert piece.chooses == (end == len(piece.job.tokens))
    # A job past its prompt is in every step.
    decoding = [job for job in scheduler.running if job.done > job.prompt_len]
    assert {job.id for job in decoding} <= {piece.job.id for piece in pieces}


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 30)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 11)), max_size=6),
)
def test_every_job_ends_and_all_memory_comes_back(
    sizes: list[tuple[int, int]], cancels: list[tuple[int, int]]
) -> None:
    scheduler = new_scheduler()
    jobs = [new_job(index, *size) for index, size in enumerate(sizes)]
    for job in jobs:
        scheduler.add(job)
    alive, admitted, computed = dict(enumerate(jobs)), [], {job.id: 0 for job in jobs}
    for step in range(2000):
        for _, index in (cancel for cancel in cancels if cancel[0] == step):
            if index in alive:
                scheduler.remove(alive.pop(index))
        if not alive:
            break
        admitted += [int(job.id) for job in scheduler.admit()]
        pieces = scheduler.plan()
        check_step(scheduler, pieces)
        for piece in pieces:
            assert piece.start == computed[piece.job.id]
            computed[piece.job.id] += len(piece.tokens)
            if piece.chooses:
                piece.job.tokens.append(7)
            if len(piece.job.tokens) == piece.job.max_len:
                scheduler.remove(alive.pop(int(piece.job.id)))
    assert not alive, "a job never ended"
    assert admitted == sorted(admitted), "somebody overtook"
    assert (scheduler.memory.free_slots, scheduler.memory.free_pages) == (SLOTS, PAGES)


def test_a_job_that_does_not_fit_yet_holds_back_those_behind_it() -> None:
    scheduler = new_scheduler()
    for index, prompt_len in enumerate((100, 100, 5)):
        scheduler.add(new_job(index, prompt_len, 1))
    assert [job.id for job in scheduler.admit()] == ["0"]
    scheduler.remove(scheduler.running[0])
    assert [job.id for job in scheduler.admit()] == ["1", "2"]


def test_removing_a_job_twice_is_an_error() -> None:
    scheduler = new_scheduler()
    job = new_job(0, 5, 1)
    scheduler.add(job)
    scheduler.admit()
    scheduler.remove(job)
    with pytest.raises(ValueError, match="not in list"):
        scheduler.remove(job)
