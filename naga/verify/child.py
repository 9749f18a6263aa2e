"""The process that compares two expressions with math-verify; started by `symbolic.Pool`.

One line of JSON in, one line of JSON out. It imports math-verify once and forks for each request:
the fork has its own limits on processor time and memory and is thrown away, so no answer can slow
or spoil the next. Runs as a plain script (`python -I child.py`), imports nothing of naga, and
needs no file but itself, so that it can be started inside a sandbox. What is expensive is refused
before it gets here (guard.py); this is the net below.
"""

import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any, Literal

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

Outcome = Literal[
    "equal", "different", "answer unparsable", "gold unparsable", "out of time", "out of memory"
]

GOLD_READ = b"G"
WARM = (
    (r"\frac{1}{2}", r"0.5"),
    (r"x^2+2x+1", r"(x+1)^{2}"),
    (r"\sqrt{2}+\pi", r"\pi+\sqrt2"),
    (r"\sin x\cos y", r"\cos y\sin x"),
    (r"\log_{2} 8", "3"),
    (r"(-\infty,3]\cup[5,7)", r"[5,7)\cup(-\infty,3]"),
    (r"\{1,2\}", r"1,2"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ("x>3", "3<x"),
    ("y=2x+1", "2x-y+1=0"),
    ("2+3i", "3i+2"),
)
CONFIG = [
    LatexExtractionConfig(
        boxed_match_priority=0,
        try_extract_without_anchor=False,
        normalization_config=NormalizationConfig(
            basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all"
        ),
    )
]


def read(expression: str) -> list[Any]:
    return parse(
        rf"\boxed{{{expression}}}",
        extraction_config=CONFIG,
        fallback_mode="no_fallback",
        parsing_timeout=None,
    )


def compare(gold: str, answer: str, notify: int) -> Outcome:
    """Equal only if each side verifies the other: math-verify alone is not symmetric."""
    golds = read(gold)
    if not golds:
        return "gold unparsable"
    os.write(notify, GOLD_READ)
    answers = read(answer)
    if not answers:
        return "answer unparsable"
    for left, right in ((golds, answers), (answers, golds)):
        if not verify(left, right, timeout_seconds=None, allow_set_relation_comp=True):
            return "different"
    return "equal"


def limit(cpu_s: float, memory_bytes: int) -> None:
    """No files, no processes; the timer's signal ends the process whatever it is doing."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    seconds = int(cpu_s) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def serve_fork(request: dict[str, Any], output: int) -> None:
    """In the fork: writes GOLD_READ once the gold is parsed, then the outcome; never returns."""
    try:
        limit(request["cpu_s"], request["memory_bytes"])
        outcome: str = compare(request["gold"], request["answer"], output)
    except MemoryError:
        outcome = "out of memory"
    except RecursionError:
        outcome = "out of time"
    os.write(output, outcome.encode())
    os._exit(0)


def collect(source: int, wall_s: float) -> bytes | None:
    """All that the fork wrote until it ended; None if it still runs after `wall_s`."""
    written = b""
    deadline = time.monotonic() + wall_s
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            return None
        part = os.read(source, 4096)
        if not part:
            return written
        written += part


def judge(request: dict[str, Any]) -> dict[str, str]:
    """As `attempt`; but a gold that is endless beside a plain 0 as well is the one to blame."""
    found = attempt(request)
    if found == {"outcome": "out of time", "fault": "answer"}:
        plain = attempt(request | {"answer": "0"})
        if plain["outcome"] == "out of time":
            return {"outcome": "out of time", "fault": "gold"}
    return found


def attempt(request: dict[str, Any]) -> dict[str, str]:
    """`outcome`, and whose doing it is when there is none: `gold`, `answer` or `machine`."""
    source, output = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(source)
        serve_fork(request, output)
    os.close(output)
    written = collect(source, request["wall_s"])
    os.close(source)
    if written is None:
        os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    if written is None:
        return {"outcome": "stalled", "fault": "machine"}
    gold_read = written.startswith(GOLD_READ)
    fault = "answer" if gold_read else "gold"
    outcome = written.removeprefix(GOLD_READ).decode()
    if outcome:
        return {"outcome": outcome, "fault": fault}
    ended = os.waitstatus_to_exitcode(status)
    if ended in (-signal.SIGPROF, -signal.SIGXCPU, -signal.SIGSEGV):
        return {"outcome": "out of time", "fault": fault}
    return {"outcome": f"ended with {ended}", "fault": "machine"}


def main() -> None:
    sys.setrecursionlimit(2000)
    for left, right in WARM:
        compare(left, right, os.open(os.devnull, os.O_WRONLY))
    print(json.dumps({"outcome": "ready"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
