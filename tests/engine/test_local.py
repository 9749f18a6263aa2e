"""chat.py: an engine from a folder, requests from messages and text, replies in order."""

import json
import shutil
from pathlib import Path

import pytest

from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig
from naga.data.chat import Message, render_prompt
from naga.data.tokenizer import END, END_OF_TEXT, Tokenizer
from naga.engine.backend import make_backend
from naga.engine.chat import (
    chat_request,
    complete,
    complete_all,
    open_engine,
    raw_request,
    read_stop_ids,
    stream,
)
from naga.engine.engine import Engine
from naga.engine.request import SamplingParams
from naga.model.lm import HybridLM
from naga.runtime import Runtime

SAMPLING = SamplingParams(max_tokens=12, seed=1)
CONFIG = EngineConfig(max_running=2, page_size=16, kv_tokens=1024)


@pytest.fixture(scope="module")
def folder(
    small_model: HybridLM,
    small_runtime: Runtime,
    tokenizer: Tokenizer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_model(
        path,
        small_model.config,
        small_model.state_dict(),
        dtype=small_runtime.dtype,
        tokenizer=tokenizer,
    )
    return path


def test_a_saved_model_answers_as_the_one_in_memory(
    folder: Path, small_model: HybridLM, small_runtime: Runtime, tokenizer: Tokenizer
) -> None:
    request = chat_request(tokenizer, [Message(role="user", content="the rent")], SAMPLING)
    with open_engine(folder, CONFIG) as opened:
        from_disk = complete(opened, request)
    backend = make_backend(small_model, CONFIG, small_runtime)
    with Engine(backend, tokenizer, CONFIG) as engine:
        in_memory = complete(engine, request)
    assert (from_disk.tokens, from_disk.logprobs) == (in_memory.tokens, in_memory.logprobs)


@pytest.mark.parametrize("thinking", [True, False])
def test_a_chat_request_is_the_rendered_prompt(tokenizer: Tokenizer, thinking: bool) -> None:
    messages = [Message(role="user", content="the rent")]
    request = chat_request(tokenizer, messages, SAMPLING, enable_thinking=thinking)
    assert list(request.prompt) == render_prompt(tokenizer, messages, enable_thinking=thinking)
    assert (request.thinking, request.raw) == (thinking, False)


def test_a_raw_request_is_the_text_alone_and_all_is_content(
    folder: Path, tokenizer: Tokenizer
) -> None:
    request = raw_request(tokenizer, "the rent", SAMPLING)
    assert list(request.prompt) == tokenizer.encode("the rent")
    with open_engine(folder, CONFIG) as engine:
        outputs = list(stream(engine, request))
        with pytest.raises(ConfigError, match="prompt is empty"):
            raw_request(tokenizer, "", SAMPLING)
    assert not any(output.reasoning for output in outputs)
    tokens = [output.token for output in outputs]
    assert "".join(output.content for output in outputs) == tokenizer.decode(tokens)


def test_more_requests_than_seats_are_answered_in_their_order(
    folder: Path, tokenizer: Tokenizer
) -> None:
    requests = [
        raw_request(tokenizer, text, SAMPLING) for text in ("the", "rent", "of", "each", "a")
    ]
    with open_engine(folder, CONFIG) as engine:
        together = complete_all(engine, requests)
        assert [reply.tokens for reply in together] == [
            complete(engine, request).tokens for request in requests
        ]
        assert complete_all(engine, []) == []
        with pytest.raises(ConfigError, match="same id"):
            complete_all(engine, requests[:1] * 2)


def test_end_tokens_come_from_generation_config(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "generation_config.json"
    assert read_stop_ids(tmp_path) == frozenset()
    for named, expected in ((None, []), (7, [7]), ([7, 9], [7, 9])):
        file.write_text(json.dumps({"eos_token_id": named}))
        assert read_stop_ids(tmp_path) == frozenset(expected)
    file.write_text(json.dumps({"eos_token_id": "x"}))
    with pytest.raises(ConfigError, match="eos_token_id is 'x'"):
        read_stop_ids(tmp_path)


def test_our_own_checkpoints_name_our_end_tokens(folder: Path, tokenizer: Tokenizer) -> None:
    ours = {tokenizer.control_id(END), tokenizer.control_id(END_OF_TEXT)}
    assert read_stop_ids(folder) == ours


def test_a_folder_without_a_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "config.json", tmp_path)
    with pytest.raises(ConfigError, match=r"tokenizer\.json: no such file"):
        open_engine(tmp_path, CONFIG)


def test_an_unknown_device_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="device 'abacus'"):
        open_engine(folder, EngineConfig(device="abacus"))
