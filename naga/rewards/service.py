"""Rewards over HTTP: `make_app` puts a scorer behind POST /score, GET /health and GET /metrics.

POST /score takes one row (the fields of a JSONL row) and answers it judged, or `{"rows": [...]}`
and answers `{"rows": [...]}` in order. Rows that wait are judged together, in batches; a row that
was judged before is not judged again. What does not fit is refused at once: 413 for a body or a
batch that is too large, 429 with Retry-After for a full queue. A malformed row is a row without a
score, not an error. No keys, no TLS: a proxy in front is the place for those.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import Field
from starlette.requests import ClientDisconnect

from naga.config.base import Config
from naga.data.messages import read_object, to_json
from naga.rewards.score import Scorer

Record = dict[str, object]


class ServiceConfig(Config):
    max_body_bytes: int = Field(default=16 << 20, gt=0)
    max_rows: int = Field(default=1024, gt=0)
    """Of one request."""
    max_waiting: int = Field(default=4096, gt=0)
    """Rows that wait, of all requests together."""
    max_batch: int = Field(default=64, gt=0)
    """Rows that are judged together."""
    cache_size: int = Field(default=20_000, ge=0)
    """Judged rows kept; those without a score are not."""


@dataclass
class Counters:
    requests: int = 0
    refused: int = 0
    rows: int = 0
    missing: int = 0
    cached: int = 0
    waiting: int = 0

    def exposition(self) -> str:
        """Prometheus' text format."""
        kinds = {"waiting": "gauge"}
        return "".join(
            f"# TYPE naga_reward_{name}{suffix} {kind}\nnaga_reward_{name}{suffix} {value}\n"
            for name, value in vars(self).items()
            for kind in [kinds.get(name, "counter")]
            for suffix in ["" if kind == "gauge" else "_total"]
        )


@dataclass(frozen=True)
class Refusal(Exception):
    status: int
    message: str


@dataclass(frozen=True)
class _Waiting:
    record: Record
    done: asyncio.Future[Record] = field(compare=False)


class Service:
    """What the routes share; lives on one event loop."""

    def __init__(self, scorer: Scorer, config: ServiceConfig) -> None:
        self._scorer, self._config = scorer, config
        self._counters = Counters()
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._known: OrderedDict[str, Record] = OrderedDict()

    async def score(self, http: Request) -> Response:
        self._counters.requests += 1
        try:
            body = await self._body(http)
            batch = self._batch(body)
            found = await self._judged([body] if batch is None else batch)
        except Refusal as refusal:
            self._counters.refused += 1
            headers = {"retry-after": "1"} if refusal.status == 429 else {}
            said = {"error": {"message": refusal.message}}
            return JSONResponse(said, refusal.status, headers)
        content = to_json(found[0] if batch is None else {"rows": found})
        return Response(content, media_type="application/json")

    async def health(self) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(self) -> Response:
        return PlainTextResponse(self._counters.exposition())

    async def work(self) -> None:
        """Judges what waits, batch after batch; runs until it is cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._config.max_batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            records = [waiting.record for waiting in batch]
            try:
                found = await asyncio.to_thread(self._scorer.score_many, records)
            except Exception as error:
                # A fault of ours must end its requests, not the service.
                for waiting in batch:
                    if not waiting.done.done():
                        waiting.done.set_exception(RuntimeError(f"scoring failed: {error!r}"))
                continue
            finally:
                self._counters.waiting -= len(batch)
            for waiting, record in zip(batch, found, strict=True):
                self._keep(waiting.record, record)
                if not waiting.done.done():
                    waiting.done.set_result(record)

    async def _judged(self, records: Sequence[Record]) -> list[Record]:
        known = [self._known.get(_key(record)) for record in records]
        new = [record for record, found in zip(records, known, strict=True) if found is None]
        if self._counters.waiting + len(new) > self._config.max_waiting:
            raise Refusal(429, "too many rows wait; try again later")
        self._counters.waiting += len(new)
        self._counters.rows += len(records)
        self._counters.cached += len(records) - len(new)
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(record, loop.create_future()) for record in new]
        for each in waiting:
            self._queue.put_nowait(each)
        found = iter(await asyncio.gather(*(each.done for each in waiting)))
        return [next(found) if record is None else record for record in known]

    def _keep(self, record: Record, found: Record) -> None:
        if found["score"] is None:
            self._counters.missing += 1
            return
        self._known[_key(record)] = found
        while len(self._known) > self._config.cache_size:
            self._known.popitem(last=False)

    async def _body(self, http: Request) -> Record:
        most, body = self._config.max_body_bytes, bytearray()
        size = 0
        try:
            async for piece in http.stream():
                size += len(piece)
                # The client hears a refusal only after it has sent all: read on a while.
                if size > 4 * most:
                    break
                if size <= most:
                    body += piece
        except ClientDisconnect:
            raise Refusal(400, "the client left") from None
        if size > most:
            raise Refusal(413, f"the body is larger than {most} bytes")
        try:
            return read_object(body.decode())
        except ValueError as error:
            raise Refusal(400, f"the body is no JSON object: {error}") from None

    def _batch(self, body: Record) -> list[Record] | None:
        """None for a body that is one row."""
        if "rows" not in body:
            return None
        rows = body["rows"]
        if len(body) > 1 or not isinstance(rows, list):
            raise Refusal(400, "'rows' must be a list, and all that there is")
        if len(rows) > self._config.max_rows:
            raise Refusal(413, f"{len(rows)} rows; {self._config.max_rows} at once")
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise Refusal(400, f"rows[{number}] is no object")
        return rows


def make_app(scorer: Scorer, config: ServiceConfig | None = None) -> FastAPI:
    """The caller opens and closes the scorer, and listens."""
    service = Service(scorer, config or ServiceConfig())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        working = asyncio.create_task(service.work())
        yield
        working.cancel()

    app = FastAPI(title="naga rewards", openapi_url=None, lifespan=lifespan)
    app.add_api_route("/score", service.score, methods=["POST"])
    app.add_api_route("/health", service.health, methods=["GET"])
    app.add_api_route("/metrics", service.metrics, methods=["GET"])
    return app


def _key(record: Record) -> str:
    return hashlib.sha256(to_json(record).encode()).hexdigest()
