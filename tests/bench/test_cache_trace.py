"""naga bench cache-trace: naga's own server as a process, others by their address or command."""

import json
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.conftest import Bench
from naga.bench import cache_trace
from naga.bench.cache_trace import (
    Client,
    Contender,
    Server,
    TraceRow,
    our_contender,
    parse_contender,
    summarise,
)
from naga.bench.models import byte_tokenizer
from naga.bench.traces import TRACES, Words, contract, steps
from naga.config.base import ConfigError

TOKENIZER = byte_tokenizer()


class Fake(BaseHTTPRequestHandler):
    """Answers as its server's `answer` says; keeps what it is asked."""

    server: "FakeServer"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "fake"}]}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        events = self.server.answer(len(self.server.asked))
        self.send_response(500 if events is None else 200)
        self.end_headers()
        for event in events or []:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    answer: Callable[[int], list[dict[str, Any]] | None]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Fake)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with FakeServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def play(fake: FakeServer, api: Any, **sizes: int) -> list[TraceRow]:
    words = Words(1, TOKENIZER)
    with Server(Contender(name="fake", place=fake.url, api=api)) as server:
        client = Client(server, TOKENIZER, api, new_tokens=4, ours=False)
        return list(client.play("contract", contract(words, **sizes), words))


def test_tokens_are_sent_to_models_without_a_tokenizer(fake: FakeServer) -> None:
    def answer(turn: int) -> list[dict[str, Any]]:
        usage = {"prompt_tokens": 100 * turn, "prompt_tokens_details": {"cached_tokens": turn}}
        return [
            {"choices": [{"text": "ab"}]},
            {"choices": [{"text": "c", "finish_reason": "length"}]},
            {"choices": [], "usage": usage},
        ]

    fake.answer = answer
    rows = play(fake, "tokens", turns=2, document_tokens=50)
    assert [(row.turn, row.prompt_tokens, row.cached_tokens) for row in rows] == [
        *((1, 100, 1), (2, 200, 2)),
    ]
    assert all(row.ttft_s for row in rows)
    path, _, body = fake.asked[1]
    assert (path, body["model"], body["max_tokens"]) == ("/v1/completions", "fake", 4)
    # The visible answer is part of the next prompt.
    assert "abc" in TOKENIZER.decode(body["prompt"])


def test_chats_leave_thinking_out_and_read_what_llama_cpp_tells(fake: FakeServer) -> None:
    fake.answer = lambda turn: [
        {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"delta": {"reasoning_content": "hidden"}}]},
        {"choices": [{"delta": {"content": "shown"}}]},
        {"choices": [], "usage": {"prompt_tokens": 9}, "timings": {"cache_n": 7}},
    ]
    rows = play(fake, "chat", turns=2, document_tokens=50)
    assert [row.cached_tokens for row in rows] == [7, 7]
    path, user, body = fake.asked[1]
    assert (path, user) == ("/v1/chat/completions", "Bearer one")
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "shown"


def test_an_engine_that_fails_ends_its_trace_with_a_row(fake: FakeServer) -> None:
    events = [{"choices": [{"text": "a"}]}, {"choices": [], "usage": {"prompt_tokens": 9}}]
    fake.answer = lambda turn: events if turn == 1 else None
    rows = play(fake, "tokens", turns=4, document_tokens=50)
    assert [row.turn for row in rows] == [1, 2]
    assert rows[0].error is None and "HTTP 500" in str(rows[1].error)


def test_what_cannot_be_restarted_is_not(fake: FakeServer) -> None:
    fake.answer = lambda turn: [{"choices": [{"text": "a"}]}]
    words = Words(1, TOKENIZER)
    with Server(Contender(name="fake", place=fake.url, api="tokens")) as server:
        client = Client(server, TOKENIZER, "tokens", new_tokens=4, ours=False)
        rows = list(client.play("steps", steps(words, document_tokens=80), words))
    assert rows[-1].kind == "the other user back"


def test_a_command_that_ends_says_why() -> None:
    place = f"{sys.executable} -c \"raise SystemExit('no model for {{port}}')\""
    with (
        pytest.raises(ConfigError, match=r"fake ended before it served: no model for \d+"),
        Server(Contender(name="fake", place=place, api="chat")),
    ):
        pass


def test_contenders_are_addresses_or_commands() -> None:
    found = parse_contender("vllm=http://localhost:8000", "chat")
    assert (found.name, found.address) == ("vllm", "http://localhost:8000")
    assert parse_contender("llama.cpp=serve --port {port}", "tokens").address is None
    for wrong in ("vllm", "vllm=serve", "=http://x", "https://x"):
        with pytest.raises(ConfigError, match="write NAME=http"):
            parse_contender(wrong, "chat")


def row(turn: int, prompt: int, cached: int | None, seconds: float) -> TraceRow:
    return TraceRow(
        engine="a",
        trace="b",
        turn=turn,
        kind="append",
        prompt_tokens=prompt,
        cached_tokens=cached,
        ttft_s=seconds,
    )


def test_a_summary_counts_later_turns_apart() -> None:
    found = summarise([row(1, 100, 0, 8.0), row(2, 100, 90, 1.0), row(3, 200, 190, 3.0)])
    assert (found.cached_fraction, found.cached_fraction_later) == (280 / 400, 280 / 300)
    assert (found.ttft_first_s, found.ttft_later_s, found.ttft_later_max_s) == (8.0, 2.0, 3.0)
    assert found.speedup == 4.0
    untold = summarise([row(1, 100, None, 8.0), row(2, 100, None, 1.0)])
    assert untold.cached_fraction is None and untold.speedup == 8.0


# Two starts of a server, on a machine that may be busy.
@pytest.mark.timeout(300)
def test_our_server_is_measured_restarted_and_told_on_a_page(
    naga_bench: Bench,
    chatting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake: FakeServer,
) -> None:
    fake.answer = lambda turn: [{"choices": [{"text": "a"}]}]
    monkeypatch.setitem(TRACES, "steps", lambda words: steps(words, document_tokens=800))
    monkeypatch.setattr(cache_trace, "START_S", 150.0)
    page = tmp_path / "page.md"
    words = ["--traces", "steps", "--new-tokens", "6", "--threads", "1"]
    words += ["--beside", f"fake={fake.url}", "--markdown", str(page), "--json"]
    ran = naga_bench("cache-trace", chatting, *words)
    assert ran.code == 0
    found = ran.found
    ours = {row["kind"]: row for row in found["rows"] if row["engine"] == "naga"}
    assert [row["error"] for row in ours.values()] == [None] * 11
    assert ours["cold"]["cached_tokens"] == 0
    again = ours["the same again"]
    assert again["cached_tokens"] >= again["prompt_tokens"] - 20
    assert ours["the first user back"]["cached_tokens"] > ours["cold"]["prompt_tokens"]
    # Named conversations are saved when the server ends.
    again = ours["restart, the same again"]
    assert again["cached_tokens"] >= again["prompt_tokens"] - 20
    assert [one["engine"] for one in found["summaries"]] == ["naga", "fake"]
    text = page.read_text(encoding="utf-8")
    assert "## steps" in text and found["command"] in text


def test_our_command_takes_more_of_serves_flags() -> None:
    assert our_contender(Path("m"), "--kv int8").place.endswith("--port '{port}' --kv int8")


# Serves, and has a worker that holds a connection to the port it is given for as long as it lives.
WORKED = """
import subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
port, watcher = map(int, sys.argv[1:])
worker = "import socket, time; s = socket.create_connection(('127.0.0.1', %d)); time.sleep(300)"
subprocess.Popen([sys.executable, "-c", worker % watcher])
class Models(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "fake"}]}')
HTTPServer(("127.0.0.1", port), Models).serve_forever()
"""
BENCH = """
import sys, time
from naga.bench.cache_trace import Contender, Server
with Server(Contender(name="w", place=sys.argv[1], api="tokens")):
    print("there", flush=True)
    time.sleep(60)
"""


def worked_place(folder: Path, watcher: socket.socket) -> str:
    (folder / "server.py").write_text(WORKED)
    words = (sys.executable, str(folder / "server.py"), "{port}", str(watcher.getsockname()[1]))
    return shlex.join(words)


def assert_worker_ends(connection: socket.socket) -> None:
    connection.settimeout(20)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_server_and_no_worker_of_it(number: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as watcher:
        watcher.settimeout(30)
        command = [sys.executable, "-c", BENCH, worked_place(tmp_path, watcher)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
        ) as bench:
            connection, _ = watcher.accept()
            assert bench.stdout is not None and bench.stdout.readline() == b"there\n"
            bench.send_signal(number)
            assert bench.wait(30) in (128 + number, -number)
        with connection:
            assert_worker_ends(connection)


@pytest.mark.parametrize("died", [False, True])
def test_no_worker_outlives_its_server(died: bool, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with socket.create_server(("127.0.0.1", 0)) as watcher:
        watcher.settimeout(30)
        place = worked_place(tmp_path, watcher)
        with Server(Contender(name="w", place=place, api="tokens")) as server:
            connection, _ = watcher.accept()
            if died:
                assert server._process is not None
                server._process.kill()
                server._process.wait()
        with connection:
            assert_worker_ends(connection)
    assert signal.getsignal(signal.SIGTERM) is before
