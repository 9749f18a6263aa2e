"""Conversations over restarts and kills, with the real server process."""

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

TEXT = "The client shall pay each invoice within 30 days. " * 12
PROGRAM = (
    "import sys; from pathlib import Path; from naga.config.serve import *;"
    "from naga.server.process import serve;"
    "serve(Path(sys.argv[1]), EngineConfig(kv_tokens=16000),"
    " ServerConfig(port=0, state_idle_s=0.2))"
)


@contextmanager
def running(checkpoint: Path, home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's address and process; killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", PROGRAM, str(checkpoint)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"NAGA_STATE_DIR": str(home)},
    ) as process:
        try:
            assert process.stdout
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found
            yield found[0], process
        finally:
            process.kill()


def ask(url: str, name: str, question: str = "pay") -> dict[str, Any]:
    messages = [{"role": "system", "content": TEXT}, {"role": "user", "content": question}]
    body = {"model": "tiny", "messages": messages, "seed": 1, "max_tokens": 8}
    reply = httpx.post(
        f"{url}/v1/chat/completions", json=body | {"prompt_cache_key": name}, timeout=60
    )
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def cached(reply: dict[str, Any]) -> int:
    return int(reply["usage"]["prompt_tokens_details"]["cached_tokens"])


def test_a_saved_conversation_survives_kill_9(checkpoint: Path, tmp_path: Path) -> None:
    with running(checkpoint, tmp_path) as (url, process):
        first = ask(url, "甲/a")
        saved = httpx.put(f"{url}/v1/conversations/甲/a")
        assert saved.status_code == 200 and saved.json()["tokens"] > first["usage"]["prompt_tokens"]
        assert httpx.put(f"{url}/v1/conversations/b").status_code == 404
        process.kill()
    with running(checkpoint, tmp_path) as (url, process):
        again = ask(url, "甲/a")
        assert cached(again) == first["usage"]["prompt_tokens"] - 2
        assert again["choices"] == first["choices"]
        assert httpx.delete(f"{url}/v1/conversations/甲/a").json()["deleted"] is True
        process.kill()
    with running(checkpoint, tmp_path) as (url, _):
        assert cached(ask(url, "甲/a")) == 0


def test_the_end_of_the_server_saves_what_is_not(checkpoint: Path, tmp_path: Path) -> None:
    with running(checkpoint, tmp_path) as (url, process):
        first = ask(url, "a")
        process.terminate()
        assert process.wait(timeout=20) == 0
    with running(checkpoint, tmp_path) as (url, _):
        assert cached(ask(url, "a")) == first["usage"]["prompt_tokens"] - 2


def test_kills_at_random_moments_leave_whole_states(checkpoint: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    expected: dict[str, object] = {}
    for _ in range(4):
        with running(checkpoint, tmp_path) as (url, process):
            ending = threading.Timer(chance.uniform(0.05, 1.2), process.kill)
            ending.start()
            with suppress(httpx.HTTPError):
                while True:
                    name = f"{chance.randrange(6)}"
                    choices = ask(url, name, f"pay {name}")["choices"]
                    assert expected.setdefault(name, choices) == choices
            ending.join()
            assert process.stderr
            process.wait(timeout=20)
            assert "Traceback" not in process.stderr.read()
    with running(checkpoint, tmp_path) as (url, process):
        for name, choices in expected.items():
            assert ask(url, name, f"pay {name}")["choices"] == choices
        time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=20) == 0
        assert process.stderr
        assert "read again" not in process.stderr.read()
