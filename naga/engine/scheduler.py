"""Which tokens of which request the next step computes. Plain Python: no torch, no tensors.

Higher priorities first, then the tenant that has had the least, then first come. A job is taken in
when a slot and pages for its tokens so far are free, and nobody of its order overtakes; it grows
while it runs. Where pages or slots are short, the latest job of the lowest priority gives way: its
state is kept if that can be, and it goes on from there later. Every step has one token of each
decoding job and as many prompt tokens as `pace` lets it have: half of them for the prompt that is
nearest to its end, so that short ones need not wait for long ones, and the others share the rest.
`take_copies` is what the caller must copy, in that order, before it computes.
"""

from bisect import bisect_right, insort
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from naga.engine.cache import Cache, Copies, Holding
from naga.engine.pace import Pace

# Tokens beyond those it has for which a job gets pages at once.
AHEAD = 256
# Positions of a prompt with snapshots: so far apart at most, and boundaries at least.
EVERY, APART = 1024, 256
# After a wrong guess the state is that before it: so many tokens may come together again until they
# are computed without one.
BEHIND = 16
# So many tokens are computed again in one step: no snapshot for those.
FEW = 32


@dataclass(kw_only=True, eq=False)
class Job:
    """One sequence: its tokens so far and how many of them the state has seen."""

    id: str
    tokens: list[int]
    """The prompt, then every token chosen."""
    prompt_len: int
    max_len: int
    """Positions it may come to need: prompt + max_tokens."""
    tenant: str = ""
    priority: int = 0
    boundaries: tuple[int, ...] = ()
    """Positions in the prompt at which another conversation may go on differently."""
    scores_prompt: bool = False
    """Log-probabilities of the prompt's own tokens are wanted: all of it is computed."""
    done: int = 0
    """Tokens handed to the model."""
    holding: Holding | None = None
    plants: list[int] = field(default_factory=list)
    """Positions at which its state is to be kept, ascending."""
    drafts: tuple[int, ...] = ()
    """Guesses at the tokens that follow, to be checked in the next step."""
    scored: int = 0
    """The last position of the prompt whose token's log-probability is known."""
    gave_way: bool = False
    """It then gets pages for its whole length at once, so that it comes to its end."""
    number: int = 0
    alike: dict[int, int] = field(default_factory=dict)
    """While it waits: how many tokens it shares with the beginning of another, by its number."""

    @property
    def reading(self) -> bool:
        """Far from its next token."""
        return len(self.tokens) - self.done > BEHIND or not self.done

    @property
    def rank(self) -> tuple[int, int]:
        """The least gives way first."""
        return (self.priority, -self.number)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Consecutive tokens of one job that one step computes."""

    job: Job
    tokens: tuple[int, ...]
    start: int
    """Position of the first of them."""
    source: int
    """Slot of the state before them."""
    slot: int
    """Slot of the state after them."""
    pages: tuple[int, ...]
    """The job's KV pages up to the last of them."""
    positions: tuple[int, ...]
    """Whose tokens are asked of the model: each follows the token before it in this piece."""
    drafts: int = 0
    """How many of the last tokens are guesses."""
    reads: bool = False
    """They are a part of a prompt."""

    @property
    def end(self) -> int:
        """Position after the last of them."""
        return self.start + len(self.tokens)


class Scheduler:
    def __init__(self, cache: Cache, pace: Pace) -> None:
        self.cache = cache
        self.gave_way = 0
        self.running: list[Job] = []
        self.waiting: list[Job] = []
        self._pace = pace
        self._copies: list[Copies] = []
        self._served: dict[str, float] = {}
        self._number = 0

    def add(self, job: Job) -> None:
        self._number += 1
        job.number = self._number
        self._enter_tenant(job.tenant)
        self.waiting.append(job)

    def take_copies(self) -> list[Copies]:
        """What has come together since the last call."""
        copies, self._copies = self._copies, []
        return copies

    # ---- taking in

    @property
    def begun(self) -> bool:
        """Whether anybody runs, or gave way and is to go on."""
        return bool(self.running) or any(job.gave_way for job in self.waiting)

    def admit(self, *, new: bool = True) -> list[Job]:
        """Start waiting jobs while memory lasts; returns those just started.

        `new`: False lets only those go on that gave way.
        """
        admitted = []
        waiting = [job for job in self.waiting if new or job.gave_way]
        for job in sorted(waiting, key=self._order):
            if not self.cache.free_slots and not self._lower(job):
                break
            if self._waits_for_another(job):
                continue
            if not self._take_in(job):
                break
            self.waiting.remove(job)
            self.running.append(job)
            job.alike.clear()
            admitted.append(job)
        return admitted

    def _order(self, job: Job) -> tuple[int, float, int]:
        return (-job.priority, self._served[job.tenant], job.number)

    def _take_in(self, job: Job) -> bool:
        length = job.max_len if job.gave_way else min(job.max_len, len(job.tokens) + AHEAD)
        while True:
            holding = self.cache.take_in(
                job.tokens, job.tenant, length, use_known=not job.scores_prompt
            )
            if holding is not None:
                break
            lower = self._lower(job)
            if not lower or not self._fits_without(lower, length):
                return False
            self._give_way(min(lower, key=lambda other: other.rank))
        job.holding, job.done = holding, holding.start
        job.plants = list(_plants(job, holding))
        self._copies.append(holding.copies)
        return True

    def _lower(self, job: Job) -> list[Job]:
        return [other for other in self.running if other.priority < job.priority]

    def _fits_without(self, lower: Sequence[Job], num_tokens: int) -> bool:
        """Whether it is of any use that these give way."""
        others = (job.holding for job in self.running if job not in lower)
        kept = {page for holding in others if holding is not None for page in holding.pages}
        return self.cache.pages_for(num_tokens) <= self.cache.num_pages - len(kept)

    def _waits_for_another(self, job: Job) -> bool:
        """Whether somebody is just reading what this one begins with; it will then be known."""
        for other in self.running:
            if not other.reading or other.tenant != job.tenant or job.scores_prompt:
                continue
            if other.number not in job.alike:
                job.alike[other.number] = _common(other.tokens, job.tokens)
            shared = min(job.alike[other.number], len(job.tokens) - 1)
            if any(other.done < position <= shared for position in other.plants):
                return True
            if shared >= other.done + self.cache.page_size:
                insort(other.plants, shared)
                return True
        return False

    # ---- planning

    def plan(self) -> list[Piece]:
        """The next step's pieces, counted as done; at least one if any job runs."""
        decoding = [job for job in self.running if not job.reading]
        reading = sorted(
            (job for job in self.running if job.reading), key=lambda job: len(job.tokens) - job.done
        )
        budget, pieces = self._pace.budget(len(decoding)), list[Piece]()
        for job in decoding:
            pieces += self._pieces(job, BEHIND, pieces)
        for index, job in enumerate(reading):
            if job.holding is None:
                continue
            left = len(reading) - index
            share = max(budget // (left if index else min(left, 2)), 1)
            new = list(self._pieces(job, share, pieces))
            budget -= sum(len(piece.tokens) for piece in new)
            pieces += new
        return [piece for piece in pieces if piece.job.holding is not None]

    def _pieces(self, job: Job, most: int, planned: Sequence[Piece]) -> Iterator[Piece]:
        """One, or two if a state between them is to be kept; none if it had to give way."""
        holding, reads, start = job.holding, job.reading, job.done
        if holding is None:
            return
        end = min(len(job.tokens), start + most)
        first = bisect_right(job.plants, start)
        cuts = [position for position in job.plants[first : first + 2] if position < end]
        if len(cuts) == 2:
            # The spare slot keeps one state within a step.
            end = cuts.pop()
        drafts = job.drafts if end == len(job.tokens) and not reads and not cuts else ()
        if not self._grow(job, end + len(drafts), planned):
            return
        job.done = end + len(drafts)
        self._served[job.tenant] += end - start
        slot, spare = holding.slot, holding.spare
        if cuts:
            yield self._piece(job, start, job.tokens[start : cuts[0]], slot, spare, reads)
            yield self._piece(job, cuts[0], job.tokens[cuts[0] : end], spare, slot, reads)
        else:
            tokens = (*job.tokens[start:end], *drafts)
            target = spare if drafts else slot
            yield self._piece(job, start, tokens, slot, target, reads, len(drafts))

    def _piece(
        self,
        job: Job,
        start: int,
        tokens: Sequence[int],
        source: int,
        slot: int,
        reads: bool,
        drafts: int = 0,
    ) -> Piece:
        assert job.holding is not None
        end = start + len(tokens)
        # Who gave way computes what it had answered again; that is not asked for.
        scored = range(start + 1, min(end + 1, job.prompt_len)) if job.scores_prompt else ()
        return Piece(
            job=job,
            tokens=tuple(tokens),
            start=start,
            source=source,
            slot=slot,
            pages=tuple(job.holding.pages[: self.cache.pages_for(end)]),
            positions=(*scored, *range(len(job.tokens), end + 1)),
            drafts=drafts,
            reads=reads,
        )

    def _grow(self, job: Job, length: int, planned: Sequence[Piece]) -> bool:
        """Pages for `length` tokens, whoever has to give way; False if it is the job itself."""
        assert job.holding is not None
        while not self.cache.grow(job.holding, length):
            victim = min(self.running, key=lambda other: other.rank)
            for piece in reversed(planned):
                if piece.job is victim:
                    # Its pieces will not be computed.
                    victim.done = piece.start
            self._give_way(victim)
            if victim is job:
                return False
        return True

    def _give_way(self, job: Job) -> None:
        self.gave_way += 1
        self._let_go(job, keep=True)
        self.running.remove(job)
        job.gave_way, job.done = True, 0
        self.waiting.append(job)

    # ---- afterwards

    def accept(self, piece: Piece, right: int) -> None:
        """Of a piece's drafts the first `right` came true; the others were never there."""
        job, holding = piece.job, piece.job.holding
        assert holding is not None
        if right == piece.drafts:
            if piece.slot != piece.source:
                holding.slot, holding.spare = piece.slot, piece.source
        elif self.cache.recurrent:
            job.done = piece.start
        else:
            job.done -= piece.drafts - right

    def finish(self, pieces: Sequence[Piece], seconds: float, failed: Container[Job] = ()) -> None:
        """A step has computed these: what it made is shared, and kept where that was wished.

        `failed`: what was computed for them is wrong.
        """
        for piece in pieces:
            if piece.job in failed:
                continue
            job, holding = piece.job, piece.job.holding
            assert holding is not None
            # Behind its last piece if guesses in it were wrong.
            done = min(job.done, piece.end)
            self.cache.advance(holding, job.tokens, done)
            if done in job.plants:
                self._plant(job, holding, done, piece.slot if done == piece.end else holding.slot)
        prompt = sum(len(piece.tokens) for piece in pieces if piece.reads)
        decoding = len({piece.job for piece in pieces if not piece.reads})
        self._pace.observe(decoding, prompt, seconds)

    def remove(self, job: Job, *, keep: bool) -> None:
        """Forget a job, waiting or running; its memory is free at once.

        keep: its state is right, and somebody may go on from there. Otherwise nothing is known any
        more of what it computed.
        """
        if job.holding is None:
            self.waiting.remove(job)
            return
        self._let_go(job, keep=keep)
        self.running.remove(job)

    def _let_go(self, job: Job, *, keep: bool) -> None:
        assert job.holding is not None
        holding, job.holding = job.holding, None
        if keep and job.done > holding.start:
            self.cache.advance(holding, job.tokens, job.done)
            self._plant(job, holding, job.done, holding.slot)
        self.cache.release(holding)
        if not keep:
            self.cache.forget(job.tokens, job.tenant, holding.start)

    def _plant(self, job: Job, holding: Holding, done: int, slot: int) -> None:
        """Have the job's state after `done` tokens, in `slot`, copied if it is worth a snapshot."""
        target = self.cache.plant(holding, job.tokens, done)
        if target is not None:
            self._copies.append(Copies(slot=(slot, target)))

    def _enter_tenant(self, tenant: str) -> None:
        """Whoever comes new or comes back has had as much as the least of those who are here."""
        here = {job.tenant for job in (*self.waiting, *self.running)}
        if tenant in here:
            return
        least = min((self._served[name] for name in here), default=0.0)
        before = self._served.get(tenant, 0.0)
        self._served = {name: self._served[name] for name in here}
        self._served[tenant] = max(before, least)


def _plants(job: Job, holding: Holding) -> Iterator[int]:
    """Where the state is to be kept while the prompt is read, ascending."""
    last = job.prompt_len if job.boundaries else job.prompt_len - 1
    wished = {position for position in job.boundaries if position < last}
    # Where this prompt leaves what another had: a third may do so too.
    left = {holding.known} if holding.known >= holding.start + FEW else set[int]()
    # A system prompt, and where the last message ends.
    always = {*job.boundaries[:1], *job.boundaries[-1:], last} | left
    before = holding.start
    for position in sorted(wished | always | {*range(EVERY, last, EVERY)}):
        if holding.start < position <= last and (position - before >= APART or position in always):
            yield position
            before = position


def _common(a: list[int], b: list[int]) -> int:
    """Length of the longest beginning that both have."""
    least, most = 0, min(len(a), len(b))
    if a[:16] != b[:16]:
        return 0
    while least < most:
        middle = (least + most + 1) // 2
        if a[least:middle] == b[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least
