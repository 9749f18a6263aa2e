"""Random schedules: which requests come when, into what engine, and which of them are given up.

A schedule is made of what a cache meets: beginnings that are shared, conversations that are
repeated, edited in the middle or gone on with after an answer, with its thinking or without,
several choices of one prompt, tenants, priorities, deadlines; and of an engine that is roomy, or so
small that requests give way. The same seed, number and answers make the same schedule. Runs nothing
(determinism.py); no torch.

A talk is the messages of a prompt, each a run of tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from naga.config.load import parse_config
from naga.config.quantisation import Weights
from naga.config.serve import EngineConfig
from naga.engine.request import Request, SamplingParams

Talk = tuple[tuple[int, ...], ...]
# Of the tokens of one request: its answer alone, in an engine of the given config.
AnswerOf = Callable[[Request, EngineConfig], tuple[int, ...]]

# Outputs between two moments of a schedule, most often few.
GAPS = (0, 0, 0, 1, 2, 3, 5, 8, 13, 30)
CHUNKS = (1, 3, 7, 16, 33, 64, 512)
# Tokens of prompts, at most: of most schedules, and of some with snapshots inside of messages.
SHORT, LONG = 160, 1600
# Tokens of a long answer, after which another turn follows.
LONG_ANSWER = 200


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a model decides which requests it takes."""

    vocab_size: int
    max_positions: int
    state_bytes: int
    """Of one sequence's recurrent state; 0 without any."""
    chat: bool = False
    """Its tokenizer has think blocks."""
    weights: tuple[Weights | None, ...] = (None,)
    """Formats that it may be asked for in."""

    def longest(self, most: int) -> int:
        """Tokens of a prompt at most, an answer's left out."""
        return min(self.max_positions // 2, most)


@dataclass(frozen=True, kw_only=True)
class Submit:
    request: Request
    after: int
    """Outputs since the action before, at least, unless nothing runs any more."""
    follows: str | None = None
    """A request that has ended by then."""


@dataclass(frozen=True, kw_only=True)
class Cancel:
    request_id: str
    after: int
    follows: None = None


Action = Submit | Cancel


@dataclass(frozen=True, kw_only=True)
class Schedule:
    number: int
    engine: EngineConfig
    rounds: int
    """All of it so many times: the second time the cache is warm."""
    actions: tuple[Action, ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        return tuple(one.request for one in self.actions if isinstance(one, Submit))


def make_schedule(
    seed: int, number: int, shape: Shape, base: EngineConfig, answer_of: AnswerOf
) -> Schedule:
    """`base`: what every engine has (dtype, device, backend)."""
    random = Random(f"{seed} {number}")
    engine = _engine(random, shape, base)
    crowd = random.random() < 0.05
    longest = shape.longest(LONG if random.random() < 0.05 else SHORT)
    author = Author(random, shape, longest, lambda request: answer_of(request, engine))
    submits: list[Submit] = []
    for _ in range(random.randint(16, 24) if crowd else random.randint(2, 7)):
        submits += author.write()
    needs = (len(one.request.prompt) + one.request.sampling.max_tokens for one in submits)
    pages = -(-max(needs) // engine.page_size)
    room = random.choice((1, 1, 1.5, 2, 4, 16))
    running = 32 if crowd else random.choice((1, 2, 3, 4, 8))
    sizes = {"kv_tokens": int(room * pages) * engine.page_size, "max_running": running}
    return Schedule(
        number=number,
        engine=engine.model_copy(update=sizes),
        rounds=random.choice((1, 1, 2)),
        actions=tuple(_with_cancels(random, submits)),
    )


def _engine(random: Random, shape: Shape, base: EngineConfig) -> EngineConfig:
    snapshots = random.choice((0, 1, 2, 5, 40, 40))
    drawn = {
        "page_size": random.choice((16, 64)),
        "prefill_chunk": random.choice(CHUNKS),
        "snapshot_bytes": snapshots * shape.state_bytes,
        "weights": random.choice(shape.weights),
        "kv": random.choice((None, None, "int8")),
        "draft_tokens": random.choice((0, 1, 8, 8, 16)),
    }
    return parse_config(EngineConfig, base.model_dump() | drawn, source="schedule")


def _with_cancels(random: Random, submits: Sequence[Submit]) -> list[Action]:
    """Some requests are given up, at any time after they came."""
    actions: list[Action] = list(submits)
    for one in submits:
        if random.random() < 0.15:
            first = actions.index(one) + 1
            place = random.randint(first, len(actions))
            cancel = Cancel(request_id=one.request.id, after=random.choice(GAPS))
            actions.insert(place, cancel)
    return actions


class Author:
    """Writes the requests of one schedule, each with an eye on those before it."""

    def __init__(
        self,
        random: Random,
        shape: Shape,
        longest: int,
        answer_of: Callable[[Request], tuple[int, ...]],
    ) -> None:
        """`longest`: tokens of a prompt at most."""
        self._random, self._shape, self._answer_of = random, shape, answer_of
        self._longest = longest
        self._written: list[tuple[Request, Talk]] = []

    def write(self) -> list[Submit]:
        """One request, or several choices of it."""
        talk, follows = self._talk()
        if sum(map(len, talk)) > self._longest:
            talk, follows = self._fresh(), None
        first = self._request(talk)
        copies = self._random.choice((1, 1, 1, 1, 2, 4))
        submits = []
        for choice in range(copies):
            name = f"r{len(self._written)}"
            request = replace(first, id=name, choice=first.choice + choice)
            self._written.append((request, talk))
            after = 0 if choice else self._random.choice(GAPS)
            submits.append(Submit(request=request, after=after, follows=follows))
        return submits

    def _talk(self) -> tuple[Talk, str | None]:
        """The next prompt, and the request whose answer is in it."""
        if not self._written or self._random.random() < 0.2:
            return self._fresh(), None
        request, talk = self._random.choice(self._written)
        match self._random.choice(("shared", "edited", "repeated", "turn", "turn", "turn")):
            case "shared":
                return self._shared(talk), None
            case "edited":
                return self._edited(talk), None
            case "repeated":
                return talk, None
        return self._turn(request, talk), request.id

    def _fresh(self) -> Talk:
        return tuple(self._message() for _ in range(self._random.randint(1, 3)))

    def _shared(self, talk: Talk) -> Talk:
        """Another conversation that begins alike, up to any token."""
        tokens = [token for message in talk for token in message]
        kept = tuple(tokens[: self._random.randint(1, len(tokens))])
        return (kept, self._message())

    def _edited(self, talk: Talk) -> Talk:
        """One message is another; those after it stay, or not."""
        place = self._random.randrange(len(talk))
        rest = self._random.choice((talk[place + 1 :], ()))
        return (*talk[:place], self._message(), *rest)

    def _turn(self, request: Request, talk: Talk) -> Talk:
        """The answer, or what is left without its thinking, and the next message."""
        answer = self._answer_of(request)
        stripped = self._random.choice((0, 0, len(answer) // 2))
        rest = () if len(answer) == stripped else (answer[stripped:],)
        return (*talk, *rest, self._message())

    def _message(self) -> tuple[int, ...]:
        """Some say a thing several times, which is what guessing ahead lives on."""
        message = self._plain_message()
        return message * self._random.choice((1, 1, 1, 3)) if len(message) < 12 else message

    def _plain_message(self) -> tuple[int, ...]:
        lengths = (1, 2, 5, 11, 16, 17, 30, 48, self._longest // 3)
        length = max(min(self._random.choice(lengths), self._longest // 3), 1)
        return tuple(self._random.randrange(self._shape.vocab_size) for _ in range(length))

    def _request(self, talk: Talk) -> Request:
        random, ends = self._random, tuple(accumulate(map(len, talk)))
        raw = not self._shape.chat or random.random() < 0.5
        thinking = not raw and random.random() < 0.5
        return Request(
            id="",
            prompt=tuple(token for message in talk for token in message),
            sampling=self._sampling(ends[-1], thinking),
            thinking=thinking,
            raw=raw,
            choice=random.choice((0, 0, 1, 2**40)),
            tenant=random.choice(("", "", "", "one", "two")),
            priority=random.choice((0, 0, 0, 0, 1, -3)),
            deadline_s=random.uniform(0.001, 0.05) if random.random() < 0.03 else None,
            boundaries=ends if random.random() < 0.7 else (),
        )

    def _sampling(self, prompt_len: int, thinking: bool) -> SamplingParams:
        random = self._random
        tokens = LONG_ANSWER if random.random() < 0.03 else random.choice((1, 2, 4, 8, 16, 24))
        tokens = min(tokens, self._shape.max_positions - prompt_len)
        params = SamplingParams(
            temperature=random.choice((0.0, 0.0, 0.3, 1.0, 1.0, 2.5)),
            top_p=random.choice((1.0, 1.0, 0.7)),
            top_k=random.choice((None, None, 1, 5)),
            seed=random.choice((0, 1, -(2**63), random.getrandbits(62))),
            max_tokens=tokens,
            ignore_eos=random.random() < 0.3,
            thinking_budget=random.choice((None, 0, 5)) if thinking else None,
        )
        return self._with_wishes(params) if random.random() < 0.2 else params

    def _with_wishes(self, params: SamplingParams) -> SamplingParams:
        random, tokens = self._random, self._shape.vocab_size
        biases = {random.randrange(tokens): random.choice((-100.0, 2.5)) for _ in range(3)}
        return replace(
            params,
            logit_bias=tuple(sorted(biases.items())),
            min_tokens=random.choice((0, params.max_tokens // 2)),
            top_logprobs=random.choice((0, 3)),
            prompt_logprobs=random.choice((None, None, 2)),
        )
