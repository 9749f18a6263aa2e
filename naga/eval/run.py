"""Ask tasks of anything that answers, and grade the replies.

What answers is a function from examples to answers, so the engine of this process, a server or a
test's stand-in are evaluated alike. Every problem is asked once: repeats of the stream are skipped.
An answer that fails in the engine fails the evaluation: it is missing, not wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from naga.config.base import ConfigError
from naga.engine.chat import chat_request, complete_all
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.eval.report import Report, Sample, TaskReport
from naga.tasks import Example, Generator, Level, Mix, Split, make_examples

STREAM_PER_PROBLEM = 50


@dataclass(frozen=True, kw_only=True)
class Answer:
    content: str
    reasoning: str
    finish_reason: str
    completion_tokens: int


Answerer = Callable[[Sequence[Example]], Sequence[Answer]]


def engine_answerer(
    engine: Engine, sampling: SamplingParams, finished: Callable[[], None] = lambda: None
) -> Answerer:
    """Answers by the engine, as many at once as it runs; thinks where the gold answer does.

    `finished` is called after each answer.
    """

    def answer(examples: Sequence[Example]) -> list[Answer]:
        requests = [
            chat_request(
                engine.tokenizer,
                example.prompt,
                sampling,
                enable_thinking=bool(example.reasoning),
            )
            for example in examples
        ]
        replies = complete_all(engine, requests, finished)
        for reply in replies:
            if reply.finish_reason in ("error", "cancelled"):
                raise RuntimeError(f"a request ended as {reply.finish_reason}: {reply.error}")
        return [
            Answer(
                content=reply.text,
                reasoning=reply.reasoning,
                finish_reason=reply.finish_reason,
                completion_tokens=reply.usage.completion_tokens,
            )
            for reply in replies
        ]

    return answer


def evaluate(
    answer: Answerer,
    tasks: Sequence[Generator],
    *,
    model: str,
    levels: Sequence[Level],
    count: int,
    seed: int,
    split: Split = "heldout",
    thinking: bool = True,
    chinese: float = 0.3,
) -> Report:
    """Every task at every level, `count` problems each.

    thinking False asks for straight answers; ConfigError names a task that has none.
    """
    reports = []
    for task in tasks:
        for level in levels:
            straight = 0.0 if thinking else 1.0
            mix = Mix(levels=(level,), chinese=chinese, straight=straight)
            reports.append(
                evaluate_task(answer, task, mix=mix, count=count, seed=seed, split=split)
            )
    return Report(model=model, split=split, seed=seed, thinking=thinking, tasks=tuple(reports))


def evaluate_task(
    answer: Answerer, task: Generator, *, mix: Mix, count: int, seed: int, split: Split
) -> TaskReport:
    """`count` different problems of one task at the one level of `mix`."""
    if not task.scored:
        raise ConfigError(f"task {task.name!r}: has no right and wrong answers; leave it out")
    if mix.straight and not task.straight:
        raise ConfigError(f"task {task.name!r}: has no straight answers; leave thinking on")
    (level,) = mix.levels
    examples = list(islice(_distinct(task, mix, split, seed, count), count))
    if len(examples) < count:
        raise ConfigError(f"task {task.name!r}: has only {len(examples)} problems; lower the count")
    answers = answer(examples)
    samples = tuple(
        _sample(task, example, given) for example, given in zip(examples, answers, strict=True)
    )
    return TaskReport(task=task.name, level=level, samples=samples)


def _distinct(task: Generator, mix: Mix, split: Split, seed: int, count: int) -> Iterator[Example]:
    """The stream without examples whose problem came before."""
    seen: set[str] = set()
    most = count * STREAM_PER_PROBLEM
    for example in make_examples([task], mix=mix, split=split, seed=seed, count=most):
        if example.problem not in seen:
            seen.add(example.problem)
            yield example


def _sample(task: Generator, example: Example, given: Answer) -> Sample:
    verdict = task.grade(example, given.content)
    if verdict.score is None:
        raise RuntimeError(f"task {task.name!r}: an answer was not judged: {verdict.reason}")
    return Sample(
        task=task.name,
        level=example.level,
        language=example.language,
        question="\n\n".join(message.content for message in example.prompt),
        expected=example.answer,
        content=given.content,
        reasoning=given.reasoning,
        finish_reason=given.finish_reason,
        completion_tokens=given.completion_tokens,
        score=verdict.score,
        parts=verdict.parts,
    )
