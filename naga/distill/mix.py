"""Samples -> rows for `naga sft`: {short, long} x {with, without instruction}, in stated shares.

Every answer is marked thinking "auto": its prompt ends in an open <think>, and the first token
after it, </think> or the thought, is learned. Without an instruction that is the automatic mode;
with one the model learns to heed it. Which sample is used how depends on (samples, config, seed)
alone. A kind that is too rare for its share is used again and again, and counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Literal

from naga.config.base import ConfigError
from naga.config.distill import MixConfig
from naga.data.corpus import read_conversations
from naga.data.instructions import with_instruction
from naga.data.messages import Message
from naga.distill.rows import conversation_row
from naga.distill.types import Kind, Sample

Row = dict[str, Any]
RowKind = Literal["short", "short_instructed", "long", "long_instructed"]
ROW_KINDS: tuple[RowKind, ...] = ("short", "short_instructed", "long", "long_instructed")


@dataclass(frozen=True, kw_only=True)
class Mixed:
    rows: tuple[Row, ...]
    """Shuffled."""
    counts: dict[RowKind, int]
    repeats: dict[RowKind, int]
    """Of them, those whose sample was used before in the same way."""
    extra: int


def mix(samples: Sequence[Sample], config: MixConfig, seed: int) -> Mixed:
    if not samples:
        raise ConfigError("no question was answered rightly: there is nothing to learn from")
    random = Random(f"mix {seed}")
    pools = {kind: _pool(samples, kind) for kind in ROW_KINDS}
    wanted = _wanted(pools, config)
    rows: list[Row] = []
    for kind, count in wanted.items():
        drawn = islice(_cycles(pools[kind], random), count)
        rows += [_row(sample, kind, config, random) for sample in drawn]
    extra = _extra(config, len(rows), random)
    rows += extra
    random.shuffle(rows)
    return Mixed(
        rows=tuple(rows),
        counts=wanted,
        repeats={kind: max(0, count - len(pools[kind])) for kind, count in wanted.items()},
        extra=len(extra),
    )


def _pool(samples: Sequence[Sample], kind: RowKind) -> list[Sample]:
    """Without an instruction is learned only what the model should do of itself."""
    answer: Kind = "short" if kind.startswith("short") else "long"
    instructed = kind.endswith("instructed")
    return [each for each in samples if each.kind == answer and (each.decided or instructed)]


def _wanted(pools: dict[RowKind, list[Sample]], config: MixConfig) -> dict[RowKind, int]:
    found = {kind: len(pool) for kind, pool in pools.items()}
    total = config.count or sum(found.values())
    if config.shares is None:
        shares = {kind: count / sum(found.values()) for kind, count in found.items()}
    else:
        shares = {
            "short": config.shares.short,
            "short_instructed": config.shares.short_instructed,
            "long": config.shares.long,
            "long_instructed": config.shares.long_instructed,
        }
    for kind in ROW_KINDS:
        if shares[kind] and not pools[kind]:
            raise ConfigError(f"mix.shares.{kind}: no sample of that kind was found; set it to 0")
    counts = {kind: int(total * shares[kind]) for kind in ROW_KINDS}
    # What rounding left goes to those that lost most.
    lost = sorted(ROW_KINDS, key=lambda kind: counts[kind] - total * shares[kind])
    for kind in lost[: total - sum(counts.values())]:
        counts[kind] += 1
    return counts


def _cycles(pool: Sequence[Sample], random: Random) -> Iterator[Sample]:
    """Each once in random order, then each once more, and so on; nothing of an empty pool."""
    while pool:
        yield from random.sample(pool, len(pool))


def _row(sample: Sample, kind: RowKind, config: MixConfig, random: Random) -> Row:
    prompt = sample.prompt
    if kind.endswith("instructed"):
        place: Literal["system", "user"] = (
            "system" if random.random() < config.system_share else "user"
        )
        prompt = with_instruction(prompt, "never" if sample.kind == "short" else "always", place)
    answer = Message(
        role="assistant", content=sample.answer, reasoning=sample.reasoning, thinking="auto"
    )
    return {**conversation_row([*prompt, answer]), "kind": kind, "question": sample.key}


def _extra(config: MixConfig, rows: int, random: Random) -> list[Row]:
    """Conversations of other files, as they are, in random order."""
    if not config.extra:
        return []
    count = round(rows * config.extra_share / (1 - config.extra_share))
    found = list(read_conversations(config.extra))
    chosen = random.sample(found, min(count, len(found)))
    return [
        {**conversation_row(each.messages, each.tools), "kind": "extra", "question": each.place}
        for each in chosen
    ]
