"""A hub on this machine: the part of its HTTP that downloads of models use, over files in memory.

Answers as the real one does: revisions to commits, the list of files, their heads and their bytes,
and the error codes by which the client's library tells what is wrong.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants as hub_constants
import pytest

Files = dict[str, bytes]


def files_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def commit_of(files: Files) -> str:
    listing = "".join(f"{name} {digest(data)}\n" for name, data in sorted(files.items()))
    return hashlib.sha1(listing.encode()).hexdigest()


def digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@dataclass
class Hub:
    url: str = ""
    branches: dict[str, dict[str, Files]] = field(default_factory=dict)
    """Repository -> branch -> files."""
    gated: set[str] = field(default_factory=set)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    """`METHOD path` of every request."""

    def publish(self, name: str, files: Files, branch: str = "main") -> None:
        self.branches.setdefault(name, {})[branch] = files

    def fetched(self) -> set[str]:
        """Names of the files whose bytes were asked for."""
        return {line.rsplit("/", 1)[1] for line in self.asked if line.startswith("GET /")} - {
            line.rsplit("/", 1)[1] for line in self.asked if line.startswith("GET /api/")
        }


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, hub, body=True)

        def do_HEAD(self) -> None:
            answer(self, hub, body=False)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(http: BaseHTTPRequestHandler, hub: Hub, *, body: bool) -> None:
    path = unquote(urlsplit(http.path).path)
    hub.asked.append(f"{http.command} {path}")
    parts = path.strip("/").split("/")
    if hub.down:
        return reply(http, 503, {}, b"down", body)
    api = parts[:2] == ["api", "models"]
    owner_name, rest = "/".join(parts[2:4] if api else parts[:2]), parts[4 if api else 2 :]
    if owner_name not in hub.branches:
        return refuse(http, 404, "RepoNotFound", body)
    found = find_revision(hub.branches[owner_name], rest)
    if found is None:
        return refuse(http, 404, "RevisionNotFound", body)
    files, tail = found
    commit = commit_of(files)
    if api:
        data = tree(files) if rest[0] == "tree" else info(owner_name, commit, files)
        return reply(http, 200, {"Content-Type": "application/json"}, data, body)
    if owner_name in hub.gated:
        return refuse(http, 403, "GatedRepo", body)
    data = files[tail]
    headers = {"X-Repo-Commit": commit, "ETag": f'"{digest(data)}"', "Accept-Ranges": "bytes"}
    return reply(http, 200, headers, data, body)


def find_revision(branches: dict[str, Files], rest: list[str]) -> tuple[Files, str] | None:
    """`resolve|revision|tree REVISION [FILE]`."""
    revision = rest[1]
    for branch, files in branches.items():
        if revision in (branch, commit_of(files)):
            return files, "/".join(rest[2:])
    return None


def info(name: str, commit: str, files: Files) -> bytes:
    siblings = [{"rfilename": file} for file in files]
    return json.dumps({"id": name, "modelId": name, "sha": commit, "siblings": siblings}).encode()


def tree(files: Files) -> bytes:
    listed = [
        {"type": "file", "path": name, "size": len(data), "oid": digest(data)}
        for name, data in files.items()
    ]
    return json.dumps(listed).encode()


def refuse(http: BaseHTTPRequestHandler, status: int, code: str, body: bool) -> None:
    reply(http, status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}", body)


def reply(
    http: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes, body: bool
) -> None:
    http.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(data))}.items():
        http.send_header(name, value)
    http.end_headers()
    if body:
        http.wfile.write(data)


def point_at(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT and HF_HUB_CACHE do; the library reads them when it is first imported."""
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(hub_constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(hub_constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(hub_constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
