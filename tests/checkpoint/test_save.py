"""Writing: what comes back is what went in, and a kill at any instant leaves a whole checkpoint."""

import json
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig

from checkpoint import tiny
from naga import disk
from naga.checkpoint import save
from naga.checkpoint.layout import Part
from naga.checkpoint.load import load_model
from naga.checkpoint.save import Stored, save_model
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.lm import value_dtype
from naga.runtime import make_runtime

LAYOUTS = [(name, None) for name in tiny.EVERY] + [(name, "naga") for name in tiny.EVERY]


def state_of(config: ModelConfig, seed: int = 0) -> dict[str, Tensor]:
    return tiny.random_model(config, seed).state_dict()


def write(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
    state = state_of(tiny.GRANITE_MOE, seed)
    save_model(folder, tiny.GRANITE_MOE, state, dtype=dtype, tokenizer=None)


def seed_of(folder: Path) -> int:
    """Which of the two models a folder holds, whole."""
    state = load_model(folder, tiny.RUNTIME).state_dict()
    seeds = [
        seed
        for seed in (0, 1)
        if all(torch.equal(state[name], t) for name, t in state_of(tiny.GRANITE_MOE, seed).items())
    ]
    return seeds[0]


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_float32_comes_back_byte_for_byte(name: str, layout: str | None, tmp_path: Path) -> None:
    config = tiny.EVERY[name]
    state = state_of(config)
    save_model(tmp_path / "m", config, state, dtype=torch.float32, tokenizer=None, layout=layout)
    model = load_model(tmp_path / "m", tiny.RUNTIME)
    assert model.config.layers == config.layers
    assert model.state_dict().keys() == state.keys()
    for key, tensor in model.state_dict().items():
        assert tensor.numpy().tobytes() == state[key].numpy().tobytes(), key


@pytest.mark.parametrize("name", tiny.EVERY)
def test_bfloat16_rounds_matrices_alone(name: str, tmp_path: Path) -> None:
    config = tiny.EVERY[name]
    state = state_of(config)
    save_model(tmp_path / "m", config, state, dtype=torch.bfloat16, tokenizer=None)
    for key, tensor in load_model(tmp_path / "m", tiny.RUNTIME).state_dict().items():
        kept = value_dtype(key, torch.bfloat16)
        assert torch.equal(tensor, state[key].to(kept).float()), key
        small = state[key].ndim == 1 or any(x in key for x in ("conv", "router", "A_log"))
        assert kept == (torch.float32 if small else torch.bfloat16), key


def test_saving_what_was_loaded_changes_no_byte(tmp_path: Path) -> None:
    write(tmp_path / "a", dtype=torch.bfloat16)
    model = load_model(tmp_path / "a", make_runtime("cpu", "bfloat16"))
    save_model(
        tmp_path / "b", model.config, model.state_dict(), dtype=torch.bfloat16, tokenizer=None
    )
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_files_are_as_readable_as_the_umask_allows(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write(tmp_path / "a")
    finally:
        os.umask(previous)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "a").iterdir()} == {0o640}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["a small text of few words, 一些字"] * 2, vocab_size=280)


def test_tokenizer_and_ends_are_found_by_transformers(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = tiny.vary(tiny.GRANITE_MOE, vocab_size=tokenizer.vocab_size + 3)
    path = tmp_path / "m"
    save_model(path, config, state_of(config), dtype=torch.float32, tokenizer=tokenizer)
    theirs = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    assert theirs.chat_template
    ends = GenerationConfig.from_pretrained(path)
    assert theirs.convert_ids_to_tokens(ends.eos_token_id) == ["<|end|>", "<|endoftext|>"]
    assert theirs.convert_ids_to_tokens(ends.pad_token_id) == "<|endoftext|>"
    written = json.loads((path / "config.json").read_text())
    assert written["eos_token_id"] == ends.eos_token_id


def test_a_tokenizer_too_large_for_the_model_is_refused(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    config = tiny.GRANITE_MOE
    with pytest.raises(ConfigError, match=f"tokenizer has {tokenizer.vocab_size} tokens, the"):
        save_model(
            tmp_path / "m", config, state_of(config), dtype=torch.float32, tokenizer=tokenizer
        )
    assert not any(tmp_path.iterdir())


class Kill(BaseException):
    """Like SIGKILL, caught by nobody in the package."""


class Countdown:
    """Raises Kill in place of the n-th change to the disk that leads to the final names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
        self.left = calls
        for owner, name in [
            (save, "save_file"), (disk, "sync"), (save, "sync"), (Path, "rename"),
            (Path, "write_text"), (save.shutil, "rmtree"),
        ]:  # fmt: skip
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, function):  # type: ignore[no-untyped-def]
        def call(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise Kill
            return function(*args, **kwargs)

        return call


def test_a_kill_at_any_instant_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path, previous = tmp_path / "m", tmp_path / ".m.previous"
    write(path, seed=0)
    found = []
    for calls in range(40):
        with pytest.MonkeyPatch.context() as patch:
            countdown = Countdown(patch, calls)
            with suppress(Kill):
                write(path, seed=1)
        whole = path if path.exists() else previous
        found.append((seed_of(whole), whole == path))
        if countdown.left > 0:
            break
        write(path, seed=0)
        assert seed_of(path) == 0
    assert found[0] == (0, True)
    assert found[-1] == (1, True)
    # Only the instant between the two renames has the old one under its other name.
    assert [entry for entry in found if not entry[1]] == [(0, False)]
    assert sorted(os.listdir(tmp_path)) == ["m"]


def test_an_interrupted_replacement_says_where_the_old_one_is(tmp_path: Path) -> None:
    write(tmp_path / ".m.previous")
    with pytest.raises(ConfigError, match=r"in .*/\.m\.previous: rename it back"):
        load_model(tmp_path / "m", tiny.RUNTIME)


def test_a_failed_write_leaves_the_old_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "m", seed=0)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(save, "save_file", full)
    with pytest.raises(ConfigError, match=r"cannot be written: .*No space left on device"):
        write(tmp_path / "m", seed=1)
    assert os.listdir(tmp_path) == ["m"]
    assert seed_of(tmp_path / "m") == 0


def test_a_rename_that_fails_puts_the_old_checkpoint_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "m", seed=0)
    rename = Path.rename

    def refuse_fresh(self: Path, target: Path) -> Path:
        if self.name == ".m.partial":
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_fresh)
    with pytest.raises(ConfigError, match=r"cannot be written: .*Permission denied"):
        write(tmp_path / "m", seed=1)
    assert os.listdir(tmp_path) == ["m"]
    assert seed_of(tmp_path / "m") == 0


def test_a_folder_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds notes\.txt, which is no part of a checkpoint"):
        write(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file; give a folder"):
        write(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "notes.txt"]


def test_an_index_names_every_tensor(tmp_path: Path) -> None:
    state = state_of(tiny.NEMOTRON)
    save_model(
        tmp_path / "m",
        tiny.NEMOTRON,
        state,
        dtype=torch.float32,
        tokenizer=None,
        shard_bytes=20_000,
    )
    index = json.loads((tmp_path / "m" / "model.safetensors.index.json").read_text())
    for name, file in index["weight_map"].items():
        assert name in load_file(tmp_path / "m" / file)
    assert index["metadata"]["total_size"] == sum(4 * tensor.numel() for tensor in state.values())


def test_tensors_are_made_when_their_file_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state, events = state_of(tiny.NEMOTRON), []
    write_file = save.save_file

    def record(tensors: dict[str, Tensor], *others: object) -> None:
        events.append(len(tensors))
        write_file(tensors, *others)

    def make(name: str) -> Tensor:
        events.append(name)
        return state[name]

    monkeypatch.setattr(save, "save_file", record)
    where = {"dtype": torch.float32, "tokenizer": None, "shard_bytes": 20_000}
    save.save_made(tmp_path / "made", tiny.NEMOTRON, make, **where)
    made, files = 0, 0
    for event in events:
        if isinstance(event, str):
            made += 1
        else:
            assert event == made, "none is made before the file before it is written"
            made, files = 0, files + 1
    assert made == 0 and files > 2
    monkeypatch.undo()
    save_model(tmp_path / "given", tiny.NEMOTRON, state, **where)
    for file in (tmp_path / "given").iterdir():
        assert file.read_bytes() == (tmp_path / "made" / file.name).read_bytes(), file.name


@given(st.lists(st.integers(1, 50), min_size=1), st.integers(1, 60))
def test_shards_keep_the_order_and_the_limit(sizes: list[int], limit: int) -> None:
    stored = [
        Stored(
            part=Part(stored=str(index), shape=(size,), index=None),
            make=lambda: pytest.fail("sizes are known without the tensors"),
            dtype=torch.int8,
        )
        for index, size in enumerate(sizes)
    ]
    shards = save._split(stored, limit)
    assert [item for shard in shards for item in shard] == stored
    for shard in shards:
        assert len(shard) == 1 or sum(item.num_bytes for item in shard) <= limit
    for shard, following in pairwise(shards):
        assert sum(item.num_bytes for item in shard) + following[0].num_bytes > limit
