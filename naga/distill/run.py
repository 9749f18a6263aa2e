"""One distillation: questions, quick answers, slow ones, the mix; each stage resumable.

    questions.jsonl      what is asked
    quick.jsonl          the short model's answers, graded
    slow.jsonl           the slow teacher's, where those were not good enough
    rewritten.jsonl      the same in the short style, if somebody rewrites
    conversations.jsonl  what `naga sft` learns from
    report.json          what was found

A run found in run_dir goes on where it was killed: no answer is asked for twice. Another config is
refused there, but for [mix], which is made anew each time. What could not be judged is left out
and counted; a teacher that nobody answers for stops the run, which goes on once it does.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from naga.config.distill import AnswererConfig, DistillConfig, MixConfig, SharesConfig
from naga.disk import write_atomic
from naga.distill.ask import OnDemand
from naga.distill.mix import mix
from naga.distill.questions import MakeTasks, make_questions
from naga.distill.quick import answer_quickly
from naga.distill.report import DistillReport, make_report
from naga.distill.rows import read_question, read_quick, read_rows, read_slow, to_row
from naga.distill.samples import make_samples
from naga.distill.slow import Case, gold_traces, make_cases, pursue, rewrite
from naga.distill.stage import Row, Stage
from naga.distill.types import Question, Quick, Slow
from naga.record import METRICS_FILE, hold_run
from naga.tasks import Task, make_tasks
from naga.train.progress import counter, say

ItemT = TypeVar("ItemT")
AT_ONCE = 4
"""Answers asked for in one go, as a multiple of those under way at once."""
GOLD_AT_ONCE = 256
FREE_KEYS = frozenset(
    {"run_dir"}
    | {f"mix.{name}" for name in MixConfig.model_fields}
    | {f"mix.shares.{name}" for name in SharesConfig.model_fields}
)


def distill(
    config: DistillConfig, *, make: MakeTasks = make_tasks, console: Console | None = None
) -> Path:
    """Run, or resume, what is in config.run_dir; returns its conversations.jsonl.

    `make` finds the task families by name. ConfigError names what is wrong, and what to do.
    """
    console = console or Console(stderr=True)
    with hold_run(config.run_dir, config, FREE_KEYS):
        questions = _questions(config, make)
        tasks = {task.name: task for task in make(_families(questions))}
        # From here on the directory belongs to this config (hold_run looks for a row).
        write_atomic(config.run_dir / METRICS_FILE, json.dumps({"stage": "questions"}) + "\n")
        quick = _quick(config, tasks, questions, console)
        cases = make_cases(config, questions, quick)
        slow = _slow(config, tasks, cases, console)
        slow = _rewritten(config, tasks, cases, slow, console)
        samples = make_samples(config, questions, quick, slow)
        mixed = mix(samples, config.mix, config.seed)
        output = config.run_dir / "conversations.jsonl"
        write_atomic(output, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in mixed.rows))
        report = make_report(config, questions, quick, slow, samples, mixed)
        text = json.dumps(report.as_dict(), ensure_ascii=False, indent=1)
        write_atomic(config.run_dir / "report.json", text + "\n")
        _tell(console, report, output)
        return output


def _families(questions: Sequence[Question]) -> list[str]:
    return sorted({question.example.family for question in questions})


def _questions(config: DistillConfig, make: MakeTasks) -> list[Question]:
    stage = Stage(config.run_dir, "questions")
    if not stage.done:
        stage.write(map(to_row, make_questions(config.questions, make, config.seed)))
    return read_rows(stage.rows(), read_question, str(stage.path))


def _quick(
    config: DistillConfig,
    tasks: Mapping[str, Task],
    questions: Sequence[Question],
    console: Console,
) -> list[Quick]:
    who = config.short.answerer
    with OnDemand(who, config.device) as answerer:

        def work(batch: Sequence[Question]) -> list[Quick]:
            return answer_quickly(config, tasks, answerer, batch)

        rows = _complete(
            Stage(config.run_dir, "quick"),
            questions,
            lambda question: question.key,
            work,
            _at_once(who, config.short.samples),
            _Watch(console=console, verb="answering at once"),
        )
    return read_rows(rows, read_quick, "quick.jsonl")


def _slow(
    config: DistillConfig, tasks: Mapping[str, Task], cases: Sequence[Case], console: Console
) -> list[Slow]:
    stage, watch = Stage(config.run_dir, "slow"), _Watch(console=console, verb="thinking")
    if config.slow.answerer is None:

        def copy(batch: Sequence[Case]) -> list[Slow]:
            return gold_traces(config, tasks, batch)

        rows = _complete(stage, cases, _case_key, copy, GOLD_AT_ONCE, watch)
    else:
        who = config.slow.answerer
        with OnDemand(who, config.device) as answerer:

            def work(batch: Sequence[Case]) -> list[Slow]:
                return pursue(config, tasks, answerer, batch)

            rows = _complete(stage, cases, _case_key, work, _at_once(who), watch)
    return read_rows(rows, read_slow, "slow.jsonl")


def _rewritten(
    config: DistillConfig,
    tasks: Mapping[str, Task],
    cases: Sequence[Case],
    found: Sequence[Slow],
    console: Console,
) -> list[Slow]:
    who = config.rewriter
    if who is None:
        return list(found)
    by_key = {slow.key: slow for slow in found}
    with OnDemand(who, config.device) as answerer:

        def work(batch: Sequence[Case]) -> list[Slow]:
            slow = [by_key[_case_key(case)] for case in batch]
            return rewrite(config, tasks, answerer, batch, slow)

        stage = Stage(config.run_dir, "rewritten")
        watch = _Watch(console=console, verb="rewriting")
        rows = _complete(stage, cases, _case_key, work, _at_once(who), watch)
    return read_rows(rows, read_slow, "rewritten.jsonl")


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """Where progress is shown, and as what."""

    console: Console
    verb: str


def _complete(
    stage: Stage,
    items: Sequence[ItemT],
    key: Callable[[ItemT], str],
    work: Callable[[Sequence[ItemT]], Sequence[Quick] | Sequence[Slow]],
    at_once: int,
    watch: _Watch,
) -> list[Row]:
    with counter("questions", watch.console, verb=watch.verb, total=len(items)) as advance:

        def finished(count: int) -> None:
            for _ in range(count):
                advance()

        return stage.complete(
            items, key, lambda batch: list(map(to_row, work(batch))), at_once=at_once,
            advance=finished,
        )  # fmt: skip


def _case_key(case: Case) -> str:
    return case.question.key


def _at_once(who: AnswererConfig, answers: int = 1) -> int:
    """Questions in one go: enough to keep the answerer busy, few enough to lose little."""
    return max(1, AT_ONCE * who.max_running // answers)


def _tell(console: Console, report: DistillReport, output: Path) -> None:
    console.print(report.table())
    if report.alarm:
        say(console, f"warning: {report.alarm}")
    missing = report.quick_missing + report.slow_missing
    if missing:
        say(console, f"{missing} answers could not be judged and are left out")
    rows = ", ".join(f"{count} {kind}" for kind, count in report.rows.items() if count)
    say(console, f"done: {output}: {rows}; learn from it with naga sft")
