"""Models of other families, served: their own formats, their thoughts, and calls of tools.

Each model is made so that every token has one successor: it answers by a chain of tokens that are
whole texts, a call among them. Everything else is real: tokenizer, engine, server and client.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
import uvicorn
from data import talkers

from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig
from naga.config.serve import EngineConfig, ServerConfig
from naga.data.formats import ready
from naga.data.tokenizer import Tokenizer
from naga.engine.chat import open_engine
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.server.app import make_app
from naga.server.process import serve

THOUGHT = "I should pay.\n"
SAID = "Paying now."
CALLS = {
    "naga": '{"name": "pay", "arguments": {"to": "a", "amount": 3}}',
    "granite": '\n{"name": "pay", "arguments": {"to": "a", "amount": 3}}\n',
    "nano": '[{"name": "pay", "arguments": {"to": "a", "amount": 3}}]',
    "nemotron": "\n<function=pay>\n<parameter=to>\na\n</parameter>\n<parameter=amount>\n3\n"
    "</parameter>\n</function>\n",
}
MAKE: dict[str, Callable[[Path], Path]] = {
    "naga": talkers.naga_folder,
    "granite": talkers.granite_folder,
    "nano": talkers.nano_folder,
    "nemotron": talkers.nemotron_folder,
}
THINKING = {"naga": THOUGHT, "nano": THOUGHT.strip(), "nemotron": THOUGHT.strip()}
# What follows the last token of a prompt, and so on.
CHAINS = {
    "naga": ["<think>", THOUGHT, "</think>", SAID, "<tool_call>", CALLS["naga"], "</tool_call>",
             "<|end|>"],
    "granite": ["<|end_of_role|>", SAID, "<tool_call>", CALLS["granite"], "</tool_call>",
                "<|end_of_text|>"],
    "nano": ["\n", THOUGHT, "</think>", SAID, "<TOOLCALL>", CALLS["nano"], "</TOOLCALL>",
             "<SPECIAL_12>"],
    "nemotron": ["\n", THOUGHT, "</think>", SAID, "<tool_call>", CALLS["nemotron"],
                 "</tool_call>", "<|im_end|>"],
}  # fmt: skip
NOTHING = {"properties": {}, "additionalProperties": False}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "pay",
            "parameters": {
                "type": "object",
                "properties": {
                    "to": {"type": "string", "enum": ["a", "b"]},
                    "amount": {"type": "integer", "minimum": 3, "maximum": 4},
                },
                "required": ["to", "amount"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "wait", "parameters": NOTHING}},
]
QUESTION: list[Any] = [{"role": "user", "content": "Pay a."}]


def chained_model(tokenizer: Tokenizer, chain: list[str]) -> HybridLM:
    """After a token of the chain comes the next one; layers add nothing to what came in."""
    size = tokenizer.vocab_size
    config = ModelConfig(
        pattern="M*-",
        vocab_size=size,
        hidden_dim=size,
        max_positions=2000,
        tie_embeddings=False,
        attention=AttentionConfig(num_heads=1, num_kv_heads=1, head_dim=16),
        mamba=MambaConfig(num_heads=1, head_dim=16, state_dim=16),
        mlp=MlpConfig(inner_dim=16),
    )
    model = HybridLM(config)
    initialize(model, seed=0)
    ids = [token for text in chain for token in one_token(tokenizer, text)]
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith(("out_proj.weight", "o_proj.weight", "down.weight", "head.weight")):
                tensor.zero_()
        model.embed.weight.copy_(torch.eye(size))
        for token, successor in pairwise(ids):
            model.head.weight[successor, token] = 1.0
    return model


def one_token(tokenizer: Tokenizer, text: str) -> list[int]:
    ids = [tokenizer.control_id(text)] if tokenizer.has_control(text) else tokenizer.encode(text)
    assert len(ids) == 1, text
    return ids


def make_checkpoint(folder: Path, family: str) -> Path:
    MAKE[family](folder / "tokenizer")
    file = folder / "tokenizer" / "tokenizer.json"
    described = json.loads(file.read_text(encoding="utf-8"))
    added = described["added_tokens"]
    for text in (THOUGHT, SAID, CALLS[family]):
        added.append(added[-1] | {"id": added[-1]["id"] + 1, "content": text, "special": False})
    file.write_text(json.dumps(described), encoding="utf-8")
    tokenizer = Tokenizer.load(folder / "tokenizer")
    model = chained_model(ready(tokenizer), CHAINS[family])
    path = folder / family
    save_model(path, model.config, model.state_dict(), dtype=torch.float32, tokenizer=tokenizer)
    return path


@contextmanager
def serving(path: Path) -> Iterator[openai.OpenAI]:
    config = EngineConfig.model_validate(
        {"max_running": 2, "page_size": 16, "kv_tokens": 8000, "prefill_chunk": 64}
    )
    with open_engine(path, config) as engine, socket.create_server(("127.0.0.1", 0)) as sock:
        app = make_app(engine, path.name, ServerConfig(default_max_tokens=200))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            yield client
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module", params=sorted(CHAINS))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def talking(family: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    with serving(make_checkpoint(tmp_path_factory.mktemp(family), family)) as client:
        yield client


def ask(client: openai.OpenAI, family: str, **changes: Any) -> Any:
    wanted = {"model": family, "messages": QUESTION, "temperature": 0, "tools": TOOLS}
    return client.chat.completions.create(**wanted | changes)


def test_a_call_has_openais_shape(talking: openai.OpenAI, family: str) -> None:
    reply = ask(talking, family)
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == SAID
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.function.name == "pay" and call.id.startswith("call_")
    assert json.loads(call.function.arguments) == {"to": "a", "amount": 3}
    thought = choice.message.to_dict()["reasoning_content"]
    assert thought == THINKING.get(family)
    details = reply.usage.completion_tokens_details
    assert details.reasoning_tokens == (2 if family in THINKING else 0)


def test_a_stream_joins_to_the_whole_reply(talking: openai.OpenAI, family: str) -> None:
    whole = ask(talking, family).choices[0]
    chunks = list(ask(talking, family, stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == whole.message.content
    (call,) = [call for delta in deltas for call in delta.tool_calls or []]
    assert call.index == 0 and call.type == "function" and call.id
    assert call.function.to_dict() == whole.message.tool_calls[0].function.to_dict()
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_each_choice_has_calls_of_its_own(talking: openai.OpenAI, family: str) -> None:
    choices = ask(talking, family, n=2).choices
    assert len({choice.message.tool_calls[0].id for choice in choices}) == 2


@pytest.mark.parametrize("changes", [{"tool_choice": "none"}, {"tools": []}])
def test_without_tools_a_call_is_text(
    talking: openai.OpenAI, family: str, changes: dict[str, Any]
) -> None:
    choice = ask(talking, family, **changes).choices[0]
    assert choice.finish_reason == "stop" and choice.message.tool_calls is None
    assert choice.message.content == "".join(CHAINS[family][-5:-1])


def test_tool_choice_none_does_not_tell_of_tools(talking: openai.OpenAI, family: str) -> None:
    told = ask(talking, family).usage.prompt_tokens
    assert ask(talking, family, tool_choice="none").usage.prompt_tokens < told - 100


def test_an_answer_is_sent_back_as_it_came(talking: openai.OpenAI, family: str) -> None:
    message = ask(talking, family).choices[0].message
    answered = [
        *QUESTION,
        message.model_dump(),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Paid."},
    ]
    again = ask(talking, family, messages=answered)
    assert again.choices[0].message.tool_calls
    # The whole of the first prompt and its answer is known.
    known = again.usage.prompt_tokens_details.cached_tokens
    assert known > ask(talking, family).usage.prompt_tokens - 16


def test_a_demanded_call_comes_whatever_the_model_would_say(
    talking: openai.OpenAI, family: str
) -> None:
    wait = {"type": "function", "function": {"name": "wait"}}
    for choice, names in (("required", {"pay", "wait"}), (wait, {"wait"})):
        reply = ask(talking, family, tool_choice=choice).choices[0]
        assert reply.finish_reason == "tool_calls" and reply.message.content is None
        (call,) = reply.message.tool_calls
        assert call.function.name in names
        assert isinstance(json.loads(call.function.arguments), dict)


def test_a_call_cut_off_is_content(talking: openai.OpenAI, family: str) -> None:
    inside = len(CHAINS[family]) - 4
    choice = ask(talking, family, max_tokens=inside).choices[0]
    assert choice.finish_reason == "length" and choice.message.tool_calls is None
    assert choice.message.content == SAID + CHAINS[family][inside]


def test_thinking_can_be_switched_off(talking: openai.OpenAI, family: str) -> None:
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    message = ask(talking, family, extra_body=off).choices[0].message
    assert message.to_dict()["reasoning_content"] is None
    assert message.content == SAID and message.tool_calls


def test_an_unknown_format_is_refused_before_serving(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, "granite")
    (path / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    with pytest.raises(ConfigError, match="granite: its chat template is of no format known"):
        serve(path, EngineConfig(kv_tokens=64), ServerConfig(port=0))
