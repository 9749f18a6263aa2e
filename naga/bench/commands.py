"""`naga bench VERB ...`: parses, calls the measurement, prints and writes what it found.

Imports torch only when a verb runs. A user's mistake is a ConfigError.
"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.config.base import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from naga.bench.limits import Precision

app = typer.Typer(no_args_is_help=True, help="Measure speed beside others. 测速")

A_MODEL = "Checkpoint folder, or OWNER/NAME[@REVISION] on the hub. 模型目录或仓库"
Model = Annotated[Path, typer.Option(help=A_MODEL)]
Checkpoint = Annotated[Path, typer.Argument(help=A_MODEL)]
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")]


@app.command()
def prefill(
    model: Model,
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
    asked |= {"rounds": rounds, "new_tokens": 1, "threads": _threads(threads), "seed": seed}
    _compare(asked, markdown, plot, as_json)


@app.command()
def decode(
    model: Model,
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
    asked |= {"threads": _threads(threads), "seed": seed}
    _compare(asked, markdown, plot, as_json)


@app.command()
def ops(
    model: Model,
    precisions: Precisions = "bf16",
    batch: Batches = "1,8",
    context: Annotated[str, typer.Option(help="Before a decoded token. 上下文")] = "0,16384",
    prompt: Annotated[int, typer.Option(min=2, help="Tokens of a prompt. 提示长度")] = 512,
    rounds: Rounds = 15,
    threads: Threads = None,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """The native kernels by kind of layer, against the machine's limits. 各类层的速度."""
    from naga.bench.ops import Shape, measure_ops
    from naga.bench.report import make_room
    from naga.checkpoint.config import read_model_config
    from naga.disk import write_atomic

    make_room(markdown)
    shapes = [
        Shape(batch=count, length=1, context=before)
        for before in _integers("--context", context)
        for count in _integers("--batch", batch)
    ]
    report = measure_ops(
        str(model),
        read_model_config(find_model(model, weights=False)),
        _precisions(precisions),
        [*shapes, Shape(batch=1, length=prompt, context=0)],
        rounds=rounds,
        threads=_threads(threads),
        command=_command(),
    )
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    print_report(report, as_json)


@app.command()
def gaps(
    model: Checkpoint,
    concurrent: Annotated[int, typer.Option(min=1, help="Requests at once. 并发请求数")] = 32,
    requests: Annotated[int, typer.Option(min=1, help="In all. 请求总数")] = 96,
    long_requests: Annotated[int, typer.Option(min=0, help="With long prompts. 长请求数")] = 6,
    long_prompt: Annotated[int, typer.Option(min=1, help="Tokens. 长提示词元数")] = 8000,
    new_tokens: Annotated[int, typer.Option(min=2, help="Of an answer. 回答长度")] = 64,
    weights: Annotated[
        Literal["int8", "int4"] | None, typer.Option(help="Quantise while loading. 量化权重")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the requests. 随机种子")] = 0,
    as_json: AsJson = False,
) -> None:
    """The time between two tokens while others read long prompts. 混合负载下的词元间隔."""
    from naga.bench.gaps import Load, measure_gaps

    load = Load(
        concurrent=concurrent,
        requests=max(requests, long_requests),
        long_requests=long_requests,
        long_prompt=long_prompt,
        new_tokens=new_tokens,
    )
    print_report(
        measure_gaps(find_model(model), load, weights, seed, _command(), Console(stderr=True)),
        as_json,
    )


@app.command()
def overhead(
    model: Model,
    precisions: Precisions = "bf16",
    rounds: Rounds = 15,
    as_json: AsJson = False,
) -> None:
    """Python's share of a decoded token. 每个词元中 Python 所占的时间."""
    from naga.bench.overhead import measure_overhead

    print_report(
        measure_overhead(find_model(model), _precisions(precisions), rounds, _command()), as_json
    )


@app.command()
def memory(
    model: Model,
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

    found, model = find_peers(_split(peers), peer_python or []), find_model(model)
    if any(one.peer.name == "llama.cpp" for one in found):
        make_gguf(model, "bf16", Console(stderr=True))
    print_report(measure_resident(model, found, context, _threads(threads), kv), as_json)


@app.command()
def load(
    model: Model,
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
        find_peers(_split(peers), peer_python or []),
        rounds=rounds,
        threads=_threads(threads),
        command=_command(),
        console=Console(stderr=True),
    )
    print_report(report, as_json)


@app.command("slice")
def slice_(
    model: Checkpoint,
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
        "threads": _threads(None),
        "seed": seed,
        "markdown": None if markdown is None else str(markdown),
    }
    options = parse_config(SliceOptions, asked, source="naga bench slice")
    print_report(run_slice(options, _command(), Console(stderr=True)), as_json)


@app.command()
def determinism(
    model: Checkpoint,
    schedules: Annotated[int, typer.Option(min=1, help="How many. 次数")] = 100,
    seed: Annotated[int, typer.Option(help="Of the schedules. 随机种子")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Number of the first. 起始编号")] = 0,
    dtype: Annotated[
        Literal["float32", "bfloat16"] | None, typer.Option(help="Default: the model's. 计算精度")
    ] = None,
    backend: Annotated[
        Literal["native", "reference"] | None, typer.Option(help="Default: native. 计算后端")
    ] = None,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Whether answers are the same, bit for bit, under random schedules. 回答是否逐位一致."""
    from naga.bench.determinism import run_determinism
    from naga.bench.report import make_room
    from naga.config.load import parse_config
    from naga.config.serve import EngineConfig
    from naga.disk import write_atomic

    make_room(markdown)
    asked = {"dtype": dtype, "backend": backend}
    report = run_determinism(
        find_model(model),
        parse_config(EngineConfig, asked, source="naga bench determinism"),
        schedules=schedules,
        seed=seed,
        first=first,
        command=_command(),
        console=Console(stderr=True),
    )
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    print_report(report, as_json)
    if report.differences:
        raise typer.Exit(1)


@app.command()
def real(
    model: Checkpoint,
    text: Annotated[
        Path | None, typer.Option(help="For perplexity and prompts; default: built in. 文本")
    ] = None,
    schedules: Annotated[int, typer.Option(min=1, help="Of determinism. 随机调度次数")] = 3,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Acceptance of a real checkpoint: parity, determinism, cache, speed. 真实模型验收."""
    from naga.bench.real import built_in_text, run_real
    from naga.bench.report import make_room
    from naga.disk import write_atomic

    make_room(markdown)
    folder = find_model(model)
    report = run_real(
        folder,
        str(model),
        text or built_in_text(),
        schedules=schedules,
        command=_command(),
        console=Console(stderr=True),
    )
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    print_report(report, as_json)
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def cache(
    model: Checkpoint,
    turns: Annotated[int, typer.Option(min=2, help="Of the conversation. 轮数")] = 8,
    document_tokens: Annotated[int, typer.Option(min=1, help="Of its document. 文档长度")] = 16_000,
    new_tokens: NewTokens = 32,
    weights: Annotated[
        Literal["int8", "int4"] | None, typer.Option(help="Quantise while loading. 量化权重")
    ] = None,
    kv: Annotated[
        Literal["int8"] | None, typer.Option(help="Of keys and values. 键值缓存精度")
    ] = None,
    seed: Seed = 0,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """First tokens of a conversation about a document, warm and cold. 多轮对话的缓存命中."""
    from naga.bench.cache import run_cache
    from naga.bench.report import make_room
    from naga.config.load import parse_config
    from naga.config.serve import EngineConfig
    from naga.disk import write_atomic

    make_room(markdown)
    report = run_cache(
        find_model(model),
        parse_config(EngineConfig, {"weights": weights, "kv": kv}, source="naga bench cache"),
        turns=turns,
        document_tokens=document_tokens,
        new_tokens=new_tokens,
        seed=seed,
        command=_command(),
        console=Console(stderr=True),
    )
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    print_report(report, as_json)
    if not report.identical:
        raise typer.Exit(1)


@app.command("cache-trace")
def cache_trace(
    model: Checkpoint,
    traces: Annotated[str, typer.Option(help="Of contract,agent,steps. 对话轨迹")] = (
        "contract,agent,steps"
    ),
    beside: Annotated[
        list[str] | None,
        typer.Option(help="NAME=http://HOST:PORT, or NAME=COMMAND with {port}. 与之对比的服务"),
    ] = None,
    beside_api: Annotated[
        Literal["chat", "tokens"],
        typer.Option(help="tokens: send token ids, for models without a tokenizer. 请求方式"),
    ] = "tokens",
    serve_args: Annotated[str, typer.Option(help="More of naga serve's. naga serve 的参数")] = "",
    new_tokens: NewTokens = 32,
    threads: Threads = None,
    seed: Annotated[int | None, typer.Option(help="Default: a new one. 随机种子")] = None,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Conversations over HTTP: what comes from the cache, and how soon. 经 HTTP 的对话轨迹."""
    import os
    import secrets

    from naga.bench.cache_trace import our_contender, parse_contender, run_traces
    from naga.bench.machine import describe_machine
    from naga.bench.report import make_room
    from naga.bench.traces import TRACES
    from naga.disk import write_atomic

    asked = _split(traces)
    unknown = next((name for name in asked if name not in TRACES), None)
    if unknown is not None or not asked:
        raise ConfigError(f"--traces {traces!r}: use some of {','.join(TRACES)}")
    make_room(markdown)
    model = find_model(model)
    others = [parse_contender(item, beside_api) for item in beside or []]
    # Servers started here take it from the environment.
    os.environ["OMP_NUM_THREADS"] = str(_threads(threads))
    report = run_traces(
        model,
        [our_contender(model, serve_args), *others],
        asked,
        seed=secrets.randbits(31) if seed is None else seed,
        new_tokens=new_tokens,
        machine=describe_machine(_threads(threads)),
        command=_command(),
        console=Console(stderr=True),
    )
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    print_report(report, as_json)


@app.command("convert-gguf")
def convert_gguf(
    model: Checkpoint,
    out: Annotated[Path, typer.Option(help="File to write (.gguf). 输出文件")],
    kind: Annotated[
        Literal["f32", "bf16", "q8_0", "q4_0"],
        typer.Option("--type", help="Of the matrices. 存储格式"),
    ] = "bf16",
) -> None:
    """Write the file that llama.cpp opens, without a tokenizer, to measure it. 转换为 GGUF."""
    from naga.bench.convert_gguf import convert_gguf as run
    from naga.bench.report import make_room

    make_room(out)
    run(find_model(model), out, kind)
    print(f"{out}: {out.stat().st_size:,} bytes")


@app.command()
def handoff(
    work: Annotated[Path, typer.Option(help="Folder for checkpoints; emptied. 工作目录")],
    peer_python: Pythons = None,
    prompts: Annotated[int, typer.Option(min=1, help="For each pair. 提示数")] = 40,
    new_tokens: NewTokens = 64,
    seed: Seed = 0,
    markdown: Markdown = None,
    as_json: AsJson = False,
) -> None:
    """Whether vLLM and llama.cpp answer as naga does, over HTTP. 与其他引擎对照."""
    from naga.bench.handoff import run_handoff
    from naga.bench.machine import describe_machine
    from naga.bench.report import make_room
    from naga.disk import write_atomic

    make_room(markdown)
    report = run_handoff(
        work,
        peer_python or [],
        prompts=prompts,
        tokens=new_tokens,
        seed=seed,
        command=_command(),
        machine=describe_machine(_threads(None)),
        console=Console(stderr=True),
    )
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    print_report(report, as_json)
    if not report.passed:
        raise typer.Exit(1)


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
        "peers": _split(peers),
        "peer_pythons": pythons or [],
        "precisions": _precisions(precisions),
        "batches": _integers("--batch", batch),
        "contexts": _integers("--context", context),
    }


def _compare(
    asked: dict[str, Any], markdown: Path | None, plot: Path | None, as_json: bool
) -> None:
    from naga.bench.compare import CompareOptions, run_compare
    from naga.bench.plot import plot as draw
    from naga.bench.plot import require_matplotlib
    from naga.bench.report import make_room
    from naga.config.load import parse_config
    from naga.disk import write_atomic

    make_room(markdown)
    make_room(plot)
    if plot is not None:
        require_matplotlib()
    options = parse_config(CompareOptions, asked, source=f"naga bench {asked['work']}")
    report = run_compare(options, _command(), Console(stderr=True))
    if markdown is not None:
        write_atomic(markdown, report.to_markdown())
    if plot is not None:
        draw(report, plot)
    print_report(report, as_json)


class Report(Protocol):
    """What a verb found, for programs and for people."""

    def to_json(self) -> str: ...

    def table(self) -> "RenderableType": ...


def print_report(report: Report, as_json: bool) -> None:
    if as_json:
        print(report.to_json())
    else:
        Console().print(report.table())


def _command() -> str:
    """What was typed."""
    return shlex.join(["naga", *sys.argv[1:]])


def _threads(asked: int | None) -> int:
    import torch

    return asked or torch.get_num_threads()


def _split(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _integers(flag: str, text: str) -> list[int]:
    try:
        found = [int(part) for part in _split(text)]
    except ValueError:
        found = []
    if not found or min(found) < 0:
        raise ConfigError(f"{flag} {text!r}: write whole numbers, separated by commas")
    return found


def _precisions(text: str) -> "list[Precision]":
    from naga.bench.limits import PRODUCTS

    known: dict[str, Precision] = {name: name for name in PRODUCTS}
    asked = _split(text)
    unknown = next((name for name in asked if name not in known), None)
    if unknown is not None or not asked:
        raise ConfigError(f"--precisions {text!r}: use some of {','.join(known)}")
    return [known[name] for name in asked]
