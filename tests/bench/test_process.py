"""naga.bench.process: a worker answers, fails in one line, stands still when parked, and ends."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from naga.bench import process
from naga.bench.process import Worker, open_worker
from naga.bench.rounds import Case
from naga.bench.sequences import InferenceSide, RemoteSequences
from naga.config.base import ConfigError

ENGINE = """
import os, sys, threading, time

print("clutter on standard output")


class Engine:
    def __init__(self, fail=False):
        if fail:
            raise ValueError("no such model\\nat all")
        self.calls, self.count = [], 0
        threading.Thread(target=self.spin, daemon=True).start()

    def spin(self):
        while True:
            self.count += 1
            time.sleep(0.001)

    def counted(self):
        return self.count

    def start(self, prompts, new_tokens):
        print("more clutter")
        self.calls.append(["start", len(prompts), new_tokens])
        return 0.5

    def advance(self, steps):
        self.calls.append(["advance", steps])
        return 0.25

    def stop(self):
        self.calls.append(["stop"])

    def log(self):
        return self.calls

    def die(self):
        print("ran out of luck", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)

    def hang_at_the_end(self):
        threading.Thread(target=time.sleep, args=(60,)).start()


open_sequences = Engine
"""


@pytest.fixture(autouse=True)
def fake_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_engine.py").write_text(ENGINE, encoding="utf-8")
    (tmp_path / "needs_more.py").write_text("import not_installed", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def worker() -> Iterator[Worker]:
    with open_worker("fake", Path(sys.executable), "fake_engine", 1) as found:
        assert found.ask("open") >= 0, "seconds of importing"
        yield found


def test_calls_are_answered_whatever_is_printed(worker: Worker) -> None:
    assert worker.ask("start", prompts=[[1, 2]], new_tokens=3) == 0.5
    assert worker.ask("log") == [["start", 1, 3]]


def test_a_parked_worker_stands_still(worker: Worker) -> None:
    before = worker.ask("counted")
    time.sleep(0.3)
    assert worker.ask("counted") - before < 50, "awake it counts to about 250"


def test_memory_is_told(worker: Worker) -> None:
    assert 1_000_000 < worker.private_bytes() < 1_000_000_000


@pytest.mark.parametrize("call", ["nothing", "start"])
def test_a_failed_call_is_one_line_and_the_worker_goes_on(worker: Worker, call: str) -> None:
    with pytest.raises(ConfigError, match=r"^fake failed: (AttributeError|TypeError): .*"):
        worker.ask(call)
    assert worker.ask("log") == []


def test_an_engine_that_does_not_open_says_why() -> None:
    with (
        open_worker("fake", Path(sys.executable), "fake_engine", 1) as worker,
        pytest.raises(ConfigError, match="fake failed: ValueError: no such model"),
    ):
        worker.ask("open", fail=True)


def test_a_missing_package_is_named() -> None:
    with (
        open_worker("fake", Path(sys.executable), "needs_more", 1) as worker,
        pytest.raises(ConfigError, match="fake: its environment has no package not_installed"),
    ):
        worker.ask("open")


def test_a_worker_that_dies_leaves_its_last_words(worker: Worker) -> None:
    with pytest.raises(ConfigError, match="fake ended: ran out of luck"):
        worker.ask("die")
    with pytest.raises(ConfigError, match="fake ended: ran out of luck"):
        worker.ask("log")


def test_a_worker_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.2)
    with open_worker("fake", Path(sys.executable), "fake_engine", 1) as worker:
        worker.ask("open")
        worker.ask("hang_at_the_end")
        number = worker._process.pid
    assert not Path(f"/proc/{number}").exists()


def calls_of(worker: Worker, cases: list[Case], rounds: int) -> list[list[object]]:
    side = InferenceSide(RemoteSequences(worker), rounds)
    for case in cases:
        tokens = case.draw(np.random.default_rng(0), 9)
        side.seconds(case, tokens)
    log: list[list[object]] = worker.ask("log")
    return log


def test_short_sequences_are_new_in_every_round(worker: Worker) -> None:
    case = Case(work="decode", batch=2, context=4, new_tokens=8)
    round_ = [["start", 2, 8], ["advance", 8], ["stop"]]
    assert calls_of(worker, [case, case], 5) == round_ * 2


def test_long_ones_go_on_until_another_case_comes(worker: Worker) -> None:
    long = Case(work="decode", batch=1, context=4, new_tokens=8, continued=True)
    prefill = Case(work="prefill", batch=1, context=4)
    assert calls_of(worker, [long, long, prefill], 5) == [
        *(["start", 1, 40], ["advance", 8], ["advance", 8]),
        *(["stop"], ["start", 1, 0], ["stop"]),
    ]
