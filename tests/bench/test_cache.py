"""naga bench cache: turns come from the cache, and are what they are without it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.conftest import CONFIGS

from naga.bench.models import make_model
from naga.cli import main
from naga.model.state import StatePool


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "tiny"
    config = CONFIGS["plain"].model_copy(update={"max_positions": 8000})
    make_model(config, folder, seed=1, dtype=torch.float32)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["naga", "bench", "cache", *words, "--json"])
        main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_turns_are_cached_and_identical(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    sizes = ["--turns", "3", "--document-tokens", "1500", "--new-tokens", "5"]
    code, found = run(capsys, str(checkpoint), *sizes, "--kv", "int8", "--markdown", str(page))
    assert (code, found["identical"]) == (0, True)
    first, *later = found["rows"]
    assert first["cached_tokens"] == 0 and first["prompt_tokens"] > 1500
    for before, row in zip(found["rows"], later, strict=False):
        # What comes before the answer's think block is known.
        assert row["cached_tokens"] >= before["prompt_tokens"] - 3
    whole = sum(row["cached_tokens"] for row in found["rows"])
    assert found["cached_fraction"] == whole / sum(row["prompt_tokens"] for row in found["rows"])
    assert 0.9 < found["cached_fraction_later"] < 1
    assert 0 < found["ttft_warm_s"] < found["ttft_cold_s"]
    assert found["numerics"].endswith("kv-int8")
    assert found["command"] in page.read_text(encoding="utf-8")


def test_another_answer_is_an_error(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StatePool, "copy_slot", lambda pool, source, target: None)
    sizes = ["--turns", "3", "--document-tokens", "300", "--new-tokens", "5"]
    code, found = run(capsys, str(checkpoint), *sizes)
    assert (code, found["identical"]) == (1, False)
