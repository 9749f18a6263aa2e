"""A stream of examples from several families, and its file form for fine-tuning.

Example number i depends only on (tasks, mix, split, seed, i), never on the examples before it, so a
stream can be cut anywhere and resumed by index. Does not shuffle: neighbours are already unrelated.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from naga.config.base import ConfigError
from naga.disk import write_atomic
from naga.tasks.example import Example, Generator, Language, Level, Split

TRIES = 2000


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How a stream is composed; shares are probabilities."""

    weights: tuple[float, ...] | None = None
    """One per task; None = the same for each."""
    levels: tuple[Level, ...] = ("easy",)
    chinese: float = 0.3
    straight: float = 0.1
    """Share without a worked trace, in the families that allow it."""


def make_examples(
    tasks: Sequence[Generator], *, mix: Mix, split: Split, seed: int, count: int, start: int = 0
) -> Iterator[Example]:
    """Examples number start .. start + count - 1 of the stream."""
    for task in tasks:
        if split == "heldout" and not task.scored:
            raise ConfigError(f"task {task.name!r}: has no held-out split; leave it out")
    if mix.weights is not None and len(mix.weights) != len(tasks):
        raise ConfigError(f"mix: {len(mix.weights)} weights for {len(tasks)} tasks; give one each")
    for index in range(start, start + count):
        yield _example(tasks, mix, split, Random(f"{split} {seed} {index}"))


def _example(tasks: Sequence[Generator], mix: Mix, split: Split, random: Random) -> Example:
    task = random.choices(tasks, mix.weights)[0]
    level = random.choice(mix.levels)
    language: Language = "zh" if random.random() < mix.chinese else "en"
    for _ in range(TRIES):
        example = task.generate(random, level, language)
        if not task.scored or example.split == split:
            straight = task.straight and random.random() < mix.straight
            return example.without_reasoning() if straight else example
    raise RuntimeError(f"task {task.name!r}: no {split} example in {TRIES} tries")


def write_conversations(examples: Iterable[Example], path: Path) -> int:
    """Write jsonl rows {"messages": [...]}, atomically; returns the number of rows."""
    rows = [json.dumps(_row(example), ensure_ascii=False) + "\n" for example in examples]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(rows))
    return len(rows)


def _row(example: Example) -> dict[str, list[dict[str, str]]]:
    messages = []
    for message in example.messages:
        row = {"role": message.role, "content": message.content}
        if message.reasoning:
            row["reasoning_content"] = message.reasoning
        messages.append(row)
    return {"messages": messages}
