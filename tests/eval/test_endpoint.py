"""Servers that are broken in every way: tries, pauses, missing answers, and what ends it all."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naga.config.base import ConfigError
from naga.data.messages import Message
from naga.engine.request import SamplingParams
from naga.eval import (
    Answer,
    Answerer,
    Ask,
    Connection,
    Endpoint,
    Plan,
    evaluate_items,
    family_items,
)
from naga.tasks import make_tasks

ASK = Ask(messages=(Message(role="user", content="1+1?"),), number=2)
SAMPLING = SamplingParams(temperature=0.5, top_p=0.9, max_tokens=7, seed=3)
Reply = tuple[int, bytes]


def completion(content: object, **more: object) -> bytes:
    choice = {"message": {"role": "assistant", "content": content, **more}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode()


class Fake:
    """A server that says what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.models = ["m"]
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.lock = threading.Lock()

    def next(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.lock:
            self.asked.append(body)
            self.headers.append(headers)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == "/v1/chat/completions"
            self.answer(*fake.next(body, {k.lower(): v for k, v in self.headers.items()}))

        def do_GET(self) -> None:
            assert self.path == "/v1/models"
            self.answer(200, json.dumps({"data": [{"id": m} for m in fake.models]}).encode())

        def answer(self, status: int, body: bytes) -> None:
            if status == 0:  # hangs up in the middle
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fake(running: Fake) -> Fake:
    running.replies, running.models = [(200, completion("2"))], ["m"]
    running.asked.clear()
    running.headers.clear()
    return running


@contextmanager
def answering(fake: Fake, **more: Any) -> Iterator[Callable[[Ask], Answer]]:
    with Connection(Endpoint(url=fake.url, pause_s=0.001, timeout_s=5, **more)) as connection:
        yield connection.answerer(SAMPLING).answer


@pytest.fixture(scope="module")
def once(running: Fake) -> Iterator[Answerer]:
    """Asks one time."""
    with Connection(Endpoint(url=running.url, tries=1, model="m")) as connection:
        yield connection.answerer(SAMPLING)


def test_what_is_asked_says_all_settings_and_the_key(fake: Fake) -> None:
    with answering(fake, key="secret") as answer:
        found = answer(ASK)
        answer(Ask(messages=ASK.messages, thinking=False))
    assert found == Answer(content="2", completion_tokens=3)
    first, second = fake.asked
    assert first == {
        "model": "m",
        "messages": [{"role": "user", "content": "1+1?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "seed": 5,
    }
    assert second["chat_template_kwargs"] == {"enable_thinking": False}
    assert fake.headers[0]["authorization"] == "Bearer secret"


def test_no_key_no_header_and_the_identity_has_no_key(fake: Fake) -> None:
    with answering(fake) as answer:
        answer(ASK)
    assert "authorization" not in fake.headers[0]
    with Connection(Endpoint(url=fake.url, key="secret")) as connection:
        assert "secret" not in connection.answerer(SAMPLING).identity


@pytest.mark.parametrize(
    ("body", "content", "reasoning"),
    [
        (completion("2", reasoning_content="hm"), "2", "hm"),
        (completion("2", reasoning="hm"), "2", "hm"),
        (completion("<think>\nhm\n</think>\n\n2"), "2", "hm"),
        (completion("<think>\nnever ends"), "", "never ends"),
        (completion(None), "", ""),
    ],
)
def test_thinking_is_found_where_servers_put_it(
    fake: Fake, body: bytes, content: str, reasoning: str
) -> None:
    fake.replies = [(200, body)]
    with answering(fake) as answer:
        found = answer(ASK)
    assert (found.content, found.reasoning, found.error) == (content, reasoning, "")


BROKEN: list[Reply] = [
    *((status, b"busy") for status in (408, 429, 500, 502, 503)),
    *((200, body) for body in (b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b"\xff\xfe")),
    (200, b'{"choices": [{"message": {"content": 7}}]}'),
    (200, completion("half a character: \ud800")),
    (0, b""),
]


@pytest.mark.parametrize("reply", BROKEN)
def test_what_may_pass_is_tried_again(fake: Fake, reply: Reply) -> None:
    fake.replies = [reply, reply, (200, completion("2"))]
    with answering(fake) as answer:
        assert answer(ASK).content == "2"
    assert len(fake.asked) == 3


@pytest.mark.parametrize("reply", BROKEN)
def test_what_does_not_pass_is_missing_with_its_reason(fake: Fake, reply: Reply) -> None:
    fake.replies = [reply]
    with answering(fake, tries=2) as answer:
        found = answer(ASK)
    assert found.error and "\n" not in found.error and found.finish_reason == "error"
    assert len(fake.asked) == 2


def test_a_request_that_is_refused_is_not_tried_again(fake: Fake) -> None:
    fake.replies = [(400, b"too long")]
    with answering(fake) as answer:
        assert answer(ASK).error == "status 400: too long"
    assert len(fake.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_ends_the_evaluation(fake: Fake, status: int) -> None:
    fake.replies = [(status, b"no")]
    items = family_items(make_tasks(["addition"]), levels=["easy"], count=9, seed=0)
    with Connection(Endpoint(url=fake.url)) as connection:
        answerer = connection.answerer(SAMPLING)
        with pytest.raises(ConfigError, match=f"refused with status {status}: no"):
            evaluate_items(answerer, items, Plan(model="m"))


def test_a_server_that_fails_now_and_then_is_evaluated_all_the_same(fake: Fake) -> None:
    right = (200, completion("0"))
    fake.replies = [right, (500, b"x"), right, (0, b""), right, (200, b"nonsense"), right]
    items = family_items(make_tasks(["addition"]), levels=["easy"], count=12, seed=0)
    with Connection(Endpoint(url=fake.url, pause_s=0.001, concurrency=4)) as connection:
        report = evaluate_items(connection.answerer(SAMPLING), items, Plan(model="m"))
    assert report.tasks[0].missing == 0 and report.tasks[0].score.count == 12
    assert len(fake.asked) == 15


def test_the_only_model_is_found_and_several_must_be_told_apart(fake: Fake) -> None:
    with Connection(Endpoint(url=f"{fake.url}/v1/")) as connection:
        assert connection.model() == "m"
        fake.models = ["a", "b"]
        with pytest.raises(ConfigError, match="has models a, b; name one"):
            connection.model()
        fake.models = []
        with pytest.raises(ConfigError, match="has models none"):
            connection.model()


def test_what_is_no_server_is_one_line() -> None:
    with pytest.raises(ConfigError, match="no URL"):
        Connection(Endpoint(url="/models/m"))
    with (
        Connection(Endpoint(url="http://127.0.0.1:9", timeout_s=2)) as connection,
        pytest.raises(ConfigError, match="does not say its models"),
    ):
        connection.model()


@given(
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "message", "content", "usage"]), inner, max_size=3
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
@settings(max_examples=40)
def test_whatever_a_server_says_there_is_an_answer_or_a_reason(
    running: Fake, once: Answerer, body: bytes
) -> None:
    running.replies = [(200, body)]
    found = once.answer(ASK)
    assert found.error or found.content is not None
