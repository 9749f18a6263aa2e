"""`naga serve`: options and --set become the configs of an engine and a server, which runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from naga.checkpoint.hub import find_model
from naga.cli.options import A_MODEL, Backend, Device, DtypeOption, Kv, Weights, engine_config
from naga.config.base import ConfigError
from naga.config.load import apply_override, parse_config
from naga.config.serve import EngineConfig, ServerConfig

# What --set takes: all that has no option of its own.
SETTINGS = [
    name
    for name in (*EngineConfig.model_fields, *ServerConfig.model_fields)
    if name not in {"dtype", "weights", "kv", "device", "backend", "host", "port"}
]


def serve(
    path: Annotated[Path | None, typer.Argument(help=f"{A_MODEL}; default: naga-mini")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on. 监听地址")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 picks a free port. 端口")] = 8000,
    dtype: DtypeOption = None,
    weights: Weights = None,
    kv: Kv = None,
    device: Device = "cpu",
    backend: Backend = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE, as kv_tokens=200000; see docs/server.md. 设置"),
    ] = None,
) -> None:
    """Serve a model over an OpenAI-compatible API with a chat page. 启动服务."""
    for_engine = engine_config(dtype, weights, kv, device, backend).model_dump()
    for_server: dict[str, Any] = {"host": host, "port": port}
    for name, value in _settings(settings or []).items():
        owner = for_engine if name in for_engine else for_server
        owner[name] = value
    server = parse_config(ServerConfig, for_server, source="naga serve")
    engine = parse_config(EngineConfig, for_engine, source="naga serve")
    from naga.server.process import serve as run

    run(None if path is None else find_model(path), engine, server)


def _settings(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE of SETTINGS; ConfigError for any other name."""
    found: dict[str, Any] = {}
    for setting in given:
        apply_override(found, setting)
    for name in found:
        if name not in SETTINGS:
            raise ConfigError(f"--set {name}: there is {', '.join(SETTINGS)}")
    return found
