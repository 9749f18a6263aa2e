"""`naga read` and `naga ask`: documents are read once, then asked about from the state on disk."""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model
from naga.cli.options import (
    AsJson,
    Backend,
    Device,
    DtypeOption,
    Kv,
    MaxTokens,
    ModelOption,
    Question,
    Seed,
    Temperature,
    Thinking,
    TopP,
    Weights,
    engine_config,
    load_bar,
    question_text,
    sampling_params,
)
from naga.config.base import ConfigError

if TYPE_CHECKING:
    from naga.data.reading import FoundQuote
    from naga.engine.engine import Engine
    from naga.engine.reader import Asked
    from naga.engine.saved import Identity


def read(
    files: Annotated[list[Path], typer.Argument(help="Documents. 文档")],
    model: ModelOption,
    out: Annotated[Path, typer.Option(help="State to write, X.state. 输出的状态目录")],
    dtype: DtypeOption = None,
    weights: Weights = None,
    kv: Kv = None,
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
    from naga.engine.state_folder import check_place, write_state

    documents = [read_document(file) for file in files]
    check_place(out)
    model = find_model(model)
    config = engine_config(dtype, weights, kv, device, backend)
    num_tokens = len(document_tokens(Tokenizer.load(model), documents))
    with open_engine(model, reader.make_room(config, num_tokens + 1), load_bar) as engine:
        state = reader.read(engine, documents, _late_bar("reading 阅读", "tokens"))
        identity = _identify(model, engine)
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


def ask(
    state: Annotated[Path, typer.Argument(help="What naga read wrote. 状态目录")],
    question: Question,
    model: ModelOption,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    dtype: DtypeOption = None,
    weights: Weights = None,
    kv: Kv = None,
    device: Device = "cpu",
    backend: Backend = None,
    thinking: Thinking = True,
    as_json: AsJson = False,
) -> None:
    """Ask about documents that were read; quotes come with their places. 就已读的文档提问."""
    from naga.data.tokenizer import Tokenizer
    from naga.engine import reader
    from naga.engine.chat import open_engine
    from naga.engine.state_folder import read_documents

    text = question_text(question)
    sampling = sampling_params(temperature, top_p, seed, max_tokens)
    try:
        documents = read_documents(state)
    except ConfigError as reason:
        raise ConfigError(f"{reason}; run naga read again 请重新运行 naga read") from None
    model = find_model(model)
    prompt = reader.prompt_tokens(Tokenizer.load(model), documents, text, enable_thinking=thinking)
    config = engine_config(dtype, weights, kv, device, backend)
    config = reader.make_room(config, len(prompt) + max_tokens)
    with open_engine(model, config, load_bar) as engine:
        identity = _identify(model, engine)
        refused = None
        try:
            reader.restore(engine, state, identity, documents)
        except ConfigError as reason:
            refused = " ".join(str(reason).split())
            print(f"naga: {refused}; reading the text again 重新阅读原文", file=sys.stderr)
        asked = reader.ask(engine, documents, text, sampling, enable_thinking=thinking)
    if as_json:
        print(json.dumps(_as_record(asked, refused), ensure_ascii=False))
    else:
        _print_asked(asked)


def _identify(model: Path, engine: "Engine") -> "Identity":
    from naga.engine.identity import identify

    return identify(model, engine.numerics, progress=_late_bar("hashing 校验", "bytes"))


def _late_bar(
    verb: str, unit: Literal["bytes", "tokens"]
) -> Callable[[int], AbstractContextManager[Callable[[int], None]]]:
    from naga.train.progress import late_bar

    return lambda total: late_bar(verb, Console(stderr=True), total=total, unit=unit)


def _as_record(asked: "Asked", refused: str | None) -> dict[str, object]:
    """What --json prints; `refused` is why the state was not taken."""
    reply = asked.reply
    quotes = [
        {
            "text": quote.text,
            "found": quote.location is not None,
            "document": quote.document,
            **(asdict(quote.location) if quote.location else {}),
        }
        for quote in asked.quotes
    ]
    return {
        "text": reply.text,
        "cached_tokens": reply.usage.cached_tokens,
        "prompt_tokens": reply.usage.prompt_tokens,
        "ttft_s": reply.timings.first_token_s,
        "quotes": quotes,
        "reasoning": reply.reasoning,
        "finish_reason": reply.finish_reason,
        "refused": refused,
    }


def _print_asked(asked: "Asked") -> None:
    reply = asked.reply
    usage, ttft = reply.usage, reply.timings.first_token_s
    side = Console(stderr=True, highlight=False, soft_wrap=True)
    if reply.reasoning:
        side.print(reply.reasoning, style="dim", markup=False)
    print(reply.text)
    for quote in asked.quotes:
        repeated = "" if quote.text == reply.text.strip() else f"“{quote.text}” "
        print(f"  {repeated}{_place(quote)}")
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
