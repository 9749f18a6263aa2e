"""Folders that are wrong in ways nobody thought of: a ConfigError of one line, or a model.

Bytes of configs, indexes and safetensors headers are cut, changed and exchanged at random.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from checkpoint import tiny
from checkpoint.test_load import CONFIG, failure, write
from naga.checkpoint.config import read_model_config
from naga.checkpoint.load import StoredModel, is_finite, load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError

FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 2**31, 2**63, 10**30])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["mamba", "attention", "M*-E", "default", "silu"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sharded checkpoint in each layout; the fuzz writes over its files and back."""
    root = tmp_path_factory.mktemp("folders")
    for name, config in tiny.EVERY.items():
        state = tiny.random_model(config, 0).state_dict()
        save_model(
            root / name, config, state, dtype=torch.float32, tokenizer=None, shard_bytes=20_000
        )
    return {name: root / name for name in tiny.EVERY}


def tried(read: Callable[[Path], object], folder: Path, file: Path, data: bytes) -> None:
    """Whatever it says of the changed file, it says as a ConfigError of one line that names it."""
    before = file.read_bytes()
    file.write_bytes(data)
    try:
        read(folder)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
        assert str(folder) in str(error)
    finally:
        file.write_bytes(before)


def with_json(file: Path, key: str, value: Any) -> bytes:
    changed = json.loads(file.read_bytes())
    changed[key] = value
    return json.dumps(changed).encode()


def damaged(data: st.DataObject, whole: bytes) -> bytes:
    """Cut, with bytes exchanged for others."""
    kept = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if kept:
            kept[data.draw(st.integers(0, len(kept) - 1))] = data.draw(st.integers(0, 255))
    return bytes(kept)


@pytest.mark.parametrize("name", tiny.EVERY)
@FUZZ
@given(data=st.data())
def test_a_config_with_a_wrong_value(
    name: str, folders: dict[str, Path], data: st.DataObject
) -> None:
    file = folders[name] / "config.json"
    keys = [*json.loads(file.read_bytes()), "unheard_of"]
    changed = with_json(file, data.draw(st.sampled_from(keys)), data.draw(JSON))
    tried(read_model_config, folders[name], file, changed)


@FUZZ
@given(data=st.data())
def test_a_config_that_is_no_config(folders: dict[str, Path], data: st.DataObject) -> None:
    file = folders["naga"] / "config.json"
    any_json = JSON.map(lambda value: json.dumps(value).encode())
    broken = data.draw(st.binary(max_size=40) | any_json | st.just(b""))
    broken = broken or damaged(data, file.read_bytes())
    tried(read_model_config, folders["naga"], file, broken)


@FUZZ
@given(data=st.data())
def test_an_index_with_other_places(folders: dict[str, Path], data: st.DataObject) -> None:
    folder = folders["nemotron_h-moe"]
    file = folder / "model.safetensors.index.json"
    if data.draw(st.booleans()):
        changed = damaged(data, file.read_bytes())
    else:
        places = json.loads(file.read_bytes())["weight_map"]
        key = data.draw(st.sampled_from([*places, "other"]))
        names = st.sampled_from(["config.json", "..", ".", "", "/dev/zero", "x\0", "a/b", *places])
        value = data.draw(JSON | names | st.sampled_from(sorted({*places.values()})))
        changed = with_json(file, "weight_map", {**places, key: value})
    tried(StoredModel, folder, file, changed)


@FUZZ
@given(data=st.data())
def test_a_safetensors_file_with_another_header(
    folders: dict[str, Path], data: st.DataObject
) -> None:
    folder = folders["granitemoehybrid-dense"]
    file = folder / sorted(path.name for path in folder.glob("*.safetensors"))[0]
    whole = file.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    if data.draw(st.booleans()):
        head = damaged(data, whole[: 8 + length])
        changed = head + whole[len(head) :]
    else:
        header = json.loads(whole[8 : 8 + length])
        key = data.draw(st.sampled_from([*header, "other"]))
        entry = dict(header.get(key, {}))
        entry[data.draw(st.sampled_from(["dtype", "shape", "data_offsets"]))] = data.draw(
            JSON | st.sampled_from(["I64", "F8_E4M3", "BOOL", "F16", [0], [2**62, 2**62]])
        )
        text = json.dumps({**header, key: data.draw(st.just(entry) | JSON)}).encode()
        changed = len(text).to_bytes(8, "little") + text + whole[8 + length :]
    tried(lambda path: load_model(path, tiny.RUNTIME), folder, file, changed)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_weight_that_is_no_number_is_named(
    value: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    folder = write(tmp_path / "m", shard_bytes=10**9)
    file, name = folder / "model.safetensors", "backbone.layers.2.mixer.up_proj.weight"
    tensors = load_file(file)
    tensors[name] = tensors[name].to(dtype)
    tensors[name][3, 1] = value
    save_file(tensors, file)
    assert failure(folder) == f"{file}: tensor {name} has NaN or infinity; fetch or make it again"


def test_large_numbers_are_finite() -> None:
    assert is_finite(torch.full((70_000,), 65_504.0, dtype=torch.float16))
    assert is_finite(torch.tensor([3e38, 3e38]))


def test_a_config_that_contradicts_the_tensors(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", shard_bytes=10**9)
    file = folder / "config.json"
    changes = {
        "vocab_size": (97, "embeddings.weight has shape (96, 32), the config says (97, 32)"),
        "intermediate_size": (48, "has shape (40, 32), the config says (48, 32)"),
        "tie_word_embeddings": (True, "tie_word_embeddings = true is not supported"),
        "n_routed_experts": (7, "tensor backbone.layers.4.mixer.experts.6"),
    }
    before = file.read_bytes()
    for key, (value, message) in changes.items():
        file.write_bytes(with_json(file, key, value))
        assert message in failure(folder), key
        file.write_bytes(before)
    assert load_model(folder, tiny.RUNTIME).config == CONFIG
