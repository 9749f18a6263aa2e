"""An engine as answerer, and a model that learns when to think from rows as they are written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rl.tiny import CPU, save_chat

from distill.scripted import examples
from naga.config.distill import AnswererConfig
from naga.config.load import parse_config
from naga.config.serve import EngineConfig
from naga.config.train import SftConfig
from naga.data.messages import Message
from naga.data.tokenizer import END_THINK
from naga.distill.answers import Answered, Ask, Failed
from naga.distill.ask import OnDemand, open_answerer
from naga.engine.chat import chat_request, complete, open_engine
from naga.engine.request import SamplingParams
from naga.eval.thinking_run import ask_mode
from naga.tasks import make_tasks
from naga.train.sft import sft


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    return save_chat(path, pattern="M*-", mamba1=None, moe=None)


def config(model: Path, **changes: Any) -> AnswererConfig:
    values = {"model": str(model), "max_tokens": 5, "max_running": 2, "kv_tokens": 1024}
    return parse_config(AnswererConfig, values | changes, "test")


def ask(text: str, choice: int = 0) -> Ask:
    return Ask(
        messages=(Message(role="user", content=text),), thinking=False, seed=3, choice=choice
    )


def test_answers_come_in_order_and_one_that_cannot_fit_fails_alone(folder: Path) -> None:
    asks = [ask("12 + 30"), ask("1" * 2000), ask("12 + 30", choice=1), ask("What is 3?")]
    with open_answerer(config(folder), "cpu") as answerer:
        first, failed, other, last = answerer.answer(asks)
        assert answerer.answer([asks[3]])[0] == last
        assert answerer.answer([asks[0]])[0] == first != other
    assert isinstance(failed, Failed)
    assert not failed.silent
    assert isinstance(first, Answered)
    assert 1 <= first.tokens <= 5


def test_nothing_is_opened_before_it_is_asked(tmp_path: Path) -> None:
    with OnDemand(config(tmp_path / "missing"), "cpu"):
        pass


EASY, HARD = "What is 3?", "What is 12 + 30?"


@pytest.fixture(scope="module")
def taught(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To answer EASY at once, to think about HARD, and to heed both words on EASY."""
    run = tmp_path_factory.mktemp("taught")
    rows = [
        _row(EASY, "", "3"),
        _row(HARD, "10", "42"),
        _row(f"{EASY} /think", "33", "3"),
        _row(f"{EASY} /no_think", "", "3"),
    ]
    (run / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) * 8, "utf-8")
    values = {
        "run_dir": str(run / "sft"),
        "init_from": str(folder),
        "dtype": "float32",
        "data": {
            "paths": [str(run / "rows.jsonl")],
            "tokens_per_batch": 192,
            "sequence_len": 64,
        },
        "optim": {"lr": 1e-2, "weight_decay": 0.0},
        "schedule": {"steps": 80, "warmup_steps": 4, "decay_steps": 30},
    }
    return sft(parse_config(SftConfig, values, "test"), CPU)


def _row(question: str, reasoning: str, answer: str) -> dict[str, Any]:
    said = {"role": "assistant", "content": answer, "thinking": "auto"}
    if reasoning:
        said["reasoning_content"] = reasoning
    return {"messages": [{"role": "user", "content": question}, said]}


@pytest.mark.parametrize(
    ("question", "mode", "reasoning", "answer"),
    [
        (EASY, "auto", "", "3"),
        (HARD, "auto", "10", "42"),
        (f"{EASY} /think", "auto", "33", "3"),
        (f"{EASY} /no_think", "auto", "", "3"),
        (EASY, False, "", "3"),
    ],
)
def test_the_decision_is_learned_and_decoded(
    taught: Path, question: str, mode: Any, reasoning: str, answer: str
) -> None:
    with open_engine(taught, EngineConfig.model_validate({"kv_tokens": 1024})) as engine:
        sampling = SamplingParams(temperature=0, max_tokens=20)
        messages = [Message(role="user", content=question)]
        request = chat_request(engine.tokenizer, messages, sampling, enable_thinking=mode)
        reply = complete(engine, request)
        end = engine.tokenizer.control_id(END_THINK)
        demanded = chat_request(engine.tokenizer, messages, sampling)
        assert complete(engine, demanded).tokens[0] != end
    assert (reply.reasoning, reply.text, reply.finish_reason) == (reasoning, answer, "stop")
    assert (reply.tokens[0] == end) is (mode == "auto" and not reasoning)


def test_modes_are_asked_alike_and_graded(folder: Path) -> None:
    tasks = {task.name: task for task in make_tasks(["addition"])}
    asked = examples(6)
    settings = EngineConfig.model_validate({"kv_tokens": 1024, "max_running": 4})
    sampling = SamplingParams(temperature=0, max_tokens=6)
    with open_engine(folder, settings) as engine:
        never = ask_mode(
            engine, tasks, asked, sampling, "never", difficulties=[0.5] * 6, instructed=None
        )
        always = ask_mode(engine, tasks, asked, sampling, "always", name="on")
        told = ask_mode(engine, tasks, asked, sampling, "always", instructed="user")
    assert [never.mode, always.mode, told.mode] == ["never", "on", "always"]
    assert never.whole.think_rate == 0.0
    assert [answer.difficulty for answer in never.answers] == [0.5] * 6
    assert {answer.difficulty for answer in always.answers} == {None}
    assert all(answer.score == 0.0 and answer.tokens <= 6 for answer in always.answers)
