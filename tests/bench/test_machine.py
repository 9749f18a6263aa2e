"""naga.bench.machine: what is told of the machine."""

import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import torch

from naga.bench.machine import commit, cpu_model, describe_machine


def test_the_processor_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some CPU: 9 GHz\nmodel name\t: Other\n")
    assert cpu_model(file) == "Some CPU: 9 GHz"


def test_without_a_name_it_is_the_architecture(tmp_path: Path) -> None:
    assert cpu_model(tmp_path / "missing") == platform.machine()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_is_that_of_the_tree_that_tracks_the_file(tmp_path: Path) -> None:
    file, other = tmp_path / "a.py", tmp_path / "untracked.py"
    assert commit(file) is None
    git(tmp_path, "init", "--quiet")
    for path in (file, other):
        path.write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    head = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert commit(file) == head
    assert commit(other) is None
    file.write_text("2")
    assert commit(file) == f"{head}+"


def test_a_machine_under_load_says_so() -> None:
    machine = describe_machine(2)
    assert (machine.threads, machine.torch) == (2, torch.__version__)
    quiet, busy = (replace(machine, cores=4, load_at_start=load) for load in (1.0, 3.0))
    assert not quiet.busy and busy.busy
    assert "load 3.0 on 4 cores" in busy.warning
