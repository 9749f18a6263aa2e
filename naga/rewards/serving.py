"""The process of `naga reward serve`: takes a port, says where it listens, serves until a signal.

To be called from the main thread, for the signals. The scorer is the caller's.
"""

import socket
from collections.abc import Callable

import uvicorn

from naga.config.base import ConfigError
from naga.rewards.score import Scorer
from naga.rewards.service import ServiceConfig, make_app


def serve(
    scorer: Scorer,
    host: str,
    port: int,
    config: ServiceConfig | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """`ready` is told the address; port 0 lets the system choose. ConfigError: cannot listen."""
    with take_port(host, port) as listener:
        name, number = listener.getsockname()[:2]
        ready(f"naga reward ready 已就绪  http://{name}:{number}/score")
        app = make_app(scorer, config)
        options = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        uvicorn.Server(options).run([listener])


def take_port(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), reuse_port=False)
    except OSError as error:
        why = error.strerror or error
        message = f"cannot listen on {host} port {port}: {why}; give another --host or --port"
        raise ConfigError(message) from None
