"""A worker process (naga/bench/workers/worker.py): started, asked, parked, ended.

A parked process group is stopped by a signal: whatever threads an engine keeps spinning, they take
nothing from the one that is measured. It is not a session of its own, so that if this process dies
the system wakes and ends what is parked. POSIX only. What a worker prints is kept in a file; its
end is shown when the worker fails.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from naga.config.base import ConfigError

SCRIPT = Path(__file__).parent / "workers" / "worker.py"
# Seconds that a worker may take to end by itself.
PATIENCE = 10.0


@contextmanager
def open_worker(name: str, python: Path, module: str, threads: int) -> Iterator["Worker"]:
    """`module`: of naga/bench/workers, or any that the interpreter `python` can import."""
    with (
        tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as printed,
        subprocess.Popen(
            [str(python), str(SCRIPT), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            text=True,
            encoding="utf-8",
            process_group=0,
        ) as process,
    ):
        worker = Worker(name, process, printed)
        try:
            yield worker
        finally:
            worker.close()


class Worker:
    """One engine; ConfigError, in one line, for whatever it fails at."""

    def __init__(self, name: str, process: subprocess.Popen[str], printed: TextIO) -> None:
        """`printed`: where it writes what is not an answer."""
        self.name = name
        self._process, self._printed = process, printed

    def ask(self, call: str, **arguments: Any) -> Any:
        """Wake it, let it do the call, park it again."""
        with self._awake():
            answer = self._exchange({"call": call, "arguments": arguments})
        if "value" in answer:
            return answer["value"]
        if "missing" in answer:
            raise ConfigError(f"{self.name}: its environment has no package {answer['missing']}")
        raise ConfigError(f"{self.name} failed: {answer['error']}")

    def close(self) -> None:
        """Its input ends, and so does it, or is ended."""
        assert self._process.stdin is not None
        # What a dead worker was last asked cannot be flushed any more.
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def private_bytes(self) -> int:
        """Of memory that no file backs and that is resident now; Linux alone tells."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        rows = dict(line.split(":", 1) for line in status.splitlines())
        return 1024 * int(rows["RssAnon"].split()[0])

    @contextmanager
    def _awake(self) -> Iterator[None]:
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ConfigError(f"{self.name} ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        code = self._process.wait(PATIENCE)
        self._printed.seek(0)
        lines = [line.strip() for line in self._printed if line.strip()]
        return lines[-1] if lines else f"exit code {code}"

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)
