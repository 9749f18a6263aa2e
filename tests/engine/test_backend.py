"""Which backend computes: native by default on the CPU, the reference by name, never a fallback."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine.conftest import CONFIGS, make_model
from torch import Tensor

import naga
from naga.checkpoint.convert import convert
from naga.checkpoint.load import StoredModel, load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.quantisation import Quantisation
from naga.config.serve import EngineConfig
from naga.data.tokenizer import Tokenizer
from naga.engine import backend as module
from naga.engine.backend import Backend, load_backend, make_backend
from naga.engine.engine import Engine
from naga.model.lm import HybridLM
from naga.model.native import NativeModel, best_isa
from naga.model.state import StatePool, place
from naga.runtime import Runtime, make_runtime

INT8 = Quantisation(format="int8")
CHANNEL = Quantisation(format="int8", group="channel")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model `rotated` in either dtype, and converted."""
    root, config = tmp_path_factory.mktemp("models"), CONFIGS["rotated"]
    found = {}
    for name in ("float32", "bfloat16"):
        runtime = make_runtime("cpu", name)
        found[name] = root / name
        state = make_model(config, runtime.dtype).state_dict()
        save_model(found[name], config, state, dtype=runtime.dtype, tokenizer=None)
        for weights in ("int8", "int4"):
            found[f"{name}-{weights}"] = root / f"{name}-{weights}"
            quantisation = Quantisation(format=weights)
            convert(found[name], found[f"{name}-{weights}"], quantisation)
        found[f"{name}-{CHANNEL}"] = root / f"{name}-{CHANNEL}"
        convert(found[name], found[f"{name}-{CHANNEL}"], CHANNEL)
    return found


def logits(backend: Backend) -> Tensor:
    config = backend.model.config
    pool = StatePool.create(config, backend.runtime, num_slots=1, num_pages=3, page_size=16)
    tokens = torch.randint(300, (40,), generator=torch.Generator().manual_seed(3))
    batch = place([40], [0], [0], [range(3)], "cpu")
    return backend.model.logits_rows(backend.model.step(tokens, batch, pool))


def test_the_cpu_computes_natively_unless_told_otherwise(
    small_model: HybridLM, small_runtime: Runtime
) -> None:
    made = make_backend(small_model, EngineConfig(), small_runtime)
    assert isinstance(made.model, NativeModel)
    assert str(made.numerics) == f"native-{best_isa()}-float32"


def test_the_reference_is_had_by_name(small_model: HybridLM, small_runtime: Runtime) -> None:
    made = make_backend(small_model, EngineConfig(backend="reference"), small_runtime)
    assert made.model is small_model
    expected = f"reference-{torch.__version__}-cpu-float32"
    assert str(made.numerics) == expected


@pytest.mark.parametrize("name", ["bfloat16-int8", "float32-int4"])
def test_a_converted_folder_is_used_where_it_lies_and_copied_between_steps(
    folders: dict[str, Path], name: str, tokenizer: Tokenizer
) -> None:
    backend = load_backend(folders[name], EngineConfig())
    expected, settled = logits(backend), 0
    while backend.settle():
        settled += 1
        assert logits(backend).equal(expected)
    assert settled > 10
    with Engine(load_backend(folders[name], EngineConfig()), tokenizer, EngineConfig()) as engine:
        engine.wait_settled()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_folder_computes_what_its_model_in_memory_computes(
    folders: dict[str, Path], dtype: str, backend: str
) -> None:
    """In the dtype that the folder names."""
    config, runtime = EngineConfig(backend=backend), make_runtime("cpu", dtype)
    loaded = load_backend(folders[dtype], config)
    assert loaded.runtime == runtime
    made = make_backend(load_model(folders[dtype], runtime), config, runtime)
    assert loaded.numerics == made.numerics
    assert logits(loaded).equal(logits(made))


def test_the_dtype_is_had_by_name(folders: dict[str, Path]) -> None:
    for folder in ("float32", "bfloat16-int8"):
        for dtype in ("float32", "bfloat16"):
            found = load_backend(folders[folder], EngineConfig(dtype=dtype))
            assert found.numerics.dtype == dtype
            assert found.runtime == make_runtime("cpu", dtype)


def test_a_folder_that_names_no_dtype_is_computed_in_float32(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    source = folders["bfloat16"]
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((source / "config.json").read_text())
    for named, expected in (("float16", "float32"), (None, "float32"), ("bfloat16", "bfloat16")):
        # transformers' older spelling
        changed = {**config, "dtype": None, "torch_dtype": named}
        (tmp_path / "config.json").write_text(json.dumps(changed))
        assert load_backend(tmp_path, EngineConfig()).numerics.dtype == expected


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_quantised_at_load_in_memory_and_converted_are_one(
    folders: dict[str, Path], dtype: str, weights: str
) -> None:
    asked, runtime = EngineConfig(weights=weights), make_runtime("cpu", dtype)
    at_load = load_backend(folders[dtype], asked)
    assert str(at_load.numerics) == f"native-{best_isa()}-{dtype}-{Quantisation(format=weights)}"
    expected = logits(at_load)
    assert not expected.equal(logits(load_backend(folders[dtype], EngineConfig())))
    in_memory = make_backend(load_model(folders[dtype], runtime), asked, runtime)
    for config in (asked, EngineConfig()):
        converted = load_backend(folders[f"{dtype}-{weights}"], config)
        for other in (converted, in_memory):
            assert other.numerics == at_load.numerics
            assert logits(other).equal(expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_scale_for_each_row_is_had_by_converting(folders: dict[str, Path], dtype: str) -> None:
    stored, runtime = StoredModel(folders[dtype]), make_runtime("cpu", dtype)
    model = NativeModel(stored.config, runtime.dtype, 2, best_isa(), CHANNEL)
    model.load(stored.tensors())
    for asked in (EngineConfig(), EngineConfig(weights="int8")):
        converted = load_backend(folders[f"{dtype}-{CHANNEL}"], asked)
        assert str(converted.numerics) == f"native-{best_isa()}-{dtype}-int8c"
        expected = logits(replace(converted, model=model))
        assert logits(converted).equal(expected)
    assert not expected.equal(logits(load_backend(folders[dtype], EngineConfig())))


def test_native_kernels_for_another_device_are_refused(
    small_model: HybridLM, small_runtime: Runtime
) -> None:
    elsewhere = replace(small_runtime, device=torch.device("cuda"))
    with pytest.raises(ConfigError, match=r"backend native: for device cpu, not cuda"):
        make_backend(small_model, EngineConfig(backend="native"), elsewhere)
    for config, runtime in (
        (EngineConfig(weights="int8"), elsewhere),
        (EngineConfig(weights="int8", backend="reference"), small_runtime),
    ):
        with pytest.raises(ConfigError, match="weights int8: for the native backend on the CPU"):
            make_backend(small_model, config, runtime)


@pytest.mark.parametrize(
    ("folder", "config", "message"),
    [
        ("float32-int8", {"backend": "reference"}, f"quantised ({INT8}), for the native"),
        ("float32-int8", {"weights": "int4"}, "weights are int8 already, not int4; use the"),
        (f"float32-{CHANNEL}", {"weights": "int4"}, "weights are int8 already, not int4; use the"),
        ("float32-int4", {"weights": "int8"}, "weights are int4 already, not int8; use the"),
        ("float32", {"weights": "int8", "backend": "reference"}, "weights int8: for the native"),
        ("float32", {"device": "abacus"}, "device 'abacus': unknown"),
    ],
)
def test_what_cannot_be_had_is_refused(
    folders: dict[str, Path], folder: str, config: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_backend(folders[folder], EngineConfig.model_validate(config))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_missing_kernels_are_an_error_that_names_the_way_out(
    small_model: HybridLM, small_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(naga, "_cpu")
    monkeypatch.setitem(sys.modules, "naga._cpu", None)
    monkeypatch.delitem(sys.modules, "naga.model.native")
    with pytest.raises(ConfigError, match=r"not built .*--backend reference"):
        make_backend(small_model, EngineConfig(), small_runtime)


def test_the_native_backend_makes_no_model_of_pytorch(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object) -> HybridLM:
        raise AssertionError("made")

    monkeypatch.setattr(module, "load_model", make)
    load_backend(folders["float32"], EngineConfig())
    load_backend(folders["float32"], EngineConfig(weights="int4"))
    load_backend(folders["float32-int4"], EngineConfig())
