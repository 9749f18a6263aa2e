"""The child: right both ways, killed when it must be, and never blamed on the wrong one."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from naga.config.base import ConfigError
from naga.verify import symbolic
from naga.verify.symbolic import Limits, Pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(size=1) as made:
        yield made


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
        ("x^2+2x+1", "(x+1)^2"),
        ("1,2", "2,1"),
        ("2x-y+3=0", "y=2x+3"),
        (r"(-\infty,3)", "x<3"),
    ],
)
def test_equal_both_ways(pool: Pool, gold: str, answer: str) -> None:
    assert pool.compare(gold, answer).status == "equal"
    assert pool.compare(answer, gold).status == "equal"


@pytest.mark.parametrize("answer", ["x^2+2x", "x^2+2y+1", "5", "(1,2)"])
def test_different(pool: Pool, answer: str) -> None:
    assert pool.compare("x^2+2x+1", answer).status == "different"
    assert pool.compare(answer, "x^2+2x+1").status == "different"


def test_an_endless_answer_is_refused_and_the_next_one_judged(pool: Pool) -> None:
    bomb = pool.compare("5", "9^{9^{9^9}}")
    assert (bomb.status, bomb.reason) == ("refused", "comparing the answer is out of time")
    assert pool.compare(r"\sqrt{8}", r"2\sqrt{2}").status == "equal"


def test_an_endless_gold_is_missing_and_not_the_answers_fault(pool: Pool) -> None:
    found = pool.compare("9^{9^{9^9}}", "5")
    assert (found.status, found.reason) == ("missing", "the gold answer: out of time")


def test_what_cannot_be_parsed(pool: Pool) -> None:
    assert pool.compare("5", r"\frac{").status == "refused"
    assert pool.compare(r"\frac{", "5").status == "missing"


def test_memory_processes_and_files_are_bounded(tmp_path: Path) -> None:
    """What a comparison could not do even if it ran code."""
    attempt = """
import runpy, os
child = runpy.run_path({child!r}, run_name="not main")
child["limit"](5.0, 1 << 30)
for name, act in dict(
    memory=lambda: bytearray(1 << 31), fork=os.fork, file=lambda: open({file!r}, "w").write("x")
).items():
    try:
        act()
        print(name, "passed")
    except (MemoryError, OSError) as error:
        print(name, type(error).__name__)
"""
    written = tmp_path / "file"
    source = attempt.format(child=symbolic.CHILD[-1], file=str(written))
    command = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", source]
    if os.geteuid() != 0:
        command = command[3:]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "passed" not in done.stdout, done
    assert "memory MemoryError" in done.stdout, done


def test_a_child_that_dies_or_hangs_is_replaced_and_nobodys_fault() -> None:
    ready = 'print(\'{"outcome": "ready"}\', flush=True)'
    dies = (sys.executable, "-c", f"{ready}; input()")
    hangs = (sys.executable, "-c", f"{ready}; import time; time.sleep(60)")
    for command, reason in ((dies, "the child has died"), (hangs, "the child does not reply")):
        with Pool(size=1, limits=Limits(wall_s=-4.5), command=command) as broken:
            for _ in range(2):
                found = broken.compare("1", "2")
                assert (found.status, found.reason) == ("missing", reason)


def test_a_child_that_does_not_start_is_missing() -> None:
    for command, reason in ((("echo", "no"), "does not speak JSON"), (("true",), "has died")):
        with Pool(size=1, command=command) as broken:
            found = broken.compare("1", "2")
            assert (found.status, found.reason) == ("missing", f"the child {reason}")


EQUAL_ALWAYS = """
import sys
print('{"outcome": "ready"}', flush=True)
for line in sys.stdin:
    print('{"outcome": "equal", "fault": "answer"}', flush=True)
"""


def test_the_cache_is_bounded() -> None:
    with Pool(size=1, cache_size=3, command=(sys.executable, "-c", EQUAL_ALWAYS)) as counted:
        for number in range(10):
            assert counted.compare("1", str(number)).status == "equal"
        assert len(counted._cache) == 3


def test_threads_share_the_children() -> None:
    wrong: list[str] = []
    with Pool(size=2) as shared:

        def work(number: int) -> None:
            for step in range(3):
                if shared.compare(f"x+{number}", f"{number}+x").status != "equal":
                    wrong.append(f"{number} {step}")
                if shared.compare(f"x+{number}", f"{number + 1}+x").status != "different":
                    wrong.append(f"not {number} {step}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_without_math_verify_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install 'naga-lm\\[rl\\]'"):
        symbolic.require_math_verify()
