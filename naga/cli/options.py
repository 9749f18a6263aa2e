"""The options that verbs share, and the records made of them. Runs nothing, prints nothing.

typer reads the options of a verb off its function's signature and knows no groups of them, so each
verb lists what it takes. What an option is called, checks and says is written once, here.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.serve import EngineConfig

if TYPE_CHECKING:
    from naga.engine.request import SamplingParams

Dtype = Literal["float32", "bfloat16"]

A_MODEL = "Checkpoint folder, or OWNER/NAME[@REVISION] on the hub. 模型目录或仓库"
Model = Annotated[Path, typer.Argument(help=A_MODEL)]
ModelOption = Annotated[Path, typer.Option("--model", help=A_MODEL)]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Overrides such as optim.lr=1e-3. 覆盖配方中的值")
]
Question = Annotated[str, typer.Argument(help="What to ask; - reads standard input. 提问")]
QuotedTexts = Annotated[
    list[Path] | None,
    typer.Option("--documents", help="Texts for the quoting task. 引用任务的文本"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")]
Thinking = Annotated[bool, typer.Option(help="Reason before answering. 先思考再回答")]

MaxTokens = Annotated[int, typer.Option(help="Longest answer, in tokens. 回答的最大长度")]
Temperature = Annotated[float, typer.Option(help="0 picks the likeliest token. 采样温度")]
TopP = Annotated[float, typer.Option(help="Sample from this much probability. 核采样")]
Seed = Annotated[int, typer.Option(help="Same seed, same answer. 随机种子")]

DtypeOption = Annotated[
    Dtype | None, typer.Option(help="Compute dtype; default: the checkpoint's own. 计算精度")
]
Weights = Annotated[
    Literal["int8", "int4"] | None,
    typer.Option(help="Quantise weights while loading. 加载时量化权重"),
]
Kv = Annotated[
    Literal["int8"] | None,
    typer.Option(help="Hold keys and values in int8. 用 int8 保存键和值"),
]
Device = Annotated[str, typer.Option(help="cpu or cuda. 设备")]
Backend = Annotated[
    Literal["native", "reference"] | None,
    typer.Option(help="Default: native on the CPU. reference: plain PyTorch, slow. 计算后端"),
]


def engine_config(
    dtype: Dtype | None, weights: str | None, kv: str | None, device: str, backend: str | None
) -> EngineConfig:
    given = {"dtype": dtype, "weights": weights, "kv": kv, "device": device, "backend": backend}
    return parse_config(EngineConfig, given, source="naga")


def load_bar(total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Shows itself where reading a model's `total` bytes takes long."""
    from naga.train.progress import load_bar as bar

    return bar(total)


def sampling_params(
    temperature: float, top_p: float, seed: int, max_tokens: int
) -> "SamplingParams":
    from naga.engine.request import SamplingParams

    return SamplingParams(temperature=temperature, top_p=top_p, seed=seed, max_tokens=max_tokens)


def question_text(given: str) -> str:
    """A Question, read from standard input where it is `-`."""
    if given != "-":
        return given
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise ConfigError("standard input: not UTF-8 text") from None


def read_texts(paths: list[Path] | None) -> list[str]:
    """The documents of QuotedTexts."""
    from naga.data.corpus import read_documents

    return list(read_documents(paths)) if paths else []
