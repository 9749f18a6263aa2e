"""The serving process: a port in use is one line; a signal ends it in good order."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from naga.config.base import ConfigError
from naga.rewards.serving import take_port

PROGRAM = """
from naga.rewards import open_scorer
from naga.rewards.serving import serve
with open_scorer() as scorer:
    serve(scorer, "127.0.0.1", 0, ready=lambda line: print(line, flush=True))
"""


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*--port"):
            take_port("127.0.0.1", port)


def test_it_serves_with_real_graders_until_a_signal() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().split()[-1]
        row = {"prompt": "1/2 + 1/3?", "answer": "5/6", "response": "\\boxed{\\frac{10}{12}}"}
        found = httpx.post(url, json=row, timeout=60).json()
        assert (found["score"], found["matched_by"]) == (1.0, "numeric")
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
