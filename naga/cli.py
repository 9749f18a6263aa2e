"""The front door: `naga VERB ...`. Parses, opens what is named, calls the stage, prints.

Each verb imports its stage only when it runs, so `naga config check` needs no torch. A user's
mistake (ConfigError, a bad flag, a path that cannot be read or written) is one line on stderr and
exit code 2; an interrupted run exits 130 or 143.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from naga import __version__
from naga.bench.commands import app as bench_app
from naga.config.base import Config, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from naga.config.model import ModelConfig
    from naga.config.serve import EngineConfig
    from naga.data.reading import FoundQuote
    from naga.engine.chat import Reply
    from naga.engine.constraint import Constraint
    from naga.engine.reader import Asked
    from naga.engine.request import SamplingParams

# Of naga serve's configs, what has an option of its own; --set takes all else.
OWN_OPTIONS = {"dtype", "weights", "kv", "device", "backend", "host", "port"}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
config_app = typer.Typer(no_args_is_help=True, help="Check configs. 检查配置")
tokenizer_app = typer.Typer(no_args_is_help=True, help="Train tokenizers. 训练分词器")
tasks_app = typer.Typer(no_args_is_help=True, help="Write training conversations. 生成训练对话")
app.add_typer(config_app, name="config")
app.add_typer(tokenizer_app, name="tokenizer")
app.add_typer(tasks_app, name="tasks")
app.add_typer(bench_app, name="bench")

Dtype = Literal["float32", "bfloat16"]
Model = Annotated[Path, typer.Argument(help="Checkpoint folder. 模型目录")]
ModelOption = Annotated[Path, typer.Option("--model", help="Checkpoint folder. 模型目录")]
Recipe = Annotated[Path, typer.Argument(help="Recipe in TOML. 配方文件")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Overrides such as optim.lr=1e-3. 覆盖配方中的值")
]
MaxTokens = Annotated[int, typer.Option(help="Longest answer, in tokens. 回答的最大长度")]
Temperature = Annotated[float, typer.Option(help="0 picks the likeliest token. 采样温度")]
TopP = Annotated[float, typer.Option(help="Sample from this much probability. 核采样")]
Seed = Annotated[int, typer.Option(help="Same seed, same answer. 随机种子")]
DtypeOption = Annotated[
    Dtype | None, typer.Option(help="Compute dtype; default: the checkpoint's own. 计算精度")
]
WeightsOption = Annotated[
    Literal["int8", "int4"] | None,
    typer.Option(help="Quantise weights while loading. 加载时量化权重"),
]
KvOption = Annotated[
    Literal["int8"] | None,
    typer.Option(help="Hold keys and values in int8. 用 int8 保存键和值"),
]
Device = Annotated[str, typer.Option(help="cpu or cuda. 设备")]
Backend = Annotated[
    Literal["native", "reference"] | None,
    typer.Option(help="Default: native on the CPU. reference: plain PyTorch, slow. 计算后端"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. 输出 JSON")]
Thinking = Annotated[bool, typer.Option(help="Reason before answering. 先思考再回答")]


def main() -> None:
    """Run the command line; the only place that turns exceptions into exit codes."""
    try:
        code = app(prog_name="naga", standalone_mode=False)
    except ConfigError as error:
        _refuse(str(error))
    except typer.TyperException as error:
        # typer leaves the prefix of its own checks in some messages.
        _refuse(error.format_message().replace("Value error, ", ""))
    except OSError as error:
        # With a name it is about a path the user gave; without one it is a fault of ours.
        if error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}")
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(130) from None
    raise SystemExit(code or 0)


def _refuse(message: str) -> NoReturn:
    # Called without a verb, typer prints the help and leaves the message empty.
    if message:
        print(f"naga: error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2) from None


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print it. 版本")] = False,
) -> None:
    """Build, train and serve hybrid Mamba-Transformer reasoning models. 混合架构推理模型."""
    if version:
        print(f"naga {__version__}")
        raise typer.Exit


@app.command()
def serve(
    path: Annotated[Path | None, typer.Argument(help="Checkpoint; default: naga-mini.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on. 监听地址")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 picks a free port. 端口")] = 8000,
    dtype: DtypeOption = None,
    weights: WeightsOption = None,
    kv: KvOption = None,
    device: Device = "cpu",
    backend: Backend = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE, as kv_tokens=200000; see docs/server.md. 设置"),
    ] = None,
) -> None:
    """Serve a model over an OpenAI-compatible API with a chat page. 启动服务."""
    from naga.config.load import parse_config
    from naga.config.serve import EngineConfig, ServerConfig
    from naga.server.process import serve as run

    engine = _engine_config(dtype, weights, kv, device, backend)
    more = _settings(settings or [])
    for_engine = {name: more.pop(name) for name in EngineConfig.model_fields if name in more}
    server = parse_config(ServerConfig, {"host": host, "port": port} | more, source="naga serve")
    given = engine.model_dump() | for_engine
    run(path, parse_config(EngineConfig, given, source="naga serve"), server)


@app.command()
def generate(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="What to ask; - reads standard input. 提问")],
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    stop: Annotated[list[str] | None, typer.Option(help="Text that ends the answer.")] = None,
    json_schema: Annotated[
        Path | None, typer.Option(help="Answer in JSON of the schema in this file. 按模式输出")
    ] = None,
    regex: Annotated[
        str | None, typer.Option(help="What the answer must match. 按正则输出")
    ] = None,
    thinking_budget: Annotated[
        int | None, typer.Option(help="Close the thought after so many tokens. 思考词元上限")
    ] = None,
    dtype: DtypeOption = None,
    weights: WeightsOption = None,
    kv: KvOption = None,
    device: Device = "cpu",
    backend: Backend = None,
    thinking: Thinking = True,
    raw: Annotated[bool, typer.Option("--raw", help="No chat template. 不用对话模板")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer one prompt. 回答一个问题."""
    from dataclasses import replace

    from naga.data.chat import Message
    from naga.engine.chat import chat_request, complete, open_engine, raw_request

    text = _read_stdin() if prompt == "-" else prompt
    sampling = replace(
        _sampling(temperature, top_p, seed, max_tokens, tuple(stop or ())),
        thinking_budget=thinking_budget,
        constraint=_constraint(json_schema, regex),
    )
    with open_engine(model, _engine_config(dtype, weights, kv, device, backend)) as engine:
        if raw:
            request = raw_request(engine.tokenizer, text, sampling)
        else:
            messages = [Message(role="user", content=text)]
            request = chat_request(engine.tokenizer, messages, sampling, enable_thinking=thinking)
        reply = complete(engine, request)
    _print_reply(reply, as_json)


@app.command()
def chat(
    model: Model,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    dtype: DtypeOption = None,
    weights: WeightsOption = None,
    kv: KvOption = None,
    device: Device = "cpu",
    backend: Backend = None,
    thinking: Thinking = True,
) -> None:
    """Talk with a model; Ctrl-C stops an answer, Ctrl-D ends. 对话."""
    from naga.data.chat import Message
    from naga.engine.chat import chat_request, gather, open_engine, stream

    console = Console(highlight=False)
    sampling = _sampling(temperature, top_p, seed, max_tokens)
    history: list[Message] = []
    with open_engine(model, _engine_config(dtype, weights, kv, device, backend)) as engine:
        console.print(f"{model.resolve().name} · Ctrl-D ends 结束", style="dim")
        while (line := _ask(console)) is not None:
            asked = [*history, Message(role="user", content=line)]
            request = chat_request(engine.tokenizer, asked, sampling, enable_thinking=thinking)
            outputs = []
            try:
                for output in stream(engine, request):
                    outputs.append(output)
                    console.print(output.reasoning, style="dim", end="", markup=False)
                    if output.content and not any(o.content for o in outputs[:-1]) and thinking:
                        console.print()
                    console.print(output.content, end="", markup=False)
            except KeyboardInterrupt:
                console.print(" [stopped 已停止]", style="dim", markup=False)
                continue
            console.print()
            reply = gather(outputs)
            if reply.error:
                console.print(reply.error, style="red", markup=False)
                continue
            history = [*asked, Message(role="assistant", content=reply.text)]


@app.command()
def read(
    files: Annotated[list[Path], typer.Argument(help="Documents. 文档")],
    model: ModelOption,
    out: Annotated[Path, typer.Option(help="State to write, X.state. 输出的状态目录")],
    dtype: DtypeOption = None,
    weights: WeightsOption = None,
    kv: KvOption = None,
    device: Device = "cpu",
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Read documents once and keep the state, for `naga ask`. 阅读文档并保存状态."""
    from naga.data.documents import read_document
    from naga.data.reading import document_tokens
    from naga.data.tokenizer import Tokenizer
    from naga.engine import reader
    from naga.engine.chat import open_engine
    from naga.engine.identity import identify
    from naga.engine.state_folder import check_place, write_state

    documents = [read_document(file) for file in files]
    check_place(out)
    config = _engine_config(dtype, weights, kv, device, backend)
    num_tokens = len(document_tokens(Tokenizer.load(model), documents))
    with open_engine(model, reader.make_room(config, num_tokens + 1)) as engine:
        state = reader.read(engine, documents, _late_bar("reading 阅读", "tokens"))
        identity = identify(model, engine.numerics, progress=_late_bar("hashing 校验", "bytes"))
    num_bytes = write_state(out, identity, state, documents)
    found = {
        "path": str(out),
        "documents": len(documents),
        "tokens": len(state.tokens),
        "state_bytes": state.num_bytes,
        "account_bytes": identity.state_bytes(len(state.tokens), len(state.snapshots)),
        "disk_bytes": num_bytes,
    }
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    each, once = identity.state_bytes(1, 0), identity.state_bytes(0, len(state.snapshots))
    print(
        f"{out}: {len(documents)} documents 文档, {len(state.tokens):,} tokens 词元, "
        f"{state.num_bytes:,} bytes = {once:,} state 状态 + {each:,} per token 每词元 "
        f"({num_bytes:,} on disk 磁盘)"
    )


@app.command()
def ask(
    state: Annotated[Path, typer.Argument(help="What naga read wrote. 状态目录")],
    question: Annotated[str, typer.Argument(help="What to ask; - reads standard input. 提问")],
    model: ModelOption,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    dtype: DtypeOption = None,
    weights: WeightsOption = None,
    kv: KvOption = None,
    device: Device = "cpu",
    backend: Backend = None,
    thinking: Thinking = True,
    as_json: AsJson = False,
) -> None:
    """Ask about documents that were read; quotes come with their places. 就已读的文档提问."""
    from naga.data.tokenizer import Tokenizer
    from naga.engine import reader
    from naga.engine.chat import open_engine
    from naga.engine.identity import identify
    from naga.engine.state_folder import read_documents

    text = _read_stdin() if question == "-" else question
    sampling = _sampling(temperature, top_p, seed, max_tokens)
    try:
        documents = read_documents(state)
    except ConfigError as reason:
        raise ConfigError(f"{reason}; run naga read again 请重新运行 naga read") from None
    prompt = reader.prompt_tokens(Tokenizer.load(model), documents, text, enable_thinking=thinking)
    config = _engine_config(dtype, weights, kv, device, backend)
    with open_engine(model, reader.make_room(config, len(prompt) + max_tokens)) as engine:
        identity = identify(model, engine.numerics, progress=_late_bar("hashing 校验", "bytes"))
        refused = None
        try:
            reader.restore(engine, state, identity, documents)
        except ConfigError as reason:
            refused = " ".join(str(reason).split())
            print(f"naga: {refused}; reading the text again 重新阅读原文", file=sys.stderr)
        asked = reader.ask(engine, documents, text, sampling, enable_thinking=thinking)
    _print_asked(asked, refused, as_json)


@app.command()
def pretrain(recipe: Recipe, overrides: Overrides = None) -> None:
    """Train a model on plain text from fresh weights. 预训练."""
    from naga.config.load import load_config
    from naga.config.train import PretrainConfig

    config = load_config(PretrainConfig, recipe, overrides or ())
    from naga.runtime import make_runtime
    from naga.train.pretrain import pretrain as run

    _train(lambda: run(config, make_runtime(config.device, config.dtype)))


@app.command()
def sft(recipe: Recipe, overrides: Overrides = None) -> None:
    """Fine-tune a checkpoint on conversations. 指令微调."""
    from naga.config.load import load_config
    from naga.config.train import SftConfig

    config = load_config(SftConfig, recipe, overrides or ())
    from naga.runtime import make_runtime
    from naga.train.sft import sft as run

    _train(lambda: run(config, make_runtime(config.device, config.dtype)))


@app.command("eval")
def evaluate(
    model: Model,
    tasks: Annotated[str, typer.Option(help="Comma-separated; default: all scored.")] = "",
    level: Annotated[Literal["easy", "medium", "hard"], typer.Option(help="难度")] = "easy",
    count: Annotated[int, typer.Option(min=1, help="Problems per task. 每项题数")] = 200,
    seed: Seed = 0,
    max_tokens: MaxTokens = 512,
    thinking: Thinking = True,
    dtype: DtypeOption = None,
    weights: WeightsOption = None,
    kv: KvOption = None,
    device: Device = "cpu",
    backend: Backend = None,
    documents: Annotated[
        list[Path] | None, typer.Option(help="Texts for the quoting task. 引用任务的文本")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Write every answer here (jsonl).")] = None,
    perplexity: Annotated[
        Path | None,
        typer.Option(help="No tasks: how well the model predicts this text. 测文本的困惑度"),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="For --perplexity: tokens read at once, at most 2048 by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy on held-out problems, with 95 % intervals. 评测."""
    config = _engine_config(dtype, weights, kv, device, backend)
    if perplexity is not None:
        if tasks or documents or samples:
            raise ConfigError("--perplexity runs no tasks: leave out what is for tasks")
        return _print_perplexity(model, perplexity, config, window, as_json)
    if window is not None:
        raise ConfigError("--window is for --perplexity: name a text with it")
    from naga.bench.report import make_room
    from naga.engine.chat import open_engine
    from naga.eval import engine_answerer, evaluate, write_samples
    from naga.tasks import SCORED, make_tasks
    from naga.train.progress import counter

    make_room(samples)
    names = [name.strip() for name in tasks.split(",") if name.strip()] or list(SCORED)
    made = make_tasks(names, _read_texts(documents))
    sampling = _sampling(0.0, 1.0, 0, max_tokens)
    progress = counter("answers", Console(stderr=True), verb="evaluating", total=count * len(made))
    with open_engine(model, config) as engine, progress as finished:
        report = evaluate(
            engine_answerer(engine, sampling, finished),
            made,
            model=str(model),
            levels=(level,),
            count=count,
            seed=seed,
            thinking=thinking,
        )
    if samples is not None:
        write_samples(report, samples)
    if as_json:
        print(report.to_json())
    else:
        Console().print(report.table())


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Checkpoint folder. 模型目录")],
    out: Annotated[Path, typer.Option(help="Folder to write. 输出目录")],
    quantize: Annotated[Literal["int8", "int4"], typer.Option(help="Bits of a weight. 量化格式")],
    group: Annotated[
        str | None,
        typer.Option(
            help="Columns that share a scale: 32 (int4's default), 64, 128 (int8's default), or "
            "channel: all, for int8. 每组列数"
        ),
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Text whose activations choose the scales. 校准文本")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a copy of a checkpoint with quantised weights, for the CPU. 量化模型."""
    from naga.checkpoint.convert import convert as run
    from naga.config.load import parse_config
    from naga.config.quantisation import Quantisation
    from naga.train.progress import counter

    asked: dict[str, str | int] = {"format": quantize}
    if group is not None:
        asked["group"] = int(group) if group.isdecimal() else group
    quantisation = parse_config(Quantisation, asked, source="naga convert")

    def progress(total: int) -> "AbstractContextManager[Callable[[], None]]":
        return counter("steps", Console(stderr=True), verb="quantising", total=total)

    found = run(source, out, quantisation, calibrate, progress=progress)
    if as_json:
        print(json.dumps({"path": str(out), **found.to_dict()}, ensure_ascii=False))
    else:
        before, after = (size / 1e6 for size in (found.source_bytes, found.num_bytes))
        print(f"{out}: {found.quantisation}, {before:,.1f} MB -> {after:,.1f} MB")


@app.command()
def inspect(
    source: Annotated[Path, typer.Argument(help="Checkpoint, model or recipe .toml. 模型或配置")],
    as_json: AsJson = False,
) -> None:
    """Layers, parameters, FLOPs and memory of a model, without loading it. 查看模型."""
    from naga.model.account import account

    config = _model_config(source)
    total = account(config)
    summary = {
        "parameters": total.parameters,
        "active_parameters": total.active_parameters,
        "flops_per_token": total.flops_per_token,
        "kv_bytes_per_token": total.kv_bytes_per_token,
        "state_bytes": total.state_bytes,
    }
    if as_json:
        layers = [
            {"index": i, "kind": x.kind, "parameters": x.parameters}
            for i, x in enumerate(total.layers)
        ]
        print(json.dumps({"pattern": config.layers, **summary, "layers": layers}, indent=2))
        return
    console = Console()
    table = Table(
        "layer 层", "kind 类型", "parameters 参数", "active 激活", "FLOPs/token", box=None
    )
    for index, layer in enumerate(total.layers):
        table.add_row(
            str(index),
            KINDS[layer.kind],
            f"{layer.parameters:,}",
            f"{layer.active_parameters:,}",
            f"{layer.flops_per_token:,}",
        )
    console.print(table)
    for name, value in summary.items():
        console.print(f"{name:>20}  {value:,}", highlight=False)


@app.command()
def doctor(
    model: Annotated[
        str | None, typer.Argument(help="Preset, checkpoint folder or .toml. 模型")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What this machine can do, and which models fit it. 检查本机."""
    from naga.bench.doctor import diagnose
    from naga.bench.models import presets

    named = {} if model is None else {model: _named_config(model)}
    with Console(stderr=True).status("measuring 测量中"):
        diagnosis = diagnose(presets() | named)
    if as_json:
        print(diagnosis.to_json())
    else:
        Console().print(diagnosis.table())


KINDS = {"M": "M Mamba-2", "*": "* attention", "-": "- MLP", "E": "E mixture of experts"}


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument()], overrides: Overrides = None) -> None:
    """Check a recipe or model config; the kind is told from its keys. 检查配置文件."""
    kind = _kind_of(file, overrides or [])
    from naga.config.load import load_config

    load_config(kind, file, overrides or ())
    print(f"{file}: valid {kind.__name__} 有效")


@tokenizer_app.command("train")
def tokenizer_train(
    out: Annotated[Path, typer.Argument(help="Folder to write. 输出目录")],
    paths: Annotated[list[Path], typer.Argument(help="Text files or folders. 文本")],
    vocab_size: Annotated[int, typer.Option(min=263, help="Tokens in all. 词表大小")] = 4096,
    sample_every: Annotated[
        int, typer.Option(min=1, help="Use every n-th document only. 抽样间隔")
    ] = 1,
) -> None:
    """Train a byte-level BPE tokenizer with naga's chat tokens. 训练分词器."""
    from itertools import islice

    from naga.data.corpus import read_texts
    from naga.data.tokenizer import train_tokenizer
    from naga.train.progress import counted

    documents = counted(
        islice(read_texts(paths), 0, None, sample_every), "texts", Console(stderr=True)
    )
    tokenizer = train_tokenizer(documents, vocab_size)
    tokenizer.save(out)
    print(f"{out}: {tokenizer.vocab_size} tokens")


@tasks_app.command("write")
def tasks_write(
    out: Annotated[Path, typer.Argument(help="File to write (.jsonl). 输出文件")],
    count: Annotated[int, typer.Option(min=1, help="Conversations. 对话数")] = 1000,
    shares: Annotated[
        str, typer.Option(help="E.g. addition=2,quoting=3; default: even. 各任务比例")
    ] = "",
    levels: Annotated[str, typer.Option(help="Comma-separated. 难度")] = "easy",
    chinese: Annotated[float, typer.Option(min=0, max=1, help="Share in Chinese.")] = 0.3,
    seed: Seed = 0,
    documents: Annotated[
        list[Path] | None, typer.Option(help="Texts for the quoting task. 引用任务的文本")
    ] = None,
) -> None:
    """Write procedural tasks with worked traces as conversations for `naga sft`. 生成任务."""
    from naga.tasks import FAMILIES, LEVELS, Mix, make_examples, make_tasks, write_conversations
    from naga.train.progress import counted

    wanted = _shares(shares) or dict.fromkeys(FAMILIES, 1.0)
    chosen = tuple(level for level in LEVELS if level in levels.split(","))
    if len(chosen) != len(levels.split(",")):
        raise ConfigError(f"--levels {levels!r}: use some of {','.join(LEVELS)}")
    made = make_tasks(list(wanted), _read_texts(documents))
    mix = Mix(weights=tuple(wanted.values()), levels=chosen, chinese=chinese)
    examples = make_examples(made, mix=mix, split="train", seed=seed, count=count)
    shown = counted(examples, "tasks", Console(stderr=True), verb="writing", total=count)
    print(f"{out}: {write_conversations(shown, out)} conversations")


@bench_app.command("make-model")
def bench_make_model(
    name: Annotated[str, typer.Argument(help="As in recipes/models, or a .toml. 模型名或配置")],
    out: Annotated[Path, typer.Option(help="Folder to write. 输出目录")],
    seed: Annotated[int, typer.Option(help="Of the random weights. 随机种子")] = 0,
    dtype: Annotated[Dtype, typer.Option(help="Of the stored matrices. 存储精度")] = "bfloat16",
) -> None:
    """Write a checkpoint with random weights, to measure speed with. 生成随机权重的模型."""
    from naga.bench.models import count_tensors, make_model
    from naga.runtime import DTYPES
    from naga.train.progress import counter

    config = _named_config(name)
    total = count_tensors(config)
    with counter("tensors", Console(stderr=True), verb="writing", total=total) as made:
        make_model(config, out, seed=seed, dtype=DTYPES[dtype], made=made)
    print(f"{out}: {sum(file.stat().st_size for file in out.iterdir()):,} bytes")


def _train(run: Any) -> None:
    from naga.train.loop import TrainingInterruptedError

    try:
        run()
    except TrainingInterruptedError as stopped:
        print(f"naga: {stopped}", file=sys.stderr)
        raise typer.Exit(stopped.exit_code) from None


def _settings(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE of what has no option of its own; ConfigError for any other name."""
    from naga.config.load import apply_override
    from naga.config.serve import EngineConfig, ServerConfig

    fields = (*EngineConfig.model_fields, *ServerConfig.model_fields)
    known = [name for name in fields if name not in OWN_OPTIONS]
    found: dict[str, Any] = {}
    for setting in given:
        apply_override(found, setting)
    for name in found:
        if name not in known:
            raise ConfigError(f"--set {name}: there is {', '.join(known)}")
    return found


def _engine_config(
    dtype: Dtype | None,
    weights: str | None,
    kv: str | None,
    device: str,
    backend: str | None,
) -> "EngineConfig":
    from naga.config.load import parse_config
    from naga.config.serve import EngineConfig

    given = {
        "dtype": dtype,
        "weights": weights,
        "kv": kv,
        "device": device,
        "backend": backend,
    }
    return parse_config(EngineConfig, given, source="naga")


def _sampling(
    temperature: float, top_p: float, seed: int, max_tokens: int, stop: tuple[str, ...] = ()
) -> "SamplingParams":
    from naga.engine.request import SamplingParams

    return SamplingParams(
        temperature=temperature, top_p=top_p, seed=seed, max_tokens=max_tokens, stop=stop
    )


def _constraint(json_schema: Path | None, regex: str | None) -> "Constraint | None":
    from naga.engine.constraint import Constraint

    if json_schema is not None and regex is not None:
        raise ConfigError("--json-schema and --regex: give only one")
    if regex is not None:
        return Constraint(kind="regex", text=regex)
    if json_schema is None:
        return None
    try:
        return Constraint(kind="json_schema", text=json_schema.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{json_schema}: not UTF-8 text") from None


def _print_reply(reply: "Reply", as_json: bool) -> None:
    from dataclasses import asdict

    if reply.error:
        raise ConfigError(f"generation failed: {reply.error}")
    if as_json:
        result = {
            "text": reply.text,
            "reasoning": reply.reasoning,
            "finish_reason": reply.finish_reason,
            "usage": asdict(reply.usage),
            "timings": asdict(reply.timings),
        }
        print(json.dumps(result, ensure_ascii=False))
        return
    if reply.reasoning:
        Console(stderr=True, highlight=False).print(reply.reasoning, style="dim", markup=False)
    print(reply.text)


def _print_asked(asked: "Asked", refused: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    reply = asked.reply
    usage, ttft = reply.usage, reply.timings.first_token_s
    if as_json:
        quotes = [
            {
                "text": quote.text,
                "found": quote.location is not None,
                "document": quote.document,
                **(asdict(quote.location) if quote.location else {}),
            }
            for quote in asked.quotes
        ]
        result = {
            "text": reply.text,
            "cached_tokens": usage.cached_tokens,
            "prompt_tokens": usage.prompt_tokens,
            "ttft_s": ttft,
            "quotes": quotes,
            "reasoning": reply.reasoning,
            "finish_reason": reply.finish_reason,
            "refused": refused,
        }
        print(json.dumps(result, ensure_ascii=False))
        return
    side = Console(stderr=True, highlight=False, soft_wrap=True)
    if reply.reasoning:
        side.print(reply.reasoning, style="dim", markup=False)
    print(reply.text)
    for quote in asked.quotes:
        print(f"  “{quote.text}” {_place(quote)}")
    first = "" if ttft is None else f", first token 首词元 {1000 * ttft:,.0f} ms"
    side.print(
        f"{usage.prompt_tokens:,} prompt tokens 提示词元, "
        f"{usage.cached_tokens:,} cached 已缓存{first}",
        style="dim",
        markup=False,
    )


def _place(quote: "FoundQuote") -> str:
    place = quote.location
    if place is None:
        return "— not in the documents 文档中没有"
    exact = "" if place.exact else ", white space differs 空白有出入"
    span = f"{place.start}–{place.end}"
    return f"— {quote.document}, page 页 {place.page}, characters 字符 {span}{exact}"


def _late_bar(
    verb: str, unit: Literal["bytes", "tokens"]
) -> "Callable[[int], AbstractContextManager[Callable[[int], None]]]":
    from naga.train.progress import late_bar

    return lambda total: late_bar(verb, Console(stderr=True), total=total, unit=unit)


def _print_perplexity(
    model: Path, file: Path, config: "EngineConfig", window: int | None, as_json: bool
) -> None:
    from naga.eval import measure_perplexity
    from naga.train.progress import counted

    def watch(nats: "Iterable[float]", total: int) -> "Iterable[float]":
        return counted(nats, "tokens", Console(stderr=True), verb="scoring", total=total)

    found = measure_perplexity(model, file, config, window=window, watch=watch)
    if as_json:
        print(found.to_json())
    else:
        Console().print(found.table())


def _ask(console: Console) -> str | None:
    """One non-empty line from the user; None when the input ends."""
    try:
        while not (line := console.input("[bold]› [/bold]").strip()):
            pass
    except (EOFError, KeyboardInterrupt):
        return None
    return line


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise ConfigError("standard input: not UTF-8 text") from None


def _read_texts(paths: list[Path] | None) -> list[str]:
    from naga.data.corpus import read_documents

    return list(read_documents(paths)) if paths else []


def _named_config(name: str) -> "ModelConfig":
    """A preset's, or that of a checkpoint folder or a .toml file."""
    from naga.bench.models import preset_file

    path = Path(name)
    return _model_config(path if path.suffix == ".toml" or path.is_dir() else preset_file(name))


def _model_config(source: Path) -> "ModelConfig":
    from naga.config.load import load_config
    from naga.config.model import ModelConfig
    from naga.config.train import PretrainConfig

    if source.suffix != ".toml":
        from naga.checkpoint.config import read_model_config

        return read_model_config(source)
    config = load_config(_kind_of(source, []), source)
    if isinstance(config, PretrainConfig):
        return config.model
    if not isinstance(config, ModelConfig):
        raise ConfigError(f"{source}: describes no model; inspect the checkpoint in its init_from")
    return config


def _kind_of(file: Path, overrides: list[str]) -> type[Config]:
    """Which record a TOML file is meant to be, by the keys only one kind has."""
    from naga.config.load import apply_override, read_toml
    from naga.config.model import ModelConfig
    from naga.config.train import PretrainConfig, SftConfig

    data = read_toml(file)
    for override in overrides:
        apply_override(data, override)
    for key, kind in (("pattern", ModelConfig), ("init_from", SftConfig), ("data", PretrainConfig)):
        if key in data:
            return kind
    raise ConfigError(
        f"{file}: neither a model (no pattern) nor a recipe (no [data]); see recipes/"
    )


def _shares(text: str) -> dict[str, float]:
    """`addition=2,quoting=3` -> shares by task."""
    found = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = item.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise ConfigError(f"--shares {item!r}: write NAME=NUMBER") from None
        if not 0 < found[name] < float("inf"):
            raise ConfigError(f"--shares {item!r}: the number must be above 0")
    return found
