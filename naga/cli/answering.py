"""`naga generate` and `naga chat`: one question, or a conversation, answered in this process."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from naga.checkpoint.hub import find_model, name_of
from naga.cli.options import (
    AsJson,
    Backend,
    Device,
    DtypeOption,
    Kv,
    MaxTokens,
    Model,
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
    from naga.engine.chat import Reply
    from naga.engine.constraint import Constraint
    from naga.engine.engine import Engine
    from naga.engine.request import Request


def generate(
    model: Model,
    prompt: Question,
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
    weights: Weights = None,
    kv: Kv = None,
    device: Device = "cpu",
    backend: Backend = None,
    thinking: Thinking = True,
    raw: Annotated[bool, typer.Option("--raw", help="No chat template. 不用对话模板")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer one prompt. 回答一个问题."""
    from naga.data.chat import Message
    from naga.engine.chat import chat_request, complete, open_engine, raw_request

    text = question_text(prompt)
    sampling = replace(
        sampling_params(temperature, top_p, seed, max_tokens),
        stop=tuple(stop or ()),
        thinking_budget=thinking_budget,
        constraint=_constraint(json_schema, regex),
    )
    config = engine_config(dtype, weights, kv, device, backend)
    with open_engine(find_model(model), config, load_bar) as engine:
        if raw:
            request = raw_request(engine.tokenizer, text, sampling)
        else:
            messages = [Message(role="user", content=text)]
            request = chat_request(engine.tokenizer, messages, sampling, enable_thinking=thinking)
        reply = complete(engine, request)
    _print_reply(reply, as_json)


def chat(
    model: Model,
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
) -> None:
    """Talk with a model; Ctrl-C stops an answer, Ctrl-D ends. 对话."""
    from naga.data.chat import Message
    from naga.engine.chat import chat_request, open_engine

    console = Console(highlight=False)
    sampling = sampling_params(temperature, top_p, seed, max_tokens)
    history: list[Message] = []
    config, folder = engine_config(dtype, weights, kv, device, backend), find_model(model)
    with open_engine(folder, config, load_bar) as engine:
        console.print(f"{name_of(folder)} · Ctrl-D ends 结束", style="dim")
        while (line := _read_line(console)) is not None:
            asked = [*history, Message(role="user", content=line)]
            request = chat_request(engine.tokenizer, asked, sampling, enable_thinking=thinking)
            answer = _print_answer(console, engine, request)
            if answer is not None:
                history = [*asked, Message(role="assistant", content=answer)]


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


def _read_line(console: Console) -> str | None:
    """One non-empty line from the user; None when the input ends."""
    try:
        while not (line := console.input("[bold]› [/bold]").strip()):
            pass
    except (EOFError, KeyboardInterrupt):
        return None
    return line


def _print_answer(console: Console, engine: "Engine", request: "Request") -> str | None:
    """Print an answer as it comes, and return it; None if it was stopped or went wrong."""
    from naga.engine.chat import gather, stream

    outputs = []
    thinking = request.thinking
    try:
        for output in stream(engine, request):
            outputs.append(output)
            console.print(output.reasoning, style="dim", end="", markup=False)
            if thinking and output.content:
                thinking = False
                console.print()
            console.print(output.content, end="", markup=False)
    except KeyboardInterrupt:
        console.print(" [stopped 已停止]", style="dim", markup=False)
        return None
    console.print()
    reply = gather(outputs)
    if reply.error:
        console.print(reply.error, style="red", markup=False)
        return None
    return reply.text
