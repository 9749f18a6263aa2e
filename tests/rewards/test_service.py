"""Rewards over real HTTP on loopback: single rows, batches, limits, cache, metrics."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import uvicorn

from naga.rewards import Row, Scorer
from naga.rewards.service import ServiceConfig, make_app
from naga.tasks import Verdict

ROW = {"prompt": "6 * 7?", "answer": "42", "response": "42"}


@contextmanager
def service(scorer: Scorer, **config: int) -> Iterator[httpx.Client]:
    app = make_app(scorer, ServiceConfig.model_validate(config))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        host, port = listener.getsockname()[:2]
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def metrics(client: httpx.Client) -> dict[str, int]:
    lines = client.get("/metrics").text.splitlines()
    pairs = [line.split() for line in lines if not line.startswith("#")]
    return {name.removeprefix("naga_reward_"): int(value) for name, value in pairs}


def test_one_row_and_many(here: Scorer) -> None:
    with service(here) as client:
        assert client.get("/health").json() == {"status": "ok"}
        found = client.post("/score", json=ROW).json()
        assert found == ROW | {
            "score": 1.0,
            "parts": {"correct": 1.0, "primary": 1.0},
            "matched_by": "exact",
            "reason": "",
        }
        rows = [ROW | {"response": f"{number}", "id": number} for number in range(100)]
        answer = client.post("/score", json={"rows": [*rows, {"prompt": "no response"}]}).json()
        assert [row.get("id") for row in answer["rows"]] == [*range(100), None]
        assert [row["score"] for row in answer["rows"]] == [
            *(float(number == 42) for number in range(100)),
            None,
        ]
        again = client.post("/score", json=ROW).json()
        assert again == found
        counts = metrics(client)
        assert counts["rows_total"] == 103 and counts["missing_total"] == 1
        assert counts["cached_total"] == 1 and counts["waiting"] == 0


def test_what_does_not_fit_is_refused(here: Scorer) -> None:
    with service(here, max_body_bytes=2000, max_rows=3) as client:

        def refused(**request: Any) -> tuple[int, str]:
            answer = client.post("/score", **request)
            return answer.status_code, answer.json()["error"]["message"]

        assert refused(content=b"{")[0] == 400
        assert refused(content=b"[1]")[0] == 400
        assert refused(content=b"\xff\xfe")[0] == 400
        assert refused(json={"rows": 3})[0] == 400
        assert refused(json={"rows": [ROW], "mode": "fast"})[0] == 400
        assert refused(json={"rows": [ROW, 3]}) == (400, "rows[1] is no object")
        assert refused(json={"rows": [ROW] * 4})[0] == 413
        assert refused(json=ROW | {"response": "x" * 3000})[0] == 413
        assert client.get("/score").status_code == 405
        assert client.post("/score", json=ROW).status_code == 200


def slowly(row: Row, reply: str) -> Verdict:
    time.sleep(0.8)
    return Verdict(score=1.0)


def test_a_full_queue_says_so_at_once(here: Scorer) -> None:
    with service(replace(here, reads=slowly), max_waiting=2) as client:
        busy = threading.Thread(target=client.post, args=("/score",), kwargs={"json": {
            "rows": [ROW | {"id": 1}, ROW | {"id": 2}]
        }})  # fmt: skip
        busy.start()
        while not metrics(client)["waiting"]:
            time.sleep(0.01)
        answer = client.post("/score", json=ROW)
        assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
        busy.join()
        assert client.post("/score", json=ROW).status_code == 200


def test_rows_of_many_clients_are_judged_together(here: Scorer) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def counted(row: Row, reply: str) -> Verdict:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.2)
        with lock:
            running[0] -= 1
        return Verdict(score=1.0)

    with service(replace(here, reads=counted)) as client:
        answers: list[dict[str, Any]] = []

        def ask(number: int) -> None:
            answers.append(client.post("/score", json=ROW | {"id": number}).json())

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 < most[0] <= here.config.threads
        assert sorted(answer["id"] for answer in answers) == list(range(9))


def test_a_fault_of_ours_ends_its_request_alone(here: Scorer) -> None:
    def breaks(row: Row, reply: str) -> Verdict:
        if row.answer == "13":
            raise RuntimeError("a fault")
        return Verdict(score=1.0)

    with service(replace(here, reads=breaks)) as client:
        assert client.post("/score", json=ROW | {"answer": "13"}).status_code == 500
        assert json.loads(client.post("/score", json=ROW).text)["score"] == 1.0
        assert metrics(client)["waiting"] == 0
