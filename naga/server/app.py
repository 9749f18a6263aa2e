"""`make_app` puts a running engine behind OpenAI's API: the routes, and how a failure looks.

A request takes the path: bounded body (connection.py) -> checked, its prompt as tokens
(requests.py, on a worker thread) -> engine -> JSON or server-sent events (stream.py, text.py). When
its client goes away, its engine requests are cancelled. No keys, no TLS, no CORS: a proxy in front
is the place for those.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from naga.config.base import ConfigError
from naga.config.serve import ServerConfig
from naga.engine.engine import Engine
from naga.engine.keeper import Keeper
from naga.engine.request import QueueFull
from naga.server.connection import EventStream, read_body, while_connected
from naga.server.metrics import MEDIA_TYPE, exposition
from naga.server.page import load_page
from naga.server.protocol import AnyRequest, ApiError
from naga.server.requests import Call, read_chat, read_text, served_by
from naga.server.stream import Feed, complete, events
from naga.server.text import complete_text, text_events

Json = dict[str, Any]
Given = TypeVarTuple("Given")
Result = TypeVar("Result")
NO_KEEPER = "this server keeps no conversations (state_bytes is 0)"


def make_app(
    engine: Engine, model_name: str, config: ServerConfig, keeper: Keeper | None = None
) -> FastAPI:
    """The API over `engine`, whose one model answers to `model_name`.

    `keeper`: of named conversations; None keeps none.
    """
    app = FastAPI(title="naga", openapi_url=None)
    service = Service(engine, model_name, config, keeper)
    page = load_page()
    app.add_api_route("/v1/chat/completions", service.chat, methods=["POST"])
    app.add_api_route("/v1/completions", service.text, methods=["POST"])
    app.add_api_route("/v1/conversations/{name:path}", service.save, methods=["PUT"])
    app.add_api_route("/v1/conversations/{name:path}", service.remove, methods=["DELETE"])
    app.add_api_route("/v1/models", service.models, methods=["GET"])
    app.add_api_route("/v1/models/{name:path}", service.model, methods=["GET"])
    app.add_api_route("/metrics", service.metrics, methods=["GET"])
    app.add_api_route("/health", service.health, methods=["GET"])
    app.add_api_route("/ready", service.ready, methods=["GET"])
    app.add_api_route("/", lambda: page, methods=["GET"], response_model=None)
    app.add_exception_handler(ApiError, _refuse)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _broken)
    return app


class Service:
    """What the routes share; each public method is one route."""

    def __init__(
        self, engine: Engine, model_name: str, config: ServerConfig, keeper: Keeper | None
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        # Apart from the threads that read requests: a large state takes seconds to save.
        self._keeping = ThreadPoolExecutor(max_workers=2, thread_name_prefix="naga-keeping")
        self._served = served_by(engine, model_name, config)
        self._started = int(time.time())

    async def chat(self, http: Request) -> Response:
        body = await read_body(http)
        call = await asyncio.to_thread(read_chat, self._served, body, tenant_of(http))
        feed, tokenizer = await self._submit(call), self._engine.tokenizer
        if call.request.stream:
            return EventStream(feed, events(feed, call.head, tokenizer))
        return await _whole(http, feed, complete(feed, call.head, tokenizer))

    async def text(self, http: Request) -> Response:
        body = await read_body(http)
        call, wishes = await asyncio.to_thread(read_text, self._served, body, tenant_of(http))
        feed, tokenizer = await self._submit(call), self._engine.tokenizer
        if call.request.stream:
            return EventStream(feed, text_events(feed, call.head, wishes, tokenizer))
        return await _whole(http, feed, complete_text(feed, call.head, wishes, tokenizer))

    async def save(self, http: Request, name: str) -> Json:
        """What was said last under this name, onto the disk."""
        keeper = self._require_keeper()
        try:
            saved = await self._keep(keeper.save, name, tenant_of(http))
        except ConfigError as error:
            self._check_alive()
            raise ApiError(status=507, kind="server_error", message=str(error)) from None
        if saved is None:
            message = f"nothing is known of a conversation {name[:100]!r} with this key"
            raise ApiError(status=404, message=message)
        return {"name": name, "tokens": saved}

    async def remove(self, http: Request, name: str) -> Json:
        """From the disk."""
        await self._keep(self._require_keeper().remove, name, tenant_of(http))
        return {"name": name, "deleted": True}

    async def models(self) -> Json:
        return {"object": "list", "data": [self._card()]}

    async def model(self, name: str) -> Json:
        self._served.check_name(name)
        return self._card()

    async def health(self) -> Json:
        """The process answers."""
        return {"status": "ok"}

    async def ready(self) -> Json:
        """A chat request would be taken now."""
        self._check_alive()
        return {"status": "ready"}

    async def metrics(self) -> Response:
        """For Prometheus."""
        return Response(exposition(self._engine.load, self._engine.config), media_type=MEDIA_TYPE)

    def _card(self) -> Json:
        return {
            "id": self._served.name,
            "object": "model",
            "created": self._started,
            "owned_by": "naga",
            "max_model_len": self._served.context,
        }

    def _check_alive(self) -> None:
        if not self._engine.alive:
            raise ApiError(status=503, kind="server_error", message="the engine has stopped")

    def _require_keeper(self) -> Keeper:
        if self._keeper is None:
            raise ApiError(status=404, message=NO_KEEPER)
        return self._keeper

    async def _keep(self, call: Callable[[*Given], Result], *given: *Given) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._keeping, call, *given)

    async def _begin(self, call: Call[AnyRequest]) -> Callable[[Sequence[int]], None] | None:
        """What to call when a named conversation has gone on."""
        name, tenant = call.conversation, call.tenant
        if name is None:
            return None
        if (keeper := self._keeper) is None:
            message = f"prompt_cache_key: {NO_KEEPER}; remove it"
            raise ApiError(status=400, message=message, param="prompt_cache_key")
        await self._keep(keeper.begin, name, tenant, call.prompts[0])
        return partial(keeper.end, name, tenant)

    async def _submit(self, call: Call[AnyRequest]) -> Feed:
        loop = asyncio.get_running_loop()
        try:
            requests = call.engine_requests()
            ended = await self._begin(call)
            return await asyncio.to_thread(Feed, self._engine, requests, loop, ended)
        except QueueFull as error:
            raise ApiError(
                status=429,
                kind="rate_limit_error",
                message=str(error),
                code="rate_limit_exceeded",
            ) from None
        except ConfigError as error:
            self._check_alive()
            raise call.refusal(error) from None


def tenant_of(http: Request) -> str:
    """The digest of its key; whoever sends none shares one with all the others."""
    key = http.headers.get("authorization", "")
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


async def _whole(http: Request, feed: Feed, answer: Coroutine[Any, Any, Json]) -> Response:
    try:
        return JSONResponse(await while_connected(http, answer))
    finally:
        feed.close()


async def _refuse(http: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {"Retry-After": "1"} if error.status in (429, 503) else None
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


async def _no_route(http: Request, error: Exception) -> Response:
    """404 and 405 of the router, in the API's own shape."""
    assert isinstance(error, HTTPException)
    message = f"{http.method} {http.url.path[:100]}: {error.detail}"
    body = ApiError(status=error.status_code, message=message).body()
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _broken(http: Request, error: Exception) -> Response:
    """A mistake of ours: the client gets one line, the log gets the trace."""
    failure = ApiError(
        status=500, kind="server_error", message="internal error; see the server log"
    )
    return JSONResponse(failure.body(), status_code=500)
