"""naga bench load: every try is a process of its own, and its importing is told."""

import os
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from naga.bench.engines import Opening
from naga.bench.limits import NAGA_BITS
from naga.bench.loading import LoadReport, rows_of, try_all
from naga.bench.rounds import Name

ENGINE = """
import os, time

time.sleep(0.05)


class Engine:
    def __init__(self, notes, delay):
        self.notes, self.delay = notes, delay

    def start(self, prompts, new_tokens):
        with open(self.notes, "a") as file:
            file.write(f"{os.getpid()} {len(prompts[0])}\\n")
        time.sleep(self.delay)
        return self.delay


open_sequences = Engine
"""


def test_every_try_is_a_fresh_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_engine.py").write_text(ENGINE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    notes = tmp_path / "notes"
    openings = [
        Opening(
            name=Name(engine=engine, version="1", precision="bf16"),
            python=Path(sys.executable),
            module="fake_engine",
            arguments={"notes": str(notes), "delay": delay},
            bits=NAGA_BITS["bf16"],
        )
        for engine, delay in (("naga", 0.0), ("slow", 1.0))
    ]
    tries = try_all(openings, 50, rounds=1, threads=1, console=Console(file=StringIO()))
    lines = notes.read_text(encoding="utf-8").splitlines()
    assert len({line.split()[0] for line in lines}) == 4, "warm-up and round of two"
    assert str(os.getpid()) not in {line.split()[0] for line in lines}
    assert {line.split()[1] for line in lines} == {"16"}
    ours, slow = rows_of(tries)
    assert (ours.engine, ours.ratio, slow.engine) == ("naga", 1, "slow")
    assert 0.05 < ours.importing < ours.seconds and slow.seconds > 1
    assert slow.ratio == slow.seconds / ours.seconds
    report = LoadReport(model="m", command="naga bench load", rows=(ours, slow))
    assert '"schema": "naga.bench.load.1"' in report.to_json()
    console = Console(file=StringIO(), width=100)
    console.print(report.table())
    assert isinstance(console.file, StringIO)
    assert f"{slow.seconds:.2f}" in console.file.getvalue()
