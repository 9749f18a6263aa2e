"""The serving process: it takes the port, loads the model, listens, and ends in good order.

The port is taken before the model is loaded and listens only once the engine can serve. Assumes the
main thread, for the signals. At the end named conversations are saved and running answers ended
before their connections are waited for. Knows no routes.
"""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import final

import uvicorn
from fastapi import FastAPI

from naga.checkpoint.hub import name_of
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig, ServerConfig
from naga.data.formats import format_of
from naga.disk import state_home
from naga.engine.chat import open_engine
from naga.engine.engine import Engine
from naga.engine.identity import identify
from naga.engine.keeper import Keeper
from naga.engine.store import StateStore
from naga.server.app import make_app
from naga.train.progress import load_bar


def serve(path: Path | None, engine_config: EngineConfig, server_config: ServerConfig) -> None:
    """Serve the checkpoint folder `path` (None: the shipped model) until SIGINT or SIGTERM.

    To be called from the main thread. ConfigError for a checkpoint or address that cannot be used.
    """
    folder = path or Path(str(resources.files("naga") / "assets" / "naga-mini"))
    with (
        closing(_bind(server_config)) as listener,
        open_engine(folder, engine_config, load_bar) as engine,
    ):
        try:
            format_of(engine.tokenizer)
        except ConfigError as error:
            raise ConfigError(f"{folder}: {error}") from None
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger("naga").setLevel(logging.INFO)
        name = name_of(folder)
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
