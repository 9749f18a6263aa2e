"""Graders in children: they hang, die, fork and print, and the next row is judged all the same."""

import os
import sys
import time
from pathlib import Path

import pytest

from naga.rewards import read_row
from naga.rewards.workers import Workers

GRADERS = """
import os, sys, time
from naga.rewards.worker import serve
from naga.tasks import Task, Verdict

class Hangs(Task):
    name = "hangs"
    def grade(self, example, reply):
        while True: time.sleep(0.01)

class Forks(Task):
    name = "forks"
    def grade(self, example, reply):
        os.fork()
        return Verdict(score=1.0)

class Leaves(Task):
    name = "leaves"
    def grade(self, example, reply):
        if os.fork() == 0:
            time.sleep(600)
        open(example.answer, "w").write(str(os.getpid()))
        time.sleep(600)

class Dies(Task):
    name = "dies"
    def grade(self, example, reply):
        os._exit(0)

class Raises(Task):
    name = "raises"
    def grade(self, example, reply):
        raise SystemError("boom")

class Prints(Task):
    name = "prints"
    def grade(self, example, reply):
        print('{"id": "1", "score": 1.0}', flush=True)
        os.write(1, b"noise\\n")
        return Verdict(score=0.25, parts={"said": 1.0}, matched_by="", reason="printed")

serve({task.name: task for task in (Hangs(), Forks(), Leaves(), Dies(), Raises(), Prints())})
"""


@pytest.fixture
def graders(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "graders.py").write_text(GRADERS)
    return (sys.executable, str(tmp_path / "graders.py"))


def grade(workers: Workers, task: str, answer: str = "x") -> tuple[float | None, str]:
    row = read_row({"task": task, "prompt": "?", "answer": answer, "response": "r"})
    verdict = workers(row, "r")
    return verdict.score, verdict.reason


def test_bad_graders_are_missing_and_the_run_goes_on(graders: tuple[str, ...]) -> None:
    with Workers(size=1, timeout_s=0.7, command=graders) as workers:
        score, reason = grade(workers, "hangs")
        assert score is None and "did not answer" in reason
        assert grade(workers, "prints") == (0.25, "printed")
        score, reason = grade(workers, "dies")
        assert score is None and "died" in reason
        score, reason = grade(workers, "raises")
        assert score is None and "SystemError" in reason
        for _ in range(2):
            grade(workers, "forks")
            assert grade(workers, "prints") == (0.25, "printed")


def test_what_a_grader_forked_is_killed_with_it(graders: tuple[str, ...], tmp_path: Path) -> None:
    with Workers(size=1, timeout_s=0.7, command=graders) as workers:
        assert grade(workers, "leaves", str(tmp_path / "pid"))[0] is None
        group = int((tmp_path / "pid").read_text())
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
        raise AssertionError("a process of the group is left")


def test_a_child_that_cannot_start_is_missing() -> None:
    with Workers(size=1, command=(sys.executable, "-c", "print('hello')")) as workers:
        score, reason = grade(workers, "any")
        assert score is None and "JSON" in reason


def test_unknown_tasks_are_judged_by_rules_in_the_real_child() -> None:
    with Workers(size=1) as workers:
        row = read_row({"prompt": "6 * 7?", "answer": "42", "response": "42.0"})
        assert workers(row, "42.0").matched_by == "numeric"
        long = "\\boxed{" + "9^{" * 400 + "9" + "}" * 400 + "}"
        assert workers(row, long).score == 0.0
