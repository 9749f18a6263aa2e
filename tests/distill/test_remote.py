"""A server as answerer: what is sent, what comes back, what is tried again and what is given up."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.config.distill import AnswererConfig
from naga.config.load import parse_config
from naga.data.messages import Message
from naga.distill import remote
from naga.distill.answers import Answered, Ask, Failed
from naga.distill.ask import open_answerer
from naga.distill.remote import RemoteAnswerer, read_completion

ASK = Ask(messages=(Message(role="user", content="2+2"),), thinking=True, seed=2**40 + 5, choice=2)


class Server:
    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.statuses: list[int] = []
        """Of the next answers; 200 after them."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                server.bodies.append(json.loads(self.rfile.read(size)))
                server.keys.append(self.headers["authorization"])
                status = server.statuses.pop(0) if server.statuses else 200
                body = json.dumps(completion("4", reasoning_content="two and two")).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


def completion(content: str | None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {
        "choices": [{"message": message, "finish_reason": finish}],
        "usage": {"completion_tokens": 7},
    }


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BACKOFF_S", 0.0)


def config(url: str, **changes: Any) -> AnswererConfig:
    values: dict[str, Any] = {"model": url, "served_name": "m", "timeout_s": 5.0, "retries": 1}
    return parse_config(AnswererConfig, values | changes, "test")


def test_what_is_asked_and_what_is_answered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAGA_DISTILL_KEY", "secret")
    with open_answerer(config(server.url, instructed=True), "cpu") as answerer:
        (answer,) = answerer.answer([ASK])
    assert answer == Answered(text="4", reasoning="two and two", tokens=7, truncated=False)
    (body,) = server.bodies
    assert body["messages"] == [{"role": "user", "content": "2+2 /think"}]
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    assert (body["model"], body["seed"]) == ("m", (2**40 + 7) % 2**31)
    assert server.keys == ["Bearer secret"]


def test_its_trouble_is_tried_again_and_a_refusal_is_not(server: Server) -> None:
    with RemoteAnswerer(config(server.url, switch=False)) as answerer:
        server.statuses = [503]
        assert isinstance(answerer.answer([ASK])[0], Answered)
        assert len(server.bodies) == 2
        assert "chat_template_kwargs" not in server.bodies[0]
        server.statuses = [500, 500]
        (failed,) = answerer.answer([ASK])
        assert failed == Failed(reason="HTTP status 500, after 2 tries", silent=True)
        server.bodies.clear()
        server.statuses = [400]
        (failed,) = answerer.answer([ASK])
        assert isinstance(failed, Failed)
        assert failed.reason.startswith("HTTP status 400: {")
        assert len(server.bodies) == 1


def test_a_server_that_is_not_there_is_silent() -> None:
    with RemoteAnswerer(config("http://127.0.0.1:9/v1")) as answerer:
        (failed,) = answerer.answer([ASK])
    assert isinstance(failed, Failed)
    assert failed.silent
    assert failed.reason.startswith("cannot be reached")


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"{}", b'{"choices": []}', b"[" * 100_000,
     json.dumps({"choices": [{"message": {"content": 5}}]}).encode(),
     json.dumps({"choices": [{"message": None}]}).encode()],
)  # fmt: skip
def test_nonsense_is_no_answer(body: bytes) -> None:
    assert read_completion(body) == Failed(reason="the answer is no chat completion")


def test_a_thought_within_the_text_is_taken_apart() -> None:
    def read(text: str) -> Answered | Failed:
        return read_completion(json.dumps(completion(text)).encode())

    closed = Answered(text="4", reasoning="two", tokens=7, truncated=False)
    assert read("<think>\ntwo\n</think>\n4") == closed
    assert read("<think>two and") == Answered(
        text="", reasoning="two and", tokens=7, truncated=True
    )
    assert read("4 <think>") == Answered(text="4 <think>", reasoning="", tokens=7, truncated=False)


def test_a_url_needs_a_name_and_a_checkpoint_has_none() -> None:
    with pytest.raises(ConfigError, match="served_name is for a URL"):
        config("http://a/v1", served_name=None)
    with pytest.raises(ConfigError, match="served_name is for a URL"):
        config("runs/a")
