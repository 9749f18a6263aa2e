"""A conversation about a long document, warm and cold, through the real engine in this process.

First all turns, one after the other, as a user has them; then every one of them again after the
engine has forgotten everything. Both must be the same, bit for bit. Turns are greedy and sampled by
turns. First-token times are the engine's own, from submit on. No HTTP (cache_trace.py).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from naga.bench.traces import Ask, Words, contract
from naga.config.serve import EngineConfig
from naga.engine.chat import Reply, chat_request, complete, open_engine
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.train.progress import counter

# Of a turn besides the document: its question, its answer as text, the chat format.
TURN_TOKENS = 1024


@dataclass(frozen=True, kw_only=True)
class TurnRow:
    turn: int
    """From 1."""
    prompt_tokens: int
    cached_tokens: int
    ttft_warm_s: float
    """To the first token, in the conversation."""
    ttft_cold_s: float
    """Where nothing is known."""
    identical: bool
    """Tokens and log-probabilities of both."""


@dataclass(frozen=True, kw_only=True)
class CacheReport:
    model: str
    command: str
    numerics: str
    seed: int
    rows: tuple[TurnRow, ...]

    @property
    def later(self) -> tuple[TurnRow, ...]:
        """Turns of which something can be known."""
        return self.rows[1:]

    @property
    def identical(self) -> bool:
        return all(row.identical for row in self.rows)

    def to_json(self) -> str:
        data = {
            "schema": "naga.bench.cache.1",
            **_fractions(self.rows),
            "ttft_cold_s": median(row.ttft_cold_s for row in self.later),
            "ttft_warm_s": median(row.ttft_warm_s for row in self.later),
            "speedup": median(row.ttft_cold_s / row.ttft_warm_s for row in self.later),
            "identical": self.identical,
            **asdict(self),
        }
        return json.dumps(data, ensure_ascii=False, indent=1)

    def table(self) -> Table:
        table = Table(title=f"{self.model}: turns over one document")
        for heading in HEADINGS:
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(*_cells(row))
        return table

    def to_markdown(self) -> str:
        head = ["| " + " | ".join(HEADINGS) + " |", "|" + "---:|" * len(HEADINGS)]
        lines = ["| " + " | ".join(_cells(row)) + " |" for row in self.rows]
        title = f"# Turns over one document: `{self.model}` ({self.numerics})"
        share = _fractions(self.rows)["cached_fraction_later"]
        said = f"From the second turn on {share:.1%} of the prompts' tokens came from the cache."
        return (
            "\n".join([title, "", *head, *lines, "", said, "", "```", self.command, "```"]) + "\n"
        )


HEADINGS = ("turn", "prompt tokens", "cached", "warm s", "cold s", "cold / warm", "identical")


def _cells(row: TurnRow) -> tuple[str, ...]:
    return (
        str(row.turn),
        f"{row.prompt_tokens:,}",
        f"{row.cached_tokens:,}",
        f"{row.ttft_warm_s:.3f}",
        f"{row.ttft_cold_s:.3f}",
        f"{row.ttft_cold_s / row.ttft_warm_s:.1f}",
        "yes" if row.identical else "NO",
    )


def _fractions(rows: tuple[TurnRow, ...]) -> dict[str, float]:
    return {
        name: sum(row.cached_tokens for row in some) / sum(row.prompt_tokens for row in some)
        for name, some in (("cached_fraction", rows), ("cached_fraction_later", rows[1:]))
    }


def run_cache(
    path: Path,
    base: EngineConfig,
    *,
    turns: int,
    document_tokens: int,
    new_tokens: int,
    seed: int,
    command: str,
    console: Console,
) -> CacheReport:
    """`turns`: two at least. ConfigError if the conversation exceeds the model's context."""
    most = document_tokens + turns * (TURN_TOKENS + 4 * new_tokens)
    config = base.model_copy(update={"kv_tokens": max(base.kv_tokens, 2 * most)})
    with (
        open_engine(path, config) as engine,
        counter("turns", console, verb="asking", total=2 * turns) as advance,
    ):
        talk = Conversation(engine, Words(seed, engine.tokenizer), new_tokens, seed)
        trace = contract(talk.words, turns=turns, document_tokens=document_tokens)
        asked, answer = list[Ask](), None
        warm = list[Reply]()
        for _ in range(turns):
            asked.append(next(trace) if answer is None else trace.send(answer))
            warm.append(talk.ask(asked[-1], len(asked)))
            answer = talk.visible(warm[-1])
            advance()
        rows = []
        for turn, (ask, reply) in enumerate(zip(asked, warm, strict=True), 1):
            engine.forget()
            rows.append(_row(turn, reply, talk.ask(ask, turn)))
            advance()
        numerics = str(engine.numerics)
    return CacheReport(
        model=str(path), command=command, numerics=numerics, seed=seed, rows=tuple(rows)
    )


class Conversation:
    def __init__(self, engine: Engine, words: Words, new_tokens: int, seed: int) -> None:
        self.words = words
        self._engine, self._new_tokens, self._seed = engine, new_tokens, seed

    def ask(self, ask: Ask, turn: int) -> Reply:
        sampling = SamplingParams(
            temperature=float(turn % 2), seed=self._seed + turn, max_tokens=self._new_tokens
        )
        return complete(self._engine, chat_request(self._engine.tokenizer, ask.messages, sampling))

    def visible(self, reply: Reply) -> str:
        """What the next turn has of it; words where a model never came to an end of thinking."""
        return reply.text or self.words.text(self._new_tokens)


def _row(turn: int, warm: Reply, cold: Reply) -> TurnRow:
    assert warm.timings.first_token_s is not None and cold.timings.first_token_s is not None
    return TurnRow(
        turn=turn,
        prompt_tokens=warm.usage.prompt_tokens,
        cached_tokens=warm.usage.cached_tokens,
        ttft_warm_s=warm.timings.first_token_s,
        ttft_cold_s=cold.timings.first_token_s,
        identical=(warm.tokens, warm.logprobs) == (cold.tokens, cold.logprobs),
    )
