"""samples.jsonl: every answer with what judging it again needs, kept as it comes.

A row has what `naga reward score` reads (task, prompt, answer, gold, response) and the verdict.
Rows are appended and put on the disk one by one, under a key of the model's identity, the question
and the number of the answer, so an interrupted evaluation goes on where it was; of two rows with
one key the later counts. A last line without its end, which a kill leaves, is cut off. One process
writes a file at a time.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from threading import Lock
from typing import Literal

from pydantic import ValidationError

from naga.config.base import Config, ConfigError
from naga.data.chat import Message
from naga.eval.answers import Answer
from naga.tasks.example import Example, Language, Level, Verdict


class Turn(Config):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    reasoning: str = ""


class Cell(Config):
    """Of a grid over long texts."""

    length: int
    """Characters."""
    depth: float
    """0: what is looked for stands at the beginning, 1: at the end."""


class Sample(Config):
    """One question, what was answered and how it was judged."""

    key: str
    model: str
    task: str
    level: Level | None
    language: Language
    problem: str
    question: str
    """A hash of prompt and answer: all answers to one problem have the same."""
    number: int
    """Of the answer, from 0."""
    cell: Cell | None = None
    prompt: tuple[Turn, ...]
    answer: str
    """All that the grader needs beside the prompt."""
    gold: str
    response: str
    """Of a dialogue the last one."""
    reasoning: str
    turns: tuple[Turn, ...] = ()
    """Of a dialogue all that followed the prompt."""
    finish_reason: str
    completion_tokens: int | None
    error: str = ""
    """Why there is no answer."""
    score: float | None
    """None: no answer, or none that could be judged."""
    parts: dict[str, float]
    matched_by: str = ""
    reason: str = ""


def question_of(example: Example) -> str:
    turns = [[message.role, message.content] for message in example.prompt]
    text = json.dumps([example.family, turns, example.answer], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def key_of(identity: str, question: str, thinking: bool, number: int) -> str:
    text = json.dumps([identity, question, thinking, number], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_sample(
    key: str,
    identity: str,
    example: Example,
    number: int,
    cell: Cell | None,
    answer: Answer,
    verdict: Verdict,
    turns: tuple[Turn, ...] = (),
) -> Sample:
    return Sample(
        key=key,
        model=identity,
        task=example.family,
        level=example.level,
        language=example.language,
        problem=example.problem,
        question=question_of(example),
        number=number,
        cell=cell,
        prompt=tuple(turn_of(message) for message in example.prompt),
        answer=example.answer,
        gold=example.messages[-1].content,
        response=answer.content,
        reasoning=answer.reasoning,
        turns=turns,
        finish_reason=answer.finish_reason,
        completion_tokens=answer.completion_tokens,
        error=answer.error,
        score=verdict.score,
        parts=dict(verdict.parts),
        matched_by=verdict.matched_by,
        reason=verdict.reason,
    )


def turn_of(message: Message) -> Turn:
    return Turn.model_validate(
        {"role": message.role, "content": message.content, "reasoning": message.reasoning}
    )


def example_of(sample: Sample) -> Example:
    """What a grader needs, out of a row."""
    turns = (*sample.prompt, Turn(role="assistant", content=sample.gold))
    messages = tuple(
        Message(role=turn.role, content=turn.content, reasoning=turn.reasoning) for turn in turns
    )
    return Example(
        family=sample.task,
        level=sample.level,
        language=sample.language,
        problem=sample.problem,
        messages=messages,
        answer=sample.answer,
    )


class Store:
    """The answers there are, and a file to keep new ones in, if any; threads may share it."""

    def __init__(self, known: Mapping[str, Sample], file: BufferedRandom | None) -> None:
        self._known, self._file, self._lock = dict(known), file, Lock()

    def get(self, key: str) -> Sample | None:
        """An answer that came; one that is missing is asked for again."""
        found = self._known.get(key)
        return None if found is None or found.error else found

    def add(self, sample: Sample) -> None:
        with self._lock:
            self._known[sample.key] = sample
            if self._file is not None:
                self._file.write(sample.model_dump_json().encode() + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())


@contextmanager
def open_store(path: Path | None) -> Iterator[Store]:
    """The samples of a file, made if it is not there; None: kept in memory alone."""
    if path is None:
        yield Store({}, None)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{path}: another evaluation is writing it") from None
        yield Store(_read(path, file), file)


def _read(path: Path, file: BufferedRandom) -> dict[str, Sample]:
    known: dict[str, Sample] = {}
    file.seek(0)
    whole = 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            file.truncate(whole)
            break
        whole += len(line)
        try:
            sample = Sample.model_validate_json(line)
        except ValidationError:
            raise ConfigError(f"{path}:{number}: no sample; give another file") from None
        known[sample.key] = sample
    file.seek(0, os.SEEK_END)
    return known
