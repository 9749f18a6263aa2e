"""`make_app` puts a running engine behind OpenAI's API; `serve` is the whole server process.

A request takes the path: bounded body -> checked request -> prompt tokens (on a worker thread) ->
engine -> JSON or server-sent events. When its client goes away, its engine requests are cancelled.
The port is taken before the model is loaded and listens only once the engine can serve. No keys,
no TLS, no CORS: a proxy in front is the place for those.
"""

import asyncio
import errno
import hashlib
import logging
import secrets
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
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
from naga.data.chat import message_ends, render_prompt
from naga.data.tokenizer import Tokenizer
from naga.disk import state_home
from naga.engine.chat import open_engine
from naga.engine.engine import Engine
from naga.engine.identity import identify
from naga.engine.keeper import Keeper
from naga.engine.request import QueueFull, SamplingParams
from naga.engine.request import Request as EngineRequest
from naga.engine.store import StateStore
from naga.server.connection import EventStream, read_body, while_connected
from naga.server.metrics import MEDIA_TYPE, exposition
from naga.server.page import load_page
from naga.server.protocol import (
    ApiError,
    ChatRequest,
    CompletionRequest,
    Generation,
    Prompt,
    parse_request,
)
from naga.server.stream import Feed, Head, complete, events
from naga.server.text import Wishes, complete_text, text_events

Json = dict[str, Any]
# What OpenAI gives a plain completion that names no limit.
DEFAULT_TEXT_TOKENS = 16


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


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The prompts of one request, and whose it is."""

    prompts: Sequence[Sequence[int]]
    tenant: str
    boundaries: tuple[int, ...]
    """Where messages end in the prompt."""
    param: str
    """The field that holds the prompts."""
    conversation: str | None = None
    """Its name."""


class Service:
    """What the routes share; each public method is one route."""

    def __init__(
        self, engine: Engine, model_name: str, config: ServerConfig, keeper: Keeper | None
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._model_name = model_name
        self._default_max_tokens = config.default_max_tokens
        pages = engine.config.kv_tokens // engine.config.page_size
        self._context = min(engine.model_config.max_positions, pages * engine.config.page_size)
        self._started = int(time.time())

    async def chat(self, http: Request) -> Response:
        request = parse_request(await read_body(http), ChatRequest)
        self._check_model(request.model)
        messages = [message.message() for message in request.messages]
        try:
            prompt = await asyncio.to_thread(
                render_prompt, self._engine.tokenizer, messages, enable_thinking=request.thinking
            )
        except ConfigError as error:
            raise ApiError(status=400, message=str(error), param="messages") from None
        head = self._chat_head(request)
        room = max(1, self._context - len(prompt))
        max_tokens = request.token_limit or min(self._default_max_tokens, room)
        ends = message_ends(self._engine.tokenizer, prompt)
        wanted = Wanted(
            prompts=[prompt],
            tenant=tenant_of(http),
            boundaries=ends,
            param="messages",
            conversation=request.prompt_cache_key,
        )
        feed = await self._submit(request, head, wanted, max_tokens)
        if request.stream:
            return EventStream(feed, events(feed, head, self._engine.tokenizer))
        return await _whole(http, feed, complete(feed, head, self._engine.tokenizer))

    async def text(self, http: Request) -> Response:
        request = parse_request(await read_body(http), CompletionRequest)
        self._check_model(request.model)
        tokenizer = self._engine.tokenizer
        prompts = await asyncio.to_thread(_tokens_of, tokenizer, request.prompt)
        head = self._text_head(request)
        room = max(1, self._context - max(map(len, prompts)))
        max_tokens = request.max_tokens or min(DEFAULT_TEXT_TOKENS, room)
        wanted = Wanted(prompts=prompts, tenant=tenant_of(http), boundaries=(), param="prompt")
        feed = await self._submit(request, head, wanted, max_tokens)
        wishes = Wishes(n=request.n, echoes=_echoes(tokenizer, request))
        if request.stream:
            return EventStream(feed, text_events(feed, head, wishes, tokenizer))
        return await _whole(http, feed, complete_text(feed, head, wishes, tokenizer))

    async def save(self, http: Request, name: str) -> Json:
        """What was said last under this name, onto the disk."""
        keeper = self._require_keeper()
        try:
            saved = await asyncio.to_thread(keeper.save, name, tenant_of(http))
        except ConfigError as error:
            raise ApiError(status=507, kind="server_error", message=str(error)) from None
        if saved is None:
            message = f"nothing is known of a conversation {name[:100]!r} with this key"
            raise ApiError(status=404, message=message)
        return {"name": name, "tokens": saved}

    async def remove(self, http: Request, name: str) -> Json:
        """From the disk."""
        await asyncio.to_thread(self._require_keeper().remove, name, tenant_of(http))
        return {"name": name, "deleted": True}

    def _require_keeper(self) -> Keeper:
        if self._keeper is None:
            message = "this server keeps no conversations: state_bytes is 0"
            raise ApiError(status=404, message=message)
        return self._keeper

    async def _begin(self, wanted: Wanted) -> Callable[[Sequence[int]], None] | None:
        """What to call when a named conversation has gone on."""
        name, tenant = wanted.conversation, wanted.tenant
        if name is None:
            return None
        keeper = self._require_keeper()
        await asyncio.to_thread(keeper.begin, name, tenant, wanted.prompts[0])
        return partial(keeper.end, name, tenant)

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

    async def metrics(self) -> Response:
        """For Prometheus."""
        return Response(exposition(self._engine.load, self._engine.config), media_type=MEDIA_TYPE)

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

    def _chat_head(self, request: ChatRequest) -> Head:
        return self._head(
            "chatcmpl",
            request,
            num_choices=request.n,
            per_prompt=request.n,
            thinking=request.thinking,
            logprobs=request.logprobs,
        )

    def _text_head(self, request: CompletionRequest) -> Head:
        return self._head(
            "cmpl",
            request,
            num_choices=request.num_generated * len(request.prompt),
            per_prompt=request.num_generated,
            thinking=False,
            logprobs=request.logprobs is not None,
        )

    def _head(
        self,
        kind: str,
        request: Generation,
        *,
        num_choices: int,
        per_prompt: int,
        thinking: bool,
        logprobs: bool,
    ) -> Head:
        return Head(
            id=f"{kind}-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=self._model_name,
            fingerprint=f"naga-{naga.__version__}-{self._engine.numerics}",
            # 53 bits: a number that JavaScript reads exactly.
            seed=secrets.randbits(53) if request.seed is None else request.seed,
            num_choices=num_choices,
            per_prompt=per_prompt,
            thinking=thinking,
            logprobs=logprobs,
            include_usage=request.include_usage,
            user=request.user,
        )

    async def _submit(
        self, request: Generation, head: Head, wanted: Wanted, max_tokens: int
    ) -> Feed:
        try:
            sampling = request.sampling(seed=head.seed, max_tokens=max_tokens)
            requests = _engine_requests(request, head, wanted, sampling)
            loop = asyncio.get_running_loop()
            ended = await self._begin(wanted)
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
            too_long = max(map(len, wanted.prompts)) + max_tokens > self._context
            raise ApiError(
                status=400,
                message=str(error),
                param=wanted.param if too_long else None,
                code="context_length_exceeded" if too_long else None,
            ) from None


def tenant_of(http: Request) -> str:
    """The digest of its key; whoever sends none shares one with all the others."""
    key = http.headers.get("authorization", "")
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def _engine_requests(
    request: Generation, head: Head, wanted: Wanted, sampling: SamplingParams
) -> list[EngineRequest]:
    """Prompt by prompt, one for each choice; those differ in nothing but its index."""
    return [
        EngineRequest(
            id=f"{head.id}-{index}-{choice}",
            prompt=tuple(prompt),
            sampling=sampling,
            thinking=head.thinking,
            raw=isinstance(request, CompletionRequest),
            choice=choice,
            tenant=wanted.tenant,
            priority=request.priority,
            deadline_s=request.deadline_s,
            boundaries=wanted.boundaries,
        )
        for index, prompt in enumerate(wanted.prompts)
        for choice in range(head.per_prompt)
    ]


def _tokens_of(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[list[int]]:
    """ApiError for a token beyond the vocabulary and for text that is not Unicode."""
    try:
        tokens = [p if isinstance(p, list) else tokenizer.encode(p) for p in prompts]
    except ConfigError as error:
        raise ApiError(status=400, message=str(error), param="prompt") from None
    beyond = max((max(prompt, default=0) for prompt in tokens), default=0)
    if beyond >= tokenizer.vocab_size:
        message = f"prompt: token {beyond} is beyond the vocabulary of {tokenizer.vocab_size}"
        raise ApiError(status=400, message=message, param="prompt")
    return tokens


def _echoes(tokenizer: Tokenizer, request: CompletionRequest) -> tuple[str, ...] | None:
    if not request.echo:
        return None
    return tuple(p if isinstance(p, str) else tokenizer.decode(p) for p in request.prompt)


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
        keeper = _open_keeper(engine, folder, server_config)
        app = make_app(engine, name, server_config, keeper)
        server = _Server(app, engine, keeper, greeting)
        # Two processes can hold an idle port at once; the second to listen learns it here.
        with _address_errors(server_config):
            listener.listen()
        # uvicorn repeats the signal that ended it to whoever held it before: here, to itself.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        server.run([listener])


def _open_keeper(engine: Engine, folder: Path, config: ServerConfig) -> Keeper | None:
    if not config.state_bytes:
        return None
    store = StateStore(state_home() / "conversations", config.state_bytes)
    return Keeper(engine, store, partial(identify, folder, engine.numerics), config.state_idle_s)


@final
class _Server(uvicorn.Server):
    """Says when it is ready, and ends running answers before it waits for their connections."""

    def __init__(self, app: FastAPI, engine: Engine, keeper: Keeper | None, greeting: str) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._engine, self._keeper = engine, keeper
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._greeting, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.close)
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
