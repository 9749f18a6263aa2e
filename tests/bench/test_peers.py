"""naga.bench.peers: a peer is found in its environment, or one line says what to install."""

import ast
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from naga.bench import peers, workers
from naga.bench.peers import PEERS, find_peers
from naga.config.base import ConfigError

WORKERS = sorted(Path(workers.__path__[0]).glob("*.py"))


def refused(names: list[str], pythons: list[str]) -> str:
    with pytest.raises(ConfigError) as error:
        find_peers(names, pythons)
    return str(error.value)


def test_a_peer_in_this_environment_is_found() -> None:
    (found,) = find_peers(["transformers"], [])
    assert found.version == version("transformers")
    assert found.python == Path(sys.executable)


def test_a_peer_is_looked_for_where_it_is_said_to_be() -> None:
    (found,) = find_peers(["transformers"], [f"transformers={sys.executable}"])
    assert found.python == Path(sys.executable)


def test_a_missing_peer_is_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = peers.Peer(
        name="other", package="not-on-pypi", install="not-on-pypi==1", worker="x", bits={}
    )
    monkeypatch.setitem(PEERS, "other", missing)
    message = refused(["transformers", "other"], [])
    assert message.startswith(f"other is not installed for {sys.executable}: make an environment")
    assert (
        "install not-on-pypi==1 with its pip, and add --peer-python other=DIR/bin/python" in message
    )


def test_an_old_peer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = peers.Peer(
        name="transformers", package="transformers", install="x", worker="x", bits={}, oldest=99
    )
    monkeypatch.setitem(PEERS, "transformers", old)
    assert f"transformers {version('transformers')} is too old" in refused(["transformers"], [])


@pytest.mark.parametrize(
    ("names", "pythons", "message"),
    [
        (["lama"], [], "peer 'lama': unknown; use llama.cpp, transformers, vllm"),
        ([], ["vlm=/x"], "peer 'vlm': unknown"),
        ([], ["vllm"], "--peer-python 'vllm': write NAME=PATH, a Python interpreter"),
        (["vllm"], ["vllm=/nowhere/python"], "--peer-python vllm=/nowhere/python: does not run"),
        (["vllm"], ["vllm=/bin/false"], "--peer-python vllm=/bin/false: does not run"),
    ],
)
def test_a_mistake_is_one_line(names: list[str], pythons: list[str], message: str) -> None:
    assert refused(names, pythons).startswith(message)


def test_every_peer_has_its_worker() -> None:
    assert {peer.worker for peer in PEERS.values()} <= {file.stem for file in WORKERS}


@pytest.mark.parametrize("file", WORKERS, ids=lambda file: file.stem)
def test_workers_import_no_naga(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        assert not any(name.partition(".")[0] == "naga" for name in names), names
