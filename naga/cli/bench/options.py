"""The options that verbs of `naga bench` share, and what their words mean. Runs nothing.

What other verbs take, too, is in naga/cli/options.py.
"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from naga.config.base import ConfigError

if TYPE_CHECKING:
    from naga.bench.limits import Precision

Peers = Annotated[
    str, typer.Option(help="Of llama.cpp,transformers,vllm. 与之对比的引擎，逗号分隔")
]
Pythons = Annotated[
    list[str] | None,
    typer.Option(
        "--peer-python",
        envvar="NAGA_PEER_PYTHON",
        help="NAME=PATH: a peer in an environment of its own. 该引擎所在环境的解释器",
    ),
]
Precisions = Annotated[str, typer.Option(help="Of bf16,int8,int4,f32. 精度，逗号分隔")]
Batches = Annotated[str, typer.Option("--batch", help="Sequences at once, e.g. 1,8. 批大小")]
Rounds = Annotated[int, typer.Option(min=1, help="Paired rounds after a warm-up. 轮数")]
NewTokens = Annotated[int, typer.Option(min=1, help="Of an answer. 回答长度")]
Threads = Annotated[int | None, typer.Option(min=1, help="Default: as torch has it. 线程数")]
Seed = Annotated[int, typer.Option(help="Of the random tokens. 随机种子")]
Markdown = Annotated[Path | None, typer.Option(help="Write a page here. 输出页面")]
Plot = Annotated[Path | None, typer.Option(help="Draw bars (.png) here. 输出图")]
KvOption = Annotated[
    Literal["int8"] | None,
    typer.Option("--kv", help="Keys and values of naga and llama.cpp in int8. 键值缓存精度"),
]
Weights = Annotated[
    Literal["int8", "int4"] | None, typer.Option(help="Quantise while loading. 量化权重")
]


def typed_command() -> str:
    """What was typed."""
    return shlex.join(["naga", *sys.argv[1:]])


def thread_count(asked: int | None) -> int:
    import torch

    return asked or torch.get_num_threads()


def split_list(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def whole_numbers(flag: str, text: str) -> list[int]:
    try:
        found = [int(part) for part in split_list(text)]
    except ValueError:
        found = []
    if not found or min(found) < 0:
        raise ConfigError(f"{flag} {text!r}: write whole numbers, separated by commas")
    return found


def known_precisions(text: str) -> "list[Precision]":
    from naga.bench.limits import PRODUCTS

    known: dict[str, Precision] = {name: name for name in PRODUCTS}
    asked = split_list(text)
    unknown = next((name for name in asked if name not in known), None)
    if unknown is not None or not asked:
        raise ConfigError(f"--precisions {text!r}: use some of {','.join(known)}")
    return [known[name] for name in asked]
