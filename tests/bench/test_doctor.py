"""doctor: measurements are speeds, limits follow the formulas, and it runs without kernels too."""

import json
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from bench.conftest import CONFIGS
from naga import _cpu
from naga.bench import doctor
from naga.bench.doctor import Diagnosis, Kernels, decode_limit, diagnose, fit, prefill_limit
from naga.bench.models import presets
from naga.cli import main
from naga.config.serve import EngineConfig
from naga.engine.memory import memory_need
from naga.model.account import account

MEGABYTE = 1 << 20
KERNELS = Kernels(
    isa="avx2",
    isas=("portable", "avx2"),
    read_one_thread=10e9,
    read_all_threads=20e9,
    product_flops={"f32": 100e9, "bf16": 400e9, "int8": 800e9},
)


def text_of(diagnosis: Diagnosis) -> str:
    """As on a terminal of the usual width, its lines joined."""
    out = StringIO()
    Console(file=out, width=80).print(diagnosis.table())
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_reading_has_a_speed(threads: int) -> None:
    # Odd sizes: the last part of a line, unequal shares.
    for size in (4096 * threads, MEGABYTE + 1, MEGABYTE - 65):
        assert 1e7 < _cpu.read_bandwidth(size, threads) < 1e13


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("isa", [isa for isa in doctor.ISAS if _cpu.has_isa(isa)])
def test_every_kernel_has_a_peak(isa: str, dtype: str) -> None:
    assert 1e7 < _cpu.product_peak(dtype, isa, 1) < 1e14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _cpu.read_bandwidth(MEGABYTE, 0), "threads: must be at least 1"),
        (lambda: _cpu.read_bandwidth(-1, 1), "bytes: must be at least 4096 for each thread"),
        (lambda: _cpu.read_bandwidth(4096, 2), "bytes: must be at least 4096 for each thread"),
        (lambda: _cpu.product_peak("float32", "portable", 0), "threads: must be at least 1"),
        (lambda: _cpu.product_peak("int4", "portable", 1), "dtype: use float32, bfloat16 or"),
        (lambda: _cpu.product_peak("float32", "mmx", 1), "instruction set mmx: unknown"),
    ],
)
def test_a_senseless_measurement_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_more_than_there_is_memory_is_an_error() -> None:
    with pytest.raises(MemoryError):
        _cpu.read_bandwidth(1 << 58, 1)


def test_the_decode_limit_counts_active_weights_and_states() -> None:
    config = presets()["granite-4.0-h-350m"]
    costs, need = account(config), memory_need(config, EngineConfig(dtype="bfloat16"))
    assert need.weights == pytest.approx(2 * costs.parameters, rel=0.01)
    expected = 20e9 / (2 * costs.parameters + 2 * costs.state_bytes)
    assert decode_limit(costs, need, 20e9) == pytest.approx(expected, rel=0.01)
    # 1.46 B of 6.94 B parameters.
    config = presets()["granite-4.0-h-tiny"]
    costs, need = account(config), memory_need(config, EngineConfig(dtype="bfloat16"))
    expected = 20e9 / (2 * 1.465e9 + 2 * costs.state_bytes)
    assert decode_limit(costs, need, 20e9) == pytest.approx(expected, rel=0.01)


def test_the_prefill_limit_leaves_the_head_out() -> None:
    config = presets()["dense-350m"]
    body = account(config).parameters - config.vocab_size * config.hidden_dim
    assert prefill_limit(config, account(config), 2e12) == pytest.approx(1e12 / body, rel=0.01)


def test_a_model_fits_up_to_its_need() -> None:
    config = CONFIGS["granitemoehybrid"]
    need = memory_need(config, EngineConfig(dtype="bfloat16", weights="int8")).total
    row = fit("tiny", config, "int8", need, KERNELS)
    assert row.fits and not fit("tiny", config, "int8", need - 1, KERNELS).fits
    assert row.need_bytes == need
    assert row.kv_bytes_per_1k_tokens == 1000 * account(config, 2).kv_bytes_per_token
    assert fit("tiny", config, "int8", need, None) == replace(
        row, decode_tokens_per_s=None, prefill_tokens_per_s=None
    )


def test_a_diagnosis_names_what_the_engine_uses() -> None:
    found = diagnose({"tiny": CONFIGS["naga"]}, read_bytes=MEGABYTE)
    assert found.threads == torch.get_num_threads() and found.problem is None
    assert found.kernels is not None and found.kernels.isa == _cpu.best_isa()
    assert found.kernels.isas[0] == "portable" and found.kernels.isas[-1] == found.kernels.isa
    assert [(row.model, row.precision) for row in found.fits] == [
        ("tiny", precision) for precision in doctor.HELD
    ]
    data = json.loads(found.to_json())
    assert data["schema"] == "naga.doctor.1"
    assert data["memory"]["available"] == found.memory.available
    assert data["fits"][0]["decode_tokens_per_s"] > 0
    text = text_of(found)
    for words in (found.cpu, found.kernels.isa, "GB/s on 1 thread", "available 可用", "tiny"):
        assert words in text


def test_without_kernels_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("naga._cpu")
    monkeypatch.setitem(sys.modules, "naga._cpu", None)
    found = diagnose({"tiny": CONFIGS["naga"]}, read_bytes=MEGABYTE)
    assert found.kernels is None and "_cpu" in str(found.problem)
    assert [row.decode_tokens_per_s for row in found.fits] == [None] * 3
    text = text_of(found)
    assert "not built 未构建" in text and "apt install g++" in text


def test_the_command_prints_presets_and_the_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "measure_kernels", lambda *_: KERNELS)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["naga", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (0, 2)
        printed = capsys.readouterr()
        return printed.err if ended.value.code else printed.out

    data = json.loads(run("--json"))
    assert {row["model"] for row in data["fits"]} == {*presets()}
    huge = next(row for row in data["fits"] if row["model"] == "turbos-560b")
    assert not huge["fits"] and huge["weight_bytes"] > 1e12
    assert "granite-4.0-h-tiny" in run()
    recipe = str(Path(__file__).parents[2] / "recipes" / "mini.toml")
    assert recipe in {row["model"] for row in json.loads(run(recipe, "--json"))["fits"]}
    assert "model 'granite-9': unknown" in run("granite-9")
