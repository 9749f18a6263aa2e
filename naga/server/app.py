"""`make_app` puts a running engine behind OpenAI's chat API; `serve` is the whole server process.

A chat request takes the path: bounded body -> ChatRequest -> prompt tokens (on a worker thread) ->
engine -> JSON or server-sent events. When its client goes away, its engine requests are cancelled.
The port is taken before the model is loaded and listens only once the engine can serve. No keys,
no TLS, no CORS: a proxy in front is the place for those.
"""

import asyncio
import errno
import logging
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import naga
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig, ServerConfig
from naga.data.chat import render_prompt
from naga.engine.chat import open_engine
from naga.engine.engine import Engine
from naga.engine.request import QueueFull, SamplingParams
from naga.engine.request import Request as EngineRequest
from naga.server.connection import EventStream, read_body, while_connected
from naga.server.page import load_page
from naga.server.protocol import ApiError, ChatRequest, parse_request
from naga.server.stream import Feed, Head, complete, events

Json = dict[str, Any]


def make_app(engine: Engine, model_name: str, config: ServerConfig) -> FastAPI:
    """The API over `engine`, whose one model answers to `model_name`."""
    app = FastAPI(title="naga", openapi_url=None)
    service = Service(engine, model_name, config)
    page = load_page()
    app.add_api_route("/v1/chat/completions", service.chat, methods=["POST"])
    app.add_api_route("/v1/models", service.models, methods=["GET"])
    app.add_api_route("/v1/models/{name:path}", service.model, methods=["GET"])
    app.add_api_route("/health", service.health, methods=["GET"])
    app.add_api_route("/ready", service.ready, methods=["GET"])
    app.add_api_route("/", lambda: page, methods=["GET"], response_model=None)
    app.add_exception_handler(ApiError, _refuse)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _broken)
    return app


class Service:
    """What the routes share; each public method is one route."""

    def __init__(self, engine: Engine, model_name: str, config: ServerConfig) -> None:
        self._engine = engine
        self._model_name = model_name
        self._default_max_tokens = config.default_max_tokens
        pages = engine.config.kv_tokens // engine.config.page_size
        self._context = min(engine.model_config.max_positions, pages * engine.config.page_size)
        self._started = int(time.time())

    async def chat(self, http: Request) -> Response:
        request = parse_request(await read_body(http))
        self._check_model(request.model)
        messages = [message.message() for message in request.messages]
        try:
            prompt = await asyncio.to_thread(
                render_prompt, self._engine.tokenizer, messages, enable_thinking=request.thinking
            )
        except ConfigError as error:
            raise ApiError(status=400, message=str(error), param="messages") from None
        head = self._head(request)
        feed = self._submit(request, head, prompt)
        if request.stream:
            return EventStream(feed, events(feed, head, self._engine.tokenizer))
        try:
            return JSONResponse(
                await while_connected(http, complete(feed, head, self._engine.tokenizer))
            )
        finally:
            feed.close()

    async def models(self) -> Json:
        return {"object": "list", "data": [self._card()]}

    async def model(self, name: str) -> Json:
        self._check_model(name)
        return self._card()

    async def health(self) -> Json:
        """The process answers."""
        return {"status": "ok"}

    async def ready(self) -> Json:
        """A chat request would be taken now."""
        self._check_alive()
        return {"status": "ready"}

    def _card(self) -> Json:
        return {
            "id": self._model_name,
            "object": "model",
            "created": self._started,
            "owned_by": "naga",
            "max_model_len": self._context,
        }

    def _check_model(self, name: str) -> None:
        if name != self._model_name:
            message = (
                f"the model {name[:100]!r} does not exist; this server has {self._model_name!r}"
            )
            raise ApiError(status=404, message=message, param="model", code="model_not_found")

    def _check_alive(self) -> None:
        if not self._engine.alive:
            raise ApiError(status=503, kind="server_error", message="the engine has stopped")

    def _head(self, request: ChatRequest) -> Head:
        return Head(
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=self._model_name,
            fingerprint=f"naga-{naga.__version__}-{self._engine.numerics}",
            # 53 bits: a number that JavaScript reads exactly.
            seed=secrets.randbits(53) if request.seed is None else request.seed,
            num_choices=request.n,
            thinking=request.thinking,
            logprobs=request.logprobs,
            include_usage=request.include_usage,
            user=request.user,
        )

    def _submit(self, request: ChatRequest, head: Head, prompt: list[int]) -> Feed:
        room = max(1, self._context - len(prompt))
        max_tokens = request.token_limit or min(self._default_max_tokens, room)
        try:
            return Feed(self._engine, _engine_requests(request, head, prompt, max_tokens))
        except QueueFull as error:
            raise ApiError(
                status=429,
                kind="rate_limit_error",
                message=str(error),
                code="rate_limit_exceeded",
            ) from None
        except ConfigError as error:
            self._check_alive()
            too_long = len(prompt) + max_tokens > self._context
            raise ApiError(
                status=400,
                message=str(error),
                param="messages" if too_long else None,
                code="context_length_exceeded" if too_long else None,
            ) from None


def _engine_requests(
    request: ChatRequest, head: Head, prompt: list[int], max_tokens: int
) -> list[EngineRequest]:
    """One for each choice; they differ in nothing but its index."""
    sampling = SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        seed=head.seed,
        max_tokens=max_tokens,
        stop=tuple(request.stop),
    )
    return [
        EngineRequest(
            id=f"{head.id}-{choice}",
            prompt=tuple(prompt),
            sampling=sampling,
            thinking=request.thinking,
            choice=choice,
        )
        for choice in range(request.n)
    ]


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


def serve(path: Path | None, engine_config: EngineConfig, server_config: ServerConfig) -> None:
    """Serve the checkpoint folder `path` (None: the shipped model) until SIGINT or SIGTERM.

    To be called from the main thread. ConfigError for a checkpoint or address that cannot be used.
    """
    folder = path or Path(str(resources.files("naga") / "assets" / "naga-mini"))
    with closing(_bind(server_config)) as listener, open_engine(folder, engine_config) as engine:
        if not engine.tokenizer.is_chat():
            raise ConfigError(
                f"{folder}: its tokenizer has no chat tokens; try naga generate --raw"
            )
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger("naga").setLevel(logging.INFO)
        name = folder.resolve().name
        greeting = f"naga ready 已就绪  {_url(listener)}  model 模型 {name}  {engine.numerics}"
        server = _Server(make_app(engine, name, server_config), engine, greeting)
        # Two processes can hold an idle port at once; the second to listen learns it here.
        with _address_errors(server_config):
            listener.listen()
        # uvicorn repeats the signal that ended it to whoever held it before: here, to itself.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        server.run([listener])


@final
class _Server(uvicorn.Server):
    """Says when it is ready, and ends running answers before it waits for their connections."""

    def __init__(self, app: FastAPI, engine: Engine, greeting: str) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._engine = engine
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._greeting, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._engine.close)
        await super().shutdown(sockets)


def _bind(config: ServerConfig) -> socket.socket:
    """A socket that holds the port but refuses connections until it listens."""
    with _address_errors(config):
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    return listener


@contextmanager
def _address_errors(config: ServerConfig) -> Iterator[None]:
    """What the system says about host and port, as a ConfigError."""
    try:
        yield
    except OSError as error:
        where = f"cannot listen on {config.host} port {config.port}"
        if error.errno == errno.EADDRINUSE:
            advice = "it is in use; stop what runs there or give another --port"
        else:
            advice = f"{error.strerror}; give another --host or --port"
        raise ConfigError(f"{where}: {advice}") from None


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
