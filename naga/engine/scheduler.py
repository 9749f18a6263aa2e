"""Which tokens of which request the next step computes. Plain Python: no torch, no tensors.

First come, first served: a job is admitted when a slot and pages for its whole length are free, and
nobody overtakes. Every step has one token of each decoding job and at most prefill_chunk prompt
tokens, so that long prompts do not stop running answers. No priorities, fairness or preemption.
"""

from collections import deque
from dataclasses import dataclass

from naga.engine.cache import Holding, Memory


@dataclass(kw_only=True, eq=False)
class Job:
    """One sequence: its tokens so far and how many of them the state has seen."""

    id: str
    tokens: list[int]
    """The prompt, then every token chosen."""
    prompt_len: int
    max_len: int
    """Positions it may come to need: prompt + max_tokens."""
    done: int = 0
    """Tokens handed to the model."""
    holding: Holding | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Consecutive tokens of one job that one step computes."""

    job: Job
    tokens: tuple[int, ...]
    start: int
    """Position of the first of them."""
    slot: int
    pages: tuple[int, ...]
    """The job's KV pages up to the last of them."""
    chooses: bool
    """These are the last known tokens: the model's answer to them is the next token."""


class Scheduler:
    def __init__(self, memory: Memory, *, prefill_chunk: int) -> None:
        self.memory = memory
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self._prefill_chunk = prefill_chunk

    def add(self, job: Job) -> None:
        self.waiting.append(job)

    def admit(self) -> list[Job]:
        """Start waiting jobs, oldest first, while memory lasts; returns those just started."""
        admitted = []
        while self.waiting:
            holding = self.memory.reserve(self.waiting[0].max_len)
            if holding is None:
                break
            job = self.waiting.popleft()
            job.holding = holding
            admitted.append(job)
        self.running += admitted
        return admitted

    def plan(self) -> list[Piece]:
        """The next step's pieces, counted as done; at least one if any job runs."""
        budget = self._prefill_chunk
        pieces = []
        for job in self.running:
            count = len(job.tokens) - job.done
            if job.done < job.prompt_len:
                count = min(count, budget)
                budget -= count
            if count:
                pieces.append(self._advance(job, count))
        return pieces

    def remove(self, job: Job) -> None:
        """Forget a job, waiting or running; its memory is free at once."""
        if job.holding is None:
            self.waiting.remove(job)
            return
        self.running.remove(job)
        self.memory.release(job.holding)

    def _advance(self, job: Job, count: int) -> Piece:
        assert job.holding is not None, "a running job holds memory"
        start, job.done = job.done, job.done + count
        return Piece(
            job=job,
            tokens=tuple(job.tokens[start : job.done]),
            start=start,
            slot=job.holding.slot,
            pages=job.holding.pages[: self.memory.pages_for(job.done)],
            chooses=job.done == len(job.tokens),
        )
