"""What outlives what: clients that leave, engines that stop, full queues, the serving process."""

import asyncio
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from naga.config.base import ConfigError
from naga.config.serve import EngineConfig, ServerConfig
from naga.engine.identity import identify
from naga.engine.keeper import Keeper
from naga.engine.request import Request
from naga.engine.store import StateStore
from naga.server import requests
from naga.server.app import make_app
from naga.server.process import serve
from naga.server.stream import Feed

LONG: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 15_900,
}


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


def becomes_idle(served: Any) -> bool:
    """Whether the engine soon holds nothing."""

    def idle() -> bool:
        load = served.engine.load
        return bool(load.running == load.waiting == 0 and load.free_slots == 4)

    return soon(idle)


def test_leaving_a_stream_frees_the_slots(served: Any) -> None:
    body = LONG | {"stream": True, "n": 3}
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body) as response:
        # Dropping the iterator would close the connection.
        events = response.iter_bytes()
        next(events)
        assert soon(lambda: served.engine.load.running == 3)
    assert becomes_idle(served)


def test_leaving_a_whole_reply_frees_the_slot(served: Any) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{served.url}/v1/chat/completions", json=LONG, timeout=0.3)
    assert becomes_idle(served)


def test_many_that_leave_at_once_leave_nothing_behind(served: Any) -> None:
    def leave() -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{served.url}/v1/chat/completions", json=LONG, timeout=0.5)

    threads = [threading.Thread(target=leave) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert becomes_idle(served)
    assert served.post(LONG | {"max_tokens": 2}).status_code == 200


def test_leaving_in_the_middle_of_the_body_is_no_failure(served: Any) -> None:
    app = make_app(served.engine, "tiny", ServerConfig())
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    received = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    # nginx's status for it; nobody is there to read it.
    assert sent[0]["status"] == 499


def test_others_are_answered_while_a_body_is_checked(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking, answered = threading.Event(), threading.Event()
    parse_request = requests.parse_request

    def parse(*given: Any) -> Any:
        checking.set()
        assert answered.wait(timeout=20)
        return parse_request(*given)

    monkeypatch.setattr(requests, "parse_request", parse)
    replies: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: replies.append(served.post(LONG | {"max_tokens": 2})))
    asking.start()
    try:
        assert checking.wait(timeout=20)
        assert httpx.get(f"{served.url}/health", timeout=10).status_code == 200
    finally:
        answered.set()
        asking.join()
    assert replies[0].status_code == 200


def test_what_cannot_all_be_submitted_leaves_nothing(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: set[str] = set()

    def submit(request: Request, sink: object) -> None:
        if inside:
            raise RuntimeError("as no engine should")
        inside.add(request.id)

    monkeypatch.setattr(served.engine, "submit", submit)
    monkeypatch.setattr(served.engine, "cancel", inside.remove)
    loop = asyncio.new_event_loop()
    two = [Request(id=name, prompt=(1,)) for name in "ab"]
    with pytest.raises(RuntimeError):
        Feed(served.engine, two, loop)
    loop.close()
    assert not inside


def test_a_full_queue_is_429_and_nothing_of_it_stays(serve_apart: Callable[..., Any]) -> None:
    served = serve_apart(max_running=1, max_waiting=1)
    response = served.post(LONG | {"n": 3})
    assert response.status_code == 429 and response.headers["retry-after"]
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert served.post(LONG | {"max_tokens": 2, "n": 2}).status_code == 200


def test_a_stopped_engine_ends_streams_and_is_not_ready(serve_apart: Callable[..., Any]) -> None:
    served = serve_apart()
    assert httpx.get(f"{served.url}/ready").status_code == 200
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="-", max_retries=0) as client:
        with client.chat.completions.create(**LONG | {"stream": True}) as stream:
            next(iter(stream))
            served.engine.close()
            with pytest.raises(openai.APIError, match="shutting down"):
                list(stream)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**LONG)
    assert httpx.get(f"{served.url}/ready").status_code == 503
    assert httpx.get(f"{served.url}/health").status_code == 200


def test_a_stopped_engine_saves_nothing(
    serve_apart: Callable[..., Any], checkpoint: Path, tmp_path: Path
) -> None:
    engine = serve_apart().engine
    store = StateStore(tmp_path, 1_000_000)
    keeper = Keeper(engine, store, lambda: identify(checkpoint, engine.numerics), 1000.0)
    keeper.end("a", "", [1, 2, 3])
    engine.close()

    async def save() -> httpx.Response:
        app = make_app(engine, "tiny", ServerConfig(), keeper)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://naga") as client:
            return await client.put("/v1/conversations/a")

    response = asyncio.run(save())
    keeper.close()
    assert response.status_code == 503 and response.headers["retry-after"]


def test_a_failing_request_ends_alone(served: Any) -> None:
    body = LONG | {"messages": [{"role": "user", "content": "9"}], "max_tokens": 5}
    response = served.post(body)
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
    *_, error, done, _ = served.post(body | {"stream": True}).text.split("\n\n")
    assert done == "data: [DONE]"
    assert json.loads(error.removeprefix("data: "))["error"]["type"] == "server_error"
    assert served.post(LONG | {"max_tokens": 5}).status_code == 200


def test_the_log_tells_a_failure_from_a_client_that_left(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def ends() -> list[list[str]]:
        said = [r.getMessage() for r in caplog.records if r.name == "naga.server.stream"]
        return [json.loads(line)["finish"] for line in said]

    with caplog.at_level(logging.INFO, logger="naga.server.stream"):
        failing = LONG | {"messages": [{"role": "user", "content": "9"}], "n": 2}
        assert served.post(failing).status_code == 500
        assert ends() == [["error", "dropped"]]
        body = LONG | {"stream": True}
        with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body) as response:
            assert next(response.iter_lines())
        assert soon(lambda: len(ends()) == 2)
        assert ends()[1] == ["client left"]


@contextmanager
def started(checkpoint: Path) -> Iterator[subprocess.Popen[str]]:
    program = (
        "import sys; from pathlib import Path; from naga.config.serve import *;"
        "from naga.server.process import serve;"
        "serve(Path(sys.argv[1]), EngineConfig(kv_tokens=16000), ServerConfig(port=0))"
    )
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", program, str(checkpoint)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            # A test that fails must not wait for a server that nobody stops.
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_is_and_ends_cleanly(checkpoint: Path, number: int) -> None:
    with started(checkpoint) as process:
        assert process.stdout and process.stderr
        greeting = process.stdout.readline()
        said = r"naga ready 已就绪  (\S+)  model 模型 tiny  native-\w+-float32\n"
        found = re.fullmatch(said, greeting)
        assert found, greeting
        url = f"{found[1]}/v1/chat/completions"
        with httpx.stream("POST", url, json=LONG | {"stream": True, "user": "a\nb"}) as response:
            lines = response.iter_lines()
            assert next(lines).startswith("data: ")
            process.send_signal(number)
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert process.wait(timeout=20) == 0
        log = process.stderr.read()
        assert "Traceback" not in log
        assert log.count("\n") == 1 and '"user": "a\\nb"' in log


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127.0.0.1 port {port}: it is in use"):
            serve(tmp_path, EngineConfig(), ServerConfig(port=port))


def test_a_host_that_is_not_here_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"203\.0\.113\.1"):
        serve(tmp_path, EngineConfig(), ServerConfig(host="203.0.113.1", port=0))


def test_a_missing_checkpoint_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        serve(tmp_path / "nothing", EngineConfig(), ServerConfig(port=0))
