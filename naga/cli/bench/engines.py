"""`naga bench prefill`, `decode`, `memory`, `load` and `slice`: whole engines beside peers."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.bench.options import (
    Batches,
    KvOption,
    Markdown,
    Peers,
    Plot,
    Precisions,
    Pythons,
    Rounds,
    Seed,
    Threads,
    known_precisions,
    split_list,
    thread_count,
    typed_command,
    whole_numbers,
)
from naga.cli.options import AsJson, Model, ModelOption
from naga.cli.printing import print_report, write_page


def prefill(
    model: ModelOption,
    peers: Peers = "transformers",
    peer_python: Pythons = None,
    precisions: Precisions = "bf16",
    batch: Batches = "1",
    context: Annotated[str, typer.Option(help="Tokens of a prompt. 提示长度")] = "512,4096",
    rounds: Rounds = 5,
    threads: Threads = None,
    seed: Seed = 0,
    markdown: Markdown = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Speed of whole engines from a prompt to its first token. 预填速度."""
    asked = _asked("prefill", model, peers, peer_python, precisions, batch, context)
    asked |= {"rounds": rounds, "new_tokens": 1, "threads": thread_count(threads), "seed": seed}
    _compare(asked, markdown, plot, as_json)


def decode(
    model: ModelOption,
    peers: Peers = "transformers",
    peer_python: Pythons = None,
    precisions: Precisions = "bf16",
    batch: Batches = "1",
    context: Annotated[str, typer.Option(help="Tokens before them, e.g. 0,16384. 上下文")] = "0",
    rounds: Rounds = 15,
    new_tokens: Annotated[int, typer.Option(min=1, help="Timed in a round. 每轮词元数")] = 32,
    kv: KvOption = None,
    threads: Threads = None,
    seed: Seed = 0,
    markdown: Markdown = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Speed of whole engines after the first token. 解码速度."""
    asked = _asked("decode", model, peers, peer_python, precisions, batch, context)
    asked |= {"rounds": rounds, "new_tokens": new_tokens, "kv": kv}
    asked |= {"threads": thread_count(threads), "seed": seed}
    _compare(asked, markdown, plot, as_json)


def memory(
    model: ModelOption,
    peers: Peers = "",
    peer_python: Pythons = None,
    context: Annotated[int, typer.Option(min=1, help="Of a conversation. 对话长度")] = 32_768,
    kv: KvOption = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Bytes that one more conversation keeps in memory. 每个对话占用的内存."""
    from naga.bench.gguf_files import make_gguf
    from naga.bench.peers import find_peers
    from naga.bench.resident import measure_resident

    found, model = find_peers(split_list(peers), peer_python or []), find_model(model)
    if any(one.peer.name == "llama.cpp" for one in found):
        make_gguf(model, "bf16", Console(stderr=True))
    print_report(measure_resident(model, found, context, thread_count(threads), kv), as_json)


def load(
    model: ModelOption,
    converted: Annotated[
        Path | None, typer.Option(help="What naga loads, quantised before. naga 的量化模型")
    ] = None,
    peers: Peers = "transformers",
    peer_python: Pythons = None,
    precision: Annotated[
        Literal["f32", "bf16", "int8", "int4"], typer.Option(help="Of every engine. 精度")
    ] = "bf16",
    rounds: Rounds = 5,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Seconds from the start of a process to a first token. 从启动到首个词元的时间."""
    from naga.bench.loading import run_loading
    from naga.bench.peers import find_peers

    model = find_model(model)
    report = run_loading(
        model,
        converted or model,
        precision,
        find_peers(split_list(peers), peer_python or []),
        rounds=rounds,
        threads=thread_count(threads),
        command=typed_command(),
        console=Console(stderr=True),
    )
    print_report(report, as_json)


def slice_(
    model: Model,
    rounds: Rounds = 15,
    prompt_tokens: Annotated[int, typer.Option(help="Length of prompts. 提示长度")] = 512,
    decode_tokens: Annotated[int, typer.Option(help="Timed tokens per sequence.")] = 64,
    batch: Annotated[int, typer.Option(help="Sequences at once. 批大小")] = 8,
    train_tokens: Annotated[int, typer.Option(help="Tokens per training step.")] = 4096,
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Compute dtype. 计算精度")
    ] = "float32",
    seed: Seed = 0,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Prefill, decode and training speed of one checkpoint, beside transformers. 与之对比测速."""
    from naga.bench.slice import SliceOptions, run_slice
    from naga.config.load import parse_config

    asked = {
        "model": str(find_model(model)),
        "rounds": rounds,
        "prompt_tokens": prompt_tokens,
        "decode_tokens": decode_tokens,
        "batch": batch,
        "train_tokens": train_tokens,
        "dtype": dtype,
        "threads": thread_count(None),
        "seed": seed,
        "markdown": None if markdown is None else str(markdown),
    }
    options = parse_config(SliceOptions, asked, source="naga bench slice")
    print_report(run_slice(options, typed_command(), Console(stderr=True)), as_json)


def _asked(
    work: str,
    model: Path,
    peers: str,
    pythons: list[str] | None,
    precisions: str,
    batch: str,
    context: str,
) -> dict[str, Any]:
    return {
        "work": work,
        "model": str(find_model(model)),
        "peers": split_list(peers),
        "peer_pythons": pythons or [],
        "precisions": known_precisions(precisions),
        "batches": whole_numbers("--batch", batch),
        "contexts": whole_numbers("--context", context),
    }


def _compare(
    asked: dict[str, Any], markdown: Path | None, plot: Path | None, as_json: bool
) -> None:
    from naga.bench.compare import CompareOptions, run_compare
    from naga.bench.plot import plot as draw
    from naga.bench.plot import require_matplotlib
    from naga.bench.report import make_room
    from naga.config.load import parse_config

    make_room(markdown)
    make_room(plot)
    if plot is not None:
        require_matplotlib()
    options = parse_config(CompareOptions, asked, source=f"naga bench {asked['work']}")
    report = run_compare(options, typed_command(), Console(stderr=True))
    write_page(report, markdown)
    if plot is not None:
        draw(report, plot)
    print_report(report, as_json)
