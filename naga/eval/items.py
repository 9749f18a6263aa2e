"""What is asked: the problems of families, of public files, and of grids over long texts.

No problem twice. The same arguments give the same problems. Asks nothing (run.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from naga.config.base import ConfigError
from naga.eval.samples import Cell, question_of
from naga.tasks import Example, Generator, Level, Mix, Split, Task, make_examples
from naga.tasks.public import PublicSet
from naga.tasks.retrieval import KeyValues, Needles
from naga.tasks.retrieval.words import NOT_FOUND

STREAM_PER_PROBLEM = 50
GRIDS = ("needles", "key_values")


@dataclass(frozen=True, kw_only=True)
class Item:
    """Problems that are reported together, and who grades them."""

    task: Task
    level: Level | None
    examples: tuple[Example, ...]
    cell: Cell | None = None


def family_items(
    tasks: Sequence[Generator],
    *,
    levels: Sequence[Level],
    count: int,
    seed: int,
    split: Split = "heldout",
    thinking: bool = True,
    chinese: float = 0.3,
) -> list[Item]:
    """Every task at every level, `count` problems each.

    thinking False asks for straight answers; ConfigError names a task that has none.
    """
    straight = 0.0 if thinking else 1.0
    return [
        _family_item(
            task, Mix(levels=(level,), chinese=chinese, straight=straight), count, seed, split
        )
        for task in tasks
        for level in levels
    ]


def _family_item(task: Generator, mix: Mix, count: int, seed: int, split: Split) -> Item:
    if not task.scored:
        raise ConfigError(f"task {task.name!r}: has no right and wrong answers; leave it out")
    if mix.straight and not task.straight:
        raise ConfigError(f"task {task.name!r}: has no straight answers; leave thinking on")
    stream = make_examples(
        [task], mix=mix, split=split, seed=seed, count=count * STREAM_PER_PROBLEM
    )
    examples = tuple(islice(_distinct(stream), count))
    if len(examples) < count:
        raise ConfigError(f"task {task.name!r}: has only {len(examples)} problems; lower the count")
    return Item(task=task, level=mix.levels[0], examples=examples)


def _distinct(stream: Iterable[Example]) -> Iterator[Example]:
    """Without examples whose problem came before."""
    seen: set[str] = set()
    for example in stream:
        if example.problem not in seen:
            seen.add(example.problem)
            yield example


def public_items(task: PublicSet, path: Path, count: int | None, seed: int) -> list[Item]:
    """A file's questions, or `count` of them by chance in the file's order; one item a level."""
    found = {question_of(example): example for example in task.read(path)}
    examples = list(found.values())
    if count is not None and count < len(examples):
        kept = sorted(Random(f"{seed}").sample(range(len(examples)), count))
        examples = [examples[index] for index in kept]
    levels = dict.fromkeys(example.level for example in examples)
    return [
        Item(task=task, level=level, examples=tuple(e for e in examples if e.level == level))
        for level in levels
    ]


def grid_items(
    name: str,
    *,
    lengths: Sequence[int],
    depths: Sequence[float],
    count: int,
    seed: int,
    chinese: float = 0.3,
    documents: Sequence[str] = (),
) -> list[Item]:
    """`count` problems for each length in characters and depth; what is asked for is there."""
    if name not in GRIDS:
        raise ConfigError(f"grid of {name!r}: there are grids of {', '.join(GRIDS)}")

    def cell(length: int, depth: float) -> Item:
        task: Generator = (
            Needles(length, depth, documents) if name == "needles" else KeyValues(length, depth)
        )
        mix = Mix(levels=("easy",), chinese=chinese, straight=0.0)
        many = count * STREAM_PER_PROBLEM
        stream = make_examples([task], mix=mix, split="heldout", seed=seed, count=many)
        there = (e for e in _distinct(stream) if e.answer not in NOT_FOUND.values())
        examples = tuple(islice(there, count))
        return Item(
            task=task, level="easy", examples=examples, cell=Cell(length=length, depth=depth)
        )

    return [cell(length, depth) for length in lengths for depth in depths]
