"""Converting: the bytes a load would make, whole or not at all, for naga and for nobody else."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from checkpoint import tiny
from naga import _cpu
from naga.checkpoint import convert as module
from naga.checkpoint.calibrate import calibrate, read_calibration
from naga.checkpoint.config import read_dtype, read_model_config, read_quantisation
from naga.checkpoint.convert import convert
from naga.checkpoint.load import StoredModel, load_model
from naga.checkpoint.quantised import PackedModel
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.config.quantisation import Quantisation
from naga.data.tokenizer import Tokenizer, train_tokenizer
from naga.model.native import NativeModel, pack_weight, packed_shape
from naga.model.state import StatePool, place

TEXT = "The tenant shall pay the rent 123 on the first day of each month. 甲方应当支付租金。\n" * 20
INT8, INT4 = Quantisation(format="int8"), Quantisation(format="int4")
CHANNEL = Quantisation(format="int8", group="channel")
ISA = _cpu.best_isa()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT], 290)


def save(path: Path, config: ModelConfig, tokenizer: Tokenizer | None, dtype: torch.dtype) -> Path:
    state = tiny.random_model(config, 5).state_dict()
    save_model(path, config, state, dtype=dtype, tokenizer=tokenizer)
    return path


@pytest.fixture
def source(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    config = tiny.vary(tiny.GRANITE_MOE, vocab_size=tokenizer.vocab_size)
    return save(tmp_path / "source", config, tokenizer, torch.bfloat16)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "notes.txt").write_text(TEXT)
    return tmp_path / "notes.txt"


def native(path: Path, dtype: torch.dtype, quantisation: Quantisation) -> NativeModel:
    """As a load quantises a plain folder."""
    stored = StoredModel(path)
    model = NativeModel(stored.config, dtype, 1, ISA, quantisation)
    model.load(stored.tensors())
    return model


def adopted(path: Path, dtype: torch.dtype) -> NativeModel:
    packed = PackedModel(path)
    model = NativeModel(packed.config, dtype, 1, ISA, packed.quantisation)
    packed.lend(model)
    assert not model.missing
    return model


def stored_in(folder: Path) -> dict[str, Tensor]:
    """Everything, as it lies in the files."""
    return {
        name: tensor
        for file in folder.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


def logits(model: NativeModel, dtype: torch.dtype, count: int = 40) -> Tensor:
    runtime = tiny.make_runtime("cpu", str(dtype).removeprefix("torch."))
    pool = StatePool.create(model.config, runtime, num_slots=1, num_pages=3, page_size=16)
    batch = place([count], [0], [0], [range(3)], "cpu")
    tokens = tiny.random_tokens(model.config, count, 1)
    return model.logits_rows(model.step(tokens, batch, pool))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", tiny.EVERY)
def test_it_computes_what_quantising_at_load_computes(
    name: str, stored: torch.dtype, dtype: torch.dtype, tmp_path: Path
) -> None:
    path = save(tmp_path / "source", tiny.EVERY[name], None, stored)
    for quantisation in (INT8, CHANNEL, INT4, Quantisation(format="int4", group=64)):
        out = tmp_path / f"{quantisation}"
        convert(path, out, quantisation)
        found = logits(adopted(out, dtype), dtype)
        assert found.isfinite().all()
        assert found.equal(logits(native(path, dtype, quantisation), dtype))
        shutil.rmtree(out)


def test_the_config_says_what_the_bytes_are(source: Path, text: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "plain", INT8)
    convert(source, tmp_path / "calibrated", Quantisation(format="int4", group=64), text)
    config = read_model_config(tmp_path / "plain")
    # As the source's but for spaces, which its layout does not keep.
    assert config == read_model_config(source)
    assert read_quantisation(source) is None
    assert read_quantisation(tmp_path / "plain") == INT8
    convert(source, tmp_path / "channel", CHANNEL)
    assert read_quantisation(tmp_path / "channel") == CHANNEL
    record = json.loads((tmp_path / "channel" / "config.json").read_text())["naga_quantization"]
    assert record["group"] == "channel"
    found = json.loads((tmp_path / "calibrated" / "config.json").read_text())
    tokens = found["naga_quantization"].pop("calibration_tokens")
    assert 256 <= tokens <= 8192
    assert found["naga_quantization"] == {
        "format": "int4",
        "group": 64,
        "calibrated_on": "notes.txt",
        "packing": 1,
    }
    before = json.loads((source / "config.json").read_text())
    for key in ("bos_token_id", "eos_token_id", "pad_token_id", "dtype"):
        assert found[key] == before[key], key
    assert read_dtype(tmp_path / "plain") == read_dtype(source) == "bfloat16"


def test_what_belongs_to_the_model_comes_along(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", INT8)
    companions = {file.name for file in source.iterdir()} - {"config.json", "model.safetensors"}
    assert "tokenizer.json" in companions and "chat_template.jinja" in companions
    for name in companions:
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes(), name
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


@pytest.mark.parametrize("shard_bytes", [10**9, 60_000])
def test_matrices_are_packed_and_the_rest_is_float32(
    shard_bytes: int, source: Path, tmp_path: Path
) -> None:
    convert(source, tmp_path / "out", INT4, shard_bytes=shard_bytes)
    files = list((tmp_path / "out").glob("*.safetensors"))
    assert (len(files) > 1) == (shard_bytes < 10**9)
    state = {name: tensor.float() for name, tensor in StoredModel(source).tensors()}
    left = set(state)
    for file in files:
        with safe_open(file, framework="pt") as opened:
            assert opened.metadata() == {"format": "naga"}
        for name, found in load_file(file).items():
            left.remove(name)
            if found.dtype == torch.uint8:
                assert found.equal(pack_weight(name, state[name], INT4, None)), name
            else:
                assert found.equal(state[name]), name
    assert not left
    tensors = stored_in(tmp_path / "out")
    wide = {name for name, tensor in tensors.items() if tensor.is_floating_point()}
    assert {name.split(".")[-2] for name in wide if name.endswith(".weight")} == {
        "norm", "conv", "router",
    }  # fmt: skip


def test_columns_too_many_for_a_scale_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"^up.weight: columns: 66312 cannot share a scale"):
        packed_shape("up.weight", (64, 66_312), CHANNEL)


def weighed_errors(source: Path, out: Path, importance: dict[str, Tensor]) -> dict[str, float]:
    """Of each matrix the sum of importance times squared error."""
    stored, packed, errors = StoredModel(source), PackedModel(out), {}
    quantisation = packed.quantisation
    group = 0 if quantisation.group == "channel" else quantisation.group
    native = _cpu.Format.int4 if quantisation.format == "int4" else _cpu.Format.int8
    tensors = stored_in(out)
    for name, weighs in importance.items():
        weight = stored.read(name).float()
        rounded = torch.empty_like(weight).view(-1, *weight.shape[-2:])
        for part, target in zip(tensors[name].view(len(rounded), -1), rounded, strict=True):
            _cpu.unpack(part, *target.shape, native, group, target)
        squares = (weight - rounded.view(weight.shape)).square()
        errors[name] = float((weighs.unsqueeze(-2) * squares).sum())
    return errors


@pytest.mark.parametrize(("quantisation", "share"), [(INT4, 0.9), (CHANNEL, 1.0)])
def test_calibration_spends_the_error_where_activations_are_small(
    quantisation: Quantisation, share: float, source: Path, text: Path, tmp_path: Path
) -> None:
    stored = StoredModel(source)
    windows = read_calibration(text, Tokenizer.load(source), stored.config)
    importance = calibrate(stored, windows)
    for name, given in (("nearest", None), ("weighed", text)):
        convert(source, tmp_path / name, quantisation, given)
    nearest, weighed = (
        weighed_errors(source, tmp_path / name, importance) for name in ("nearest", "weighed")
    )
    for name, error in nearest.items():
        assert weighed[name] < share * error, name


def test_calibration_changes_what_is_in_layers_and_leaves_the_head(
    source: Path, text: Path, tmp_path: Path
) -> None:
    convert(source, tmp_path / "nearest", INT4)
    convert(source, tmp_path / "weighed", INT4, text)
    nearest, weighed = (stored_in(tmp_path / name) for name in ("nearest", "weighed"))
    for name, packed in nearest.items():
        matrix = packed.dtype == torch.uint8 and "layers" in name
        assert weighed[name].equal(packed) != matrix, name


def test_converting_twice_gives_the_same_bytes(source: Path, text: Path, tmp_path: Path) -> None:
    for name in "ab":
        convert(source, tmp_path / name, INT4, text)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_nobody_takes_packed_bytes_for_weights(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert(source, out, INT8)
    with pytest.raises(ValueError, match=r"model type `naga`|naga_quantization"):
        AutoModelForCausalLM.from_pretrained(out)
    with pytest.raises(ConfigError, match=rf"out: its weights are quantised \({INT8}\)"):
        load_model(out, tiny.RUNTIME)
    with pytest.raises(ConfigError, match="source: its weights are not quantised; naga convert"):
        PackedModel(source)


def test_progress_is_told_every_step(source: Path, text: Path, tmp_path: Path) -> None:
    told: list[int] = []

    @contextmanager
    def progress(total: int):  # type: ignore[no-untyped-def]
        told.append(total)
        yield lambda: told.append(-1)

    convert(source, tmp_path / "out", INT8, text, progress=progress)
    assert told[0] == len(told) - 1 > len(read_model_config(source).layers)


def refused(source: Path, out: Path, text: Path | None = None) -> str:
    before = sorted(out.parent.iterdir())
    with pytest.raises(ConfigError) as caught:
        convert(source, out, INT8, text)
    assert "\n" not in str(caught.value)
    assert sorted(out.parent.iterdir()) == before, "nothing is left behind"
    return str(caught.value)


def test_mistakes_are_named_and_leave_nothing(source: Path, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert refused(tmp_path / "nowhere", out).startswith(f"{tmp_path}/nowhere: no such folder")
    assert refused(source, out, tmp_path / "b.txt").startswith(f"{tmp_path}/b.txt: no such file")
    assert refused(source, source) == f"{source}: exists already; give a new folder"
    assert refused(source, text) == f"{text}: exists already; give a new folder"
    convert(source, out, INT8)
    assert refused(out, tmp_path / "again") == (
        f"{out}: is quantised already ({INT8}); convert the original"
    )
    (source / "tokenizer.json").unlink()
    assert "tokenizer.json: no such file" in refused(source, tmp_path / "again", text)
    convert(source, tmp_path / "again", INT8)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_named(value: float, tmp_path: Path) -> None:
    state = tiny.random_model(tiny.NAGA, 0).state_dict()
    state["layers.3.mixer.experts.down"][2, 1, 1] = value
    save_model(tmp_path / "m", tiny.NAGA, state, dtype=torch.float32, tokenizer=None)
    message = refused(tmp_path / "m", tmp_path / "out")
    assert "tensor layers.3.mixer.experts.down has NaN or infinity" in message


def test_a_full_disk_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_stream", full)
    assert "cannot be written: " in refused(source, tmp_path / "out")


def test_a_kill_leaves_no_half_checkpoint(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kill(BaseException):
        """Like SIGKILL, caught by nobody."""

    def kill(*_: object) -> None:
        raise Kill

    monkeypatch.setattr(module, "pack_weight", kill)
    with pytest.raises(Kill):
        convert(source, tmp_path / "out", INT8)
    assert "out" not in os.listdir(tmp_path)


def edit(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def damaged(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        adopted(folder, torch.float32)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_damage_is_named(source: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    convert(source, whole, INT8)
    file = out / "model.safetensors"

    def fresh() -> None:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(whole, out)

    fresh()
    edit(out, lambda tensors: tensors.pop("norm.weight"))
    assert damaged(out) == f"{file}: tensor norm.weight is missing"
    fresh()
    edit(out, lambda tensors: tensors.update({"x": torch.zeros(1)}))
    assert damaged(out) == f"{file}: tensor x is not of this model"
    fresh()
    edit(out, lambda tensors: tensors.update({"embed.weight": torch.zeros(64, dtype=torch.uint8)}))
    assert "tensor embed.weight has shape (64,), the config says" in damaged(out)
    fresh()
    edit(out, lambda tensors: tensors.update({"embed.weight": tensors["embed.weight"].char()}))
    assert "tensor embed.weight is I8; naga reads U8" in damaged(out)
    fresh()
    file.write_bytes(file.read_bytes()[:-1])
    assert damaged(out).startswith(f"{file}: not a complete safetensors file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "int3"}, "format: Input should be 'int8' or 'int4' (got 'int3')"),
        ({"group": 48}, "group: Input should be 32, 64, 128 or 'channel' (got 48)"),
        (
            {"format": "int4", "group": "channel"},
            "group: int4 needs groups: use 32, 64 or 128 (got 'channel')",
        ),
        ({"packing": 2}, "packing: Input should be 1 (got 2)"),
        ({"bits": 8}, "unknown key 'bits'"),
    ],
)
def test_a_record_of_another_kind_is_refused(
    change: dict[str, object], message: str, source: Path, tmp_path: Path
) -> None:
    convert(source, tmp_path / "out", INT8)
    file = tmp_path / "out" / "config.json"
    config = json.loads(file.read_text())
    config["naga_quantization"] |= change
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError) as caught:
        PackedModel(tmp_path / "out")
    assert str(caught.value) == f"{file}: naga_quantization: {message}"
    config["naga_quantization"] = "int8"
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="naga_quantization must be an object, not 'int8'"):
        PackedModel(tmp_path / "out")
    # In a layout that others read, the record has no business.
    before = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**before, "naga_quantization": {}}))
    with pytest.raises(ConfigError, match="unknown: naga_quantization"):
        read_model_config(source)
