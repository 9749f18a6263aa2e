"""naga bench slice, from options to rows, page and refusals."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.conftest import Bench
from naga.bench import peers
from naga.bench.slice import SliceOptions, inference_job, run_slice
from naga.checkpoint.config import read_model_config
from naga.config.base import ConfigError
from naga.config.load import parse_config

SMALL = {"rounds": 1, "prompt_tokens": 12, "decode_tokens": 3, "batch": 2, "train_tokens": 16}


def run(model: Path, **changes: Any) -> dict[str, Any]:
    """The report's JSON."""
    asked = {"model": str(model), "threads": 1, **SMALL, **changes}
    options = parse_config(SliceOptions, asked, source="test")
    report = run_slice(options, "naga bench slice X", Console(file=StringIO()))
    data: dict[str, Any] = json.loads(report.to_json())
    return data


@pytest.mark.parametrize(
    ("layout", "dtype", "precision"),
    [("granitemoehybrid", "bfloat16", "bf16"), ("nemotron_h", "float32", "f32")],
)
def test_every_work_is_measured_on_both_sides(
    layout: str, dtype: str, precision: str, checkpoints: dict[str, Path]
) -> None:
    # The longest run that the context of 64 allows: the reserve for sequences that start early is
    # enough, and not more than is refused.
    data = run(checkpoints[layout], dtype=dtype, prompt_tokens=58)
    works = [("prefill", 1, 58), ("decode", 1, 58), ("decode", 2, 58), ("train", 2, 8)]
    found = [(row["work"], row["batch"], row["context"], row["engine"]) for row in data["rows"]]
    assert found == [(*work, engine) for work in works for engine in ("naga", "transformers")]
    assert data["subject"]["layout"] == layout
    for row in data["rows"]:
        assert row["precision"] == precision and row["threads"] == 1
        assert row["tokens_per_s"] > 0 and len(row["rounds"]) == 1
        assert (row["of_limit"] is None) == (row["work"] == "train")
    assert [ratio["over"] for ratio in data["ratios"]] == ["transformers"] * 4


def test_a_batch_of_one_is_decoded_once(checkpoints: dict[str, Path]) -> None:
    model = checkpoints["nemotron_h"]
    asked = {"model": str(model), "threads": 1, **SMALL, "batch": 1}
    options = parse_config(SliceOptions, asked, source="test")
    job = inference_job(options, read_model_config(model))
    assert [(case.work, case.batch) for case in job.cases] == [("prefill", 1), ("decode", 1)]


def test_the_command_prints_json_only_and_writes_the_page(
    naga_bench: Bench, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    page = tmp_path / "new" / "slice.md"
    model = str(checkpoints["granitemoehybrid"])
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()]
    ran = naga_bench("slice", model, *flags, "--json", "--markdown", page)
    assert ran.code == 0
    data, err = ran.found, ran.err
    assert data["command"].startswith(f"naga bench slice {model} --rounds=1")
    assert data["command"] in page.read_text(encoding="utf-8")
    assert "naga f32 beside transformers f32 6/6" in err and "training 2/2" in err
    assert "Loading" not in err and "falling back" not in err


def refused(model: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as error:
        run(model, **changes)
    return str(error.value)


def test_layouts_that_transformers_cannot_open_are_refused(checkpoints: dict[str, Path]) -> None:
    message = refused(checkpoints["naga"])
    assert "cannot open layout naga; give a checkpoint in granitemoehybrid or" in message


def test_a_model_without_attention_is_refused(checkpoints: dict[str, Path]) -> None:
    assert "has no attention layer" in refused(checkpoints["without-attention"])


def test_without_transformers_nothing_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "FIND", "print('null')")
    assert "transformers is not installed" in refused(tmp_path / "missing")


def test_lengths_beyond_the_context_are_refused_with_the_counts(
    checkpoints: dict[str, Path],
) -> None:
    message = refused(checkpoints["nemotron_h"], prompt_tokens=59)
    assert "need 65 positions, its context is 64; take shorter ones" in message


@pytest.mark.parametrize("train_tokens", [15, 2])
def test_rows_of_unequal_or_no_length_are_refused(
    train_tokens: int, checkpoints: dict[str, Path]
) -> None:
    message = refused(checkpoints["nemotron_h"], train_tokens=train_tokens)
    assert f"train_tokens ({train_tokens}) must make 2 rows" in message


def test_a_page_that_cannot_be_written_is_refused_before_the_run(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    assert "is a folder" in refused(checkpoints["nemotron_h"], markdown=str(tmp_path))
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "slice.md"
    assert "cannot be written" in refused(checkpoints["nemotron_h"], markdown=str(inside))
