"""Questions to distill from: of task families, training split only, or of a jsonl file.

Each problem is there once. A file's rows are those that `naga reward score` grades, without a
response: {"task", "prompt", "answer", "gold"?, "level"?, "language"?}; a prompt is a text or
messages, and a gold answer may carry its trace: {"content", "reasoning_content"}.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from naga.config.base import ConfigError
from naga.config.distill import QuestionsConfig
from naga.data.conversations import read_conversation
from naga.data.messages import Message
from naga.distill.types import Question
from naga.tasks import LANGUAGES, LEVELS, Example, Generator, Mix, make_examples

MakeTasks = Callable[[Sequence[str]], Sequence[Generator]]
STREAM_PER_QUESTION = 50
KEYS = {"task", "prompt", "answer", "gold", "level", "language"}


def make_questions(config: QuestionsConfig, make_tasks: MakeTasks, seed: int) -> list[Question]:
    if config.file is not None:
        return read_questions(config.file)
    tasks = make_tasks(config.tasks)
    for task in tasks:
        if not task.scored:
            raise ConfigError(f"task {task.name!r}: has no right and wrong answers; leave it out")
    if config.weights is not None and len(config.weights) != len(tasks):
        raise ConfigError(f"questions.weights: {len(config.weights)} for {len(tasks)} tasks")
    questions = list(islice(_distinct(config, tasks, seed), config.count))
    if len(questions) < config.count:
        raise ConfigError(
            f"questions.count: {len(questions)} different problems are all there are, not "
            f"{config.count}; lower it or add levels"
        )
    return questions


def _distinct(config: QuestionsConfig, tasks: Sequence[Generator], seed: int) -> Iterator[Question]:
    mix = Mix(weights=config.weights, levels=config.levels, chinese=config.chinese, straight=0.0)
    seen: set[str] = set()
    most = config.count * STREAM_PER_QUESTION
    for example in make_examples(tasks, mix=mix, split="train", seed=seed, count=most):
        question = _question(example)
        if question.key not in seen:
            seen.add(question.key)
            yield question


def _question(example: Example) -> Question:
    return Question(key=f"{example.family}: {example.problem}", example=example)


def read_questions(path: Path) -> list[Question]:
    """ConfigError names file and line of what is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    found: dict[str, Question] = {}
    for number, text in enumerate(lines, start=1):
        if text.strip():
            question = _read(text, f"{path}:{number}")
            found.setdefault(question.key, question)
    if not found:
        raise ConfigError(f"{path}: no questions there")
    return list(found.values())


def _read(text: str, place: str) -> Question:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{place}: not valid JSON: {error.msg}") from None
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: expected a JSON object, got a {type(row).__name__}")
    if unknown := row.keys() - KEYS - {"response"}:
        raise ConfigError(f"{place}: unknown key {min(unknown)!r}; use {', '.join(sorted(KEYS))}")
    for name in ("task", "answer"):
        if not isinstance(row.get(name), str):
            raise ConfigError(f'{place}: "{name}" must be a string')
    prompt = _prompt(row.get("prompt"), place)
    level, language = row.get("level"), row.get("language") or "en"
    if (level is not None and level not in LEVELS) or language not in LANGUAGES:
        raise ConfigError(f"{place}: level {level!r} or language {language!r} is unknown")
    return _question(
        Example(
            family=row["task"],
            level=level,
            language=language,
            problem="\n".join(message.content for message in prompt),
            messages=(*prompt, _gold(row.get("gold"), place)),
            answer=row["answer"],
        )
    )


def _prompt(given: Any, place: str) -> tuple[Message, ...]:
    if isinstance(given, str) and given.strip():
        return (Message(role="user", content=given),)
    if not isinstance(given, list) or not given:
        raise ConfigError(f'{place}: "prompt" must be a text or a list of messages')
    # Read as a conversation, which has to have an answer.
    answered = {"messages": [*given, {"role": "assistant", "content": ""}]}
    return read_conversation(answered, place).messages[:-1]


def _gold(given: Any, place: str) -> Message:
    """What is known of it; an empty answer where nothing is."""
    row = given if isinstance(given, dict) else {"content": given or ""}
    answered = {"messages": [{**row, "role": "assistant"}]}
    return read_conversation(answered, place).messages[0]
