"""The prompts of a phase: different problems of task families, easiest first.

A pool depends on nothing but its config and the seed. Takes only the training split.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from naga.config.base import ConfigError
from naga.config.rl import PromptsConfig
from naga.data.chat import message_ends, render_prompt
from naga.data.tokenizer import Tokenizer
from naga.rl.types import Prompt
from naga.tasks import LEVELS, Example, Generator, Mix, make_examples, make_tasks

STREAM_PER_PROMPT = 20


def make_pool(
    config: PromptsConfig, tokenizer: Tokenizer, *, seed: int, thinking: str, phase: int
) -> list[Prompt]:
    """`config.count` prompts by level; ConfigError if the families have fewer problems."""
    tasks = make_tasks(config.tasks)
    for task in tasks:
        if not task.scored:
            raise ConfigError(f"task {task.name!r}: has no right and wrong answers; leave it out")
    examples = list(islice(_distinct(config, tasks, seed), config.count))
    if len(examples) < config.count:
        raise ConfigError(
            f"phases.{phase}.prompts: {len(examples)} different problems are all there are, not "
            f"{config.count}; lower the count or add levels"
        )
    examples.sort(key=lambda example: LEVELS.index(example.level or "easy"))
    return [_prompt(example, tokenizer, thinking) for example in examples]


def _distinct(config: PromptsConfig, tasks: Sequence[Generator], seed: int) -> Iterator[Example]:
    mix = Mix(
        weights=config.weights,
        levels=config.levels,
        chinese=config.chinese,
        straight=config.straight,
    )
    seen: set[tuple[str, str]] = set()
    most = config.count * STREAM_PER_PROMPT
    for example in make_examples(tasks, mix=mix, split="train", seed=seed, count=most):
        if (key := (example.family, example.problem)) not in seen:
            seen.add(key)
            yield example


def _prompt(example: Example, tokenizer: Tokenizer, thinking: str) -> Prompt:
    thinks = {"always": True, "never": False, "as_gold": bool(example.reasoning)}[thinking]
    tokens = tuple(render_prompt(tokenizer, example.prompt, enable_thinking=thinks))
    return Prompt(
        key=f"{example.family}: {example.problem}",
        example=example,
        tokens=tokens,
        boundaries=message_ends(tokenizer, tokens),
        thinking=thinks,
    )
