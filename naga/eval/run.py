"""Ask problems of anything that answers, grade the replies, and report.

Every problem is asked `samples` times. As many threads ask as the answerer takes; each answer is
kept as soon as it is judged, so an evaluation that is interrupted and begun again asks only what is
left, and reports the same. An answer that fails is missing: counted, never wrong. If all fail, that
is an error.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from naga.config.base import ConfigError
from naga.eval.answers import Answerer
from naga.eval.items import Item, family_items
from naga.eval.play import Judge, play
from naga.eval.report import Report, TaskReport
from naga.eval.samples import Sample, Store, key_of, make_sample, question_of
from naga.tasks import Example, Generator, Level, Split
from naga.tasks.contamination import Contamination, find_contamination, prompt_hash


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How problems are asked."""

    model: str
    """As the report names it."""
    split: Split = "heldout"
    seed: int = 0
    thinking: bool = True
    samples: int = 1
    """Answers to each problem."""
    training_files: tuple[Path, ...] = ()
    """In which the problems are looked for."""
    settings: tuple[tuple[str, str], ...] = ()
    """What else the report says of how it was done, by name."""
    judge: Judge | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class _Job:
    item: Item
    example: Example
    number: int


def evaluate(
    answerer: Answerer,
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
    """Every family at every level, `count` problems each, answered once."""
    items = family_items(
        tasks,
        levels=levels,
        count=count,
        seed=seed,
        split=split,
        thinking=thinking,
        chinese=chinese,
    )
    plan = Plan(model=model, split=split, seed=seed, thinking=thinking)
    return evaluate_items(answerer, items, plan)


def evaluate_items(
    answerer: Answerer,
    items: Sequence[Item],
    plan: Plan,
    store: Store | None = None,
    finished: Callable[[], None] = lambda: None,
) -> Report:
    """`finished` is called after each answer; ConfigError if none came."""
    examples = [example for item in items for example in item.examples]
    if not examples:
        raise ConfigError("nothing to ask: no task and no file has a problem")
    contamination = _looked_for(examples, plan.training_files)
    jobs = [
        _Job(item=item, example=example, number=number)
        for item in items
        for example in item.examples
        for number in range(plan.samples)
    ]
    samples = _ask_all(answerer, jobs, plan, store or Store({}, None), finished)
    if all(sample.error for sample in samples):
        raise ConfigError(f"no answer came; the first reason: {samples[0].error}")
    rest = iter(samples)
    reports = [
        TaskReport(
            task=item.task.name,
            level=item.level,
            cell=item.cell,
            samples=tuple(next(rest) for _ in range(len(item.examples) * plan.samples)),
        )
        for item in items
    ]
    return Report(
        model=plan.model,
        split=plan.split,
        seed=plan.seed,
        thinking=plan.thinking,
        num_samples=plan.samples,
        settings=plan.settings,
        prompt_hash=prompt_hash(examples),
        tasks=tuple(reports),
        contamination=contamination,
        questions=tuple(question_of(example) for example in examples),
    )


def _looked_for(examples: Sequence[Example], files: Sequence[Path]) -> Contamination | None:
    return find_contamination(examples, files) if files else None


def _ask_all(
    answerer: Answerer,
    jobs: Sequence[_Job],
    plan: Plan,
    store: Store,
    finished: Callable[[], None],
) -> list[Sample]:
    """In the order of the jobs."""

    def work(job: _Job) -> Sample:
        sample = _ask(answerer, job, plan, store)
        finished()
        return sample

    threads = ThreadPoolExecutor(answerer.concurrency, thread_name_prefix="asking")
    try:
        futures = [threads.submit(work, job) for job in jobs]
        return [future.result() for future in futures]
    finally:
        threads.shutdown(cancel_futures=True)


def _ask(answerer: Answerer, job: _Job, plan: Plan, store: Store) -> Sample:
    question = question_of(job.example)
    key = key_of(answerer.identity, question, plan.thinking, job.number)
    known = store.get(key)
    if known is not None and known.score is None and not known.turns:
        known = _again(job, known, store)
    if known is not None and (known.score is not None or plan.judge is None):
        return known.model_copy(update={"cell": job.item.cell})
    answer, verdict, turns = play(
        answerer,
        job.item.task,
        job.example,
        thinking=plan.thinking,
        number=job.number,
        judge=plan.judge,
    )
    sample = make_sample(
        key,
        answerer.identity,
        job.example,
        job.number,
        job.item.cell,
        answer,
        verdict,
        turns,
    )
    store.add(sample)
    return sample


def _again(job: _Job, known: Sample, store: Store) -> Sample:
    """What could not be judged may be now, as with a sandbox that was not there."""
    verdict = job.item.task.grade(job.example, known.response)
    sample = known.model_copy(
        update={
            "score": verdict.score,
            "parts": dict(verdict.parts),
            "matched_by": verdict.matched_by,
            "reason": verdict.reason,
        }
    )
    if sample != known:
        store.add(sample)
    return sample
