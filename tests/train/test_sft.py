"""naga.train.sft: from a checkpoint and conversations to a checkpoint that answers better."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from data.talkers import granite_folder, nemotron_folder
from safetensors.torch import load_file

from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.model import ModelConfig
from naga.config.train import LoraConfig, PretrainConfig, SftConfig
from naga.data.formats import format_of
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.engine.chat import read_stop_ids
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.record import Run
from naga.runtime import make_runtime
from naga.train.checkpoint import list_checkpoints
from naga.train.pretrain import pretrain
from naga.train.sft import sft

CPU = make_runtime("cpu", "float32")


@pytest.fixture
def base(pretrain_config: Callable[..., PretrainConfig], tmp_path: Path) -> Path:
    return pretrain(pretrain_config(run_dir=str(tmp_path / "base")), CPU)


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    path = tmp_path / "chat.jsonl"
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"boats {n}"},
                {"role": "assistant", **answer(n)},
            ]
        }
        for n in range(10)
    ]
    long = {"role": "user", "content": "the river " * 40}
    rows.append({"messages": [long, {"role": "assistant", **answer(3)}]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answer(number: int) -> dict[str, str]:
    return {"content": "mill" if number % 2 else "rain", "reasoning_content": f"{number} boats"}


def make_config(init_from: Path, conversations: Path, run_dir: Path) -> SftConfig:
    values = {
        "run_dir": str(run_dir),
        "init_from": str(init_from),
        "dtype": "float32",
        "checkpoint_every": 5,
        "data": {"paths": [str(conversations)], "tokens_per_batch": 128, "sequence_len": 64},
        "optim": {"lr": 0.005},
        "schedule": {"steps": 10},
    }
    return parse_config(SftConfig, values, "test")


def test_sft_starts_from_the_checkpoint_and_learns(
    base: Path, conversations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    final = sft(make_config(base, conversations, tmp_path / "sft"), CPU)
    rows = Run(path=tmp_path / "sft").read()
    assert len(rows) == 10 and rows[-1].loss < 0.8 * rows[0].loss
    assert "left out 1 of 11 conversations, longer than 64 tokens" in capsys.readouterr().err
    assert (
        load_file(final / "model.safetensors").keys()
        == load_file(base / "model.safetensors").keys()
    )
    assert (final / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()


def test_weights_are_those_of_the_checkpoint_before_the_first_step(
    base: Path, conversations: Path, tmp_path: Path
) -> None:
    config = make_config(base, conversations, tmp_path / "sft")
    frozen = config.model_copy(update={"optim": config.optim.model_copy(update={"lr": 1e-30})})
    final = sft(frozen, CPU)
    expected, model = load_model(base, CPU).state_dict(), load_model(final, CPU).state_dict()
    for name, tensor in model.items():
        if "router.bias" not in name:
            assert torch.equal(tensor, expected[name]), name


def test_a_tokenizer_without_chat_tokens_is_refused(
    base: Path, conversations: Path, tmp_path: Path
) -> None:
    text = (base / "tokenizer.json").read_text(encoding="utf-8")
    (base / "tokenizer.json").write_text(text.replace("<|user|>", "<|human|>"), encoding="utf-8")
    with pytest.raises(ConfigError, match="of no format known"):
        sft(make_config(base, conversations, tmp_path / "sft"), CPU)


def test_a_tokenizer_larger_than_the_model_is_refused(
    pretrain_config: Callable[..., PretrainConfig], tmp_path: Path
) -> None:
    train_tokenizer([f"{a}{b}" * 3 for a in "abcdef" for b in "uvwxyz"] * 2, 330).save(
        tmp_path / "t"
    )
    with pytest.raises(ConfigError, match=r"has 3\d\d tokens, more than model.vocab_size \(300\)"):
        pretrain(pretrain_config(tokenizer=str(tmp_path / "t")), CPU)


@pytest.mark.parametrize("make", [granite_folder, nemotron_folder])
def test_a_model_that_talks_in_another_format_learns_and_keeps_it(
    make: Callable[[Path], Path], conversations: Path, tmp_path: Path, model_config: ModelConfig
) -> None:
    tokenizer = Tokenizer.load(make(tmp_path / "tokenizer"))
    config = model_config.model_copy(update={"vocab_size": tokenizer.vocab_size})
    model = HybridLM(config)
    initialize(model, 0)
    weights = model.state_dict()
    save_model(tmp_path / "open", config, weights, dtype=torch.float32, tokenizer=tokenizer)
    if make is granite_folder:
        row = json.loads(conversations.read_text(encoding="utf-8").splitlines()[0])
        row["messages"][1].pop("reasoning_content")
        conversations.write_text((json.dumps(row) + "\n") * 9, encoding="utf-8")
    folders = (tmp_path / "tokenizer", tmp_path / "sft" / "final")
    settings = make_config(tmp_path / "open", conversations, tmp_path / "sft")
    final = sft(settings, CPU)
    rows = Run(path=tmp_path / "sft").read()
    assert rows[-1].loss < 0.8 * rows[0].loss
    name = "chat_template.jinja"
    assert (final / name).read_bytes() == (tmp_path / "tokenizer" / name).read_bytes()
    given, saved = (json.loads((path / "tokenizer.json").read_text("utf-8")) for path in folders)
    assert saved["added_tokens"] == given["added_tokens"]
    kept = Tokenizer.load(final)
    form = format_of(kept)
    assert read_stop_ids(final) == form.stop_ids(kept)


def test_calls_of_tools_are_learned(base: Path, conversations: Path, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "pay"}}
    call = {"type": "function", "function": {"name": "pay", "arguments": "{}"}}
    row = {
        "messages": [
            {"role": "user", "content": "boats"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "mill"},
            {"role": "assistant", "content": "rain"},
        ],
        "tools": [tool],
    }
    conversations.write_text((json.dumps(row) + "\n") * 9, encoding="utf-8")
    config = make_config(base, conversations, tmp_path / "sft")
    longer = config.data.model_copy(update={"sequence_len": 256, "tokens_per_batch": 512})
    final = sft(config.model_copy(update={"data": longer}), CPU)
    rows = Run(path=tmp_path / "sft").read()
    assert rows[-1].loss < 0.8 * rows[0].loss
    assert Tokenizer.load(final).has_tools()


def test_what_a_format_cannot_say_is_told_with_its_line(
    conversations: Path, tmp_path: Path, base: Path
) -> None:
    call = {"type": "function", "function": {"name": "pay", "arguments": "{}"}}
    row = {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}
    with conversations.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row))
    text = (base / "tokenizer.json").read_text(encoding="utf-8")
    (base / "tokenizer.json").write_text(text.replace("<|tool|>", "<|other|>"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"chat.jsonl:12: this model's format has no tools"):
        sft(make_config(base, conversations, tmp_path / "sft"), CPU)


def test_adapters_alone_learn_and_are_exported_merged(
    base: Path, conversations: Path, tmp_path: Path
) -> None:
    config = with_lora(make_config(base, conversations, tmp_path / "sft"))
    final = sft(config, CPU)
    rows = Run(path=tmp_path / "sft").read()
    assert rows[-1].loss < rows[0].loss - 0.05
    before, after = load_model(base, CPU).state_dict(), load_model(final, CPU).state_dict()
    moved = {name for name in before if not before[name].equal(after[name])}
    matrices = ("_proj.weight", "up.weight", "down.weight")
    assert moved and all(name.endswith((*matrices, "router.bias")) for name in moved)
    saved = load_file(list_checkpoints(tmp_path / "sft" / "checkpoints")[-1] / "model.safetensors")
    assert all(".lora_" in name or name.endswith("router.bias") for name in saved)


def test_a_run_of_adapters_goes_on_bit_for_bit(
    base: Path, conversations: Path, tmp_path: Path
) -> None:
    config = with_lora(make_config(base, conversations, tmp_path / "sft"))
    final = sft(config, CPU)
    expected = (final / "model.safetensors").read_bytes()
    rows = Run(path=tmp_path / "sft").read()
    shutil.rmtree(list_checkpoints(tmp_path / "sft" / "checkpoints")[-1])
    sft(config, CPU)
    assert (final / "model.safetensors").read_bytes() == expected
    again = Run(path=tmp_path / "sft").read()
    assert [row.loss for row in again] == [row.loss for row in rows]


def with_lora(config: SftConfig) -> SftConfig:
    rate = config.optim.model_copy(update={"lr": 0.02})
    return config.model_copy(update={"lora": LoraConfig(rank=4), "optim": rate})
