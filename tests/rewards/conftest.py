"""Judges that are no model: a function, and real HTTP endpoints that behave badly."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from naga.rewards.graders import reading_tasks, running_tasks
from naga.rewards.score import Scorer
from naga.rewards.workers import Here
from naga.tasks import Judging

Answer = Callable[[dict[str, Any]], Any]
"""A body's answer: a record as JSON, bytes as they are, an int as a status, None to hang up."""
Serving = Callable[[Answer], AbstractContextManager[str]]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found = answer(body)
            if found is None:
                self.connection.close()
                return
            status = found if isinstance(found, int) else 200
            said = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *arguments: None  # a client that gave up
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def completion(text: str, shares: dict[str, float] | None = None) -> dict[str, Any]:
    """A chat completion of one token; `shares` are the probabilities of its alternatives."""
    choice: dict[str, Any] = {"message": {"content": text}}
    if shares is not None:
        top = [{"token": token, "logprob": math.log(p)} for token, p in shares.items()]
        choice["logprobs"] = {"content": [{"token": text, "logprob": -0.1, "top_logprobs": top}]}
    return {"choices": [choice]}


def slow(seconds: float) -> Answer:
    def answer(body: dict[str, Any]) -> Any:
        time.sleep(seconds)
        return completion("A", {"A": 0.9, "B": 0.1})

    return answer


@pytest.fixture(scope="session")
def here() -> Scorer:
    """All graders in this process, and no sandbox."""
    return Scorer(reads=Here(reading_tasks()), runs=Here(running_tasks(Judging(workers=0))))
