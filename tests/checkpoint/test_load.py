"""Reading weights: what is wrong with a folder is one line that names file and tensor."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from checkpoint import tiny
from naga.checkpoint.load import INDEX_FILE, load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.serve import EngineConfig
from naga.engine.backend import load_backend
from naga.model.lm import memory_dtype
from naga.runtime import make_runtime

CONFIG = tiny.NEMOTRON
DT_BIAS = "backbone.layers.0.mixer.dt_bias"
FIRST = "model-00001-of-00006.safetensors"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write(tmp_path / "whole", shard_bytes=10**9)


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    folder = write(tmp_path / "sharded", shard_bytes=40_000)
    assert (folder / FIRST).is_file()
    return folder


def write(folder: Path, shard_bytes: int) -> Path:
    state = tiny.random_model(CONFIG, 0).state_dict()
    save_model(folder, CONFIG, state, dtype=torch.float32, tokenizer=None, shard_bytes=shard_bytes)
    return folder


def edit(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def failure(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_model(folder, tiny.RUNTIME)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_shards_hold_the_same_model(saved: Path, sharded: Path) -> None:
    one, many = (load_model(folder, tiny.RUNTIME).state_dict() for folder in (saved, sharded))
    assert one.keys() == many.keys()
    assert all(torch.equal(one[name], many[name]) for name in one)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_tensor_has_its_memory_dtype(dtype: str, saved: Path) -> None:
    runtime = make_runtime("cpu", dtype)
    for name, tensor in load_model(saved, runtime).state_dict().items():
        assert tensor.dtype == memory_dtype(name, runtime.dtype), name


def test_the_model_is_ready_for_inference(saved: Path) -> None:
    model = load_model(saved, tiny.RUNTIME)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_loaded_model_does_not_see_later_writes(saved: Path) -> None:
    model = load_model(saved, tiny.RUNTIME)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    file = saved / "model.safetensors"
    with file.open("r+b") as stream:
        stream.write(bytes(file.stat().st_size))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_missing_tensor_is_named(saved: Path) -> None:
    edit(saved, lambda tensors: tensors.pop(DT_BIAS))
    assert failure(saved) == f"{saved}/model.safetensors: tensor {DT_BIAS} is missing"


def test_a_missing_expert_is_named(saved: Path) -> None:
    name = "backbone.layers.4.mixer.experts.5.up_proj.weight"
    edit(saved, lambda tensors: tensors.pop(name))
    assert failure(saved) == f"{saved}/model.safetensors: tensor {name} is missing"


def test_an_extra_tensor_is_named(saved: Path) -> None:
    edit(saved, lambda tensors: tensors.update({"mt.weight": torch.zeros(1), "x": torch.ones(1)}))
    assert failure(saved) == (
        f"{saved}/model.safetensors: tensor mt.weight (and 1 more) is not of this model"
    )


@pytest.mark.parametrize("kind", ["saved", "sharded"])
def test_heads_for_more_tokens_are_left_alone_and_named(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    folder = request.getfixturevalue(kind)
    before = load_model(folder, tiny.RUNTIME).state_dict()
    assert not caplog.records
    extra = {
        "mtp.layers.0.eh_proj.weight": torch.ones(3),
        "mtp.layers.1.norm.weight": torch.ones(2),
    }
    if kind == "saved":
        edit(folder, lambda tensors: tensors.update(extra))
    else:
        save_file(extra, folder / "mtp.safetensors")
        index = json.loads((folder / INDEX_FILE).read_text())
        index["weight_map"] |= dict.fromkeys(extra, "mtp.safetensors")
        (folder / INDEX_FILE).write_text(json.dumps(index))
    after = load_model(folder, tiny.RUNTIME).state_dict()
    assert after.keys() == before.keys()
    assert all(tensor.equal(before[name]) for name, tensor in after.items())
    assert caplog.messages == [f"{folder}: 2 tensors mtp.* (multi-token prediction) are not used"]


def test_a_wrong_shape_is_named(saved: Path) -> None:
    edit(saved, lambda tensors: tensors.update({DT_BIAS: torch.zeros(9)}))
    assert failure(saved) == (
        f"{saved}/model.safetensors: tensor {DT_BIAS} has shape (9,), the config says (8,)"
    )


def test_an_integer_tensor_is_named(saved: Path) -> None:
    edit(saved, lambda tensors: tensors.update({DT_BIAS: torch.zeros(8, dtype=torch.int8)}))
    assert f"{saved}/model.safetensors: tensor {DT_BIAS} is I8" in failure(saved)


@pytest.mark.parametrize("kept", [0, 4, 500, -1])
def test_a_truncated_file_is_named(kept: int, saved: Path) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    assert failure(saved).startswith(f"{file}: not a complete safetensors file")


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / FIRST).unlink()
    assert failure(sharded).startswith(f"{sharded / FIRST}: no such file, but")


def test_pickles_are_not_read(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    assert failure(saved).startswith(f"{saved}/model.safetensors: no such file")


INDEXES = {
    "{": "not valid JSON",
    "{}": "has no weight_map",
    '{"weight_map": []}': "has no weight_map",
    '{"weight_map": {"a": "../a.safetensors"}}': "tensor a is in '../a.safetensors'",
    '{"weight_map": {"a": 3}}': "tensor a is in 3",
}


@pytest.mark.parametrize("text", INDEXES)
def test_a_bad_index_is_named(text: str, sharded: Path) -> None:
    index = sharded / "model.safetensors.index.json"
    index.write_text(text)
    assert failure(sharded).startswith(f"{index}: {INDEXES[text]}")


def test_an_index_that_disagrees_with_a_shard_is_named(sharded: Path) -> None:
    index = sharded / "model.safetensors.index.json"
    listed = json.loads(index.read_text())
    listed["weight_map"]["lm_head.weight"] = FIRST
    index.write_text(json.dumps(listed))
    assert (
        failure(sharded) == f"{sharded / FIRST}: tensor lm_head.weight: {index.name} lists it there"
    )


def test_a_tied_model_needs_no_head(tmp_path: Path) -> None:
    ours = tiny.random_model(tiny.GRANITE_DENSE, 0)
    save_model(tmp_path / "m", ours.config, ours.state_dict(), dtype=torch.float32, tokenizer=None)
    assert "lm_head.weight" not in load_file(tmp_path / "m" / "model.safetensors")
    loaded = load_model(tmp_path / "m", tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 5, 0)
    assert torch.equal(tiny.step_logits(loaded, tokens), tiny.step_logits(ours, tokens))


@pytest.mark.parametrize("size", [10**12, 10**30])
def test_absurd_sizes_are_refused_without_a_try(size: int, saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    config["n_routed_experts"] = size
    (saved / "config.json").write_text(json.dumps(config))
    assert failure(saved).startswith(f"{saved}/")


def test_loading_tells_every_byte_it_reads(sharded: Path) -> None:
    told, advanced = list[int](), list[int]()

    def progress(total: int) -> AbstractContextManager[Callable[[int], None]]:
        told.append(total)
        return nullcontext(advanced.append)

    for load in (
        lambda: load_model(sharded, tiny.RUNTIME, progress),
        lambda: load_backend(sharded, parse_config(EngineConfig, {}, "test"), progress),
    ):
        told.clear(), advanced.clear()
        load()
        assert told == [sum(advanced)] and len(advanced) > 10
