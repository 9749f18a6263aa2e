"""naga bench cache: turns come from the cache, and are what they are without it."""

from pathlib import Path

import pytest

from bench.conftest import Bench
from naga.model.state import StatePool


def test_turns_are_cached_and_identical(naga_bench: Bench, chatting: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    sizes = ["--turns", "3", "--document-tokens", "1500", "--new-tokens", "5"]
    ran = naga_bench("cache", chatting, *sizes, "--kv", "int8", "--markdown", page, "--json")
    found = ran.found
    assert (ran.code, found["identical"]) == (0, True)
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
    naga_bench: Bench, chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StatePool, "copy_slot", lambda pool, source, target: None)
    sizes = ["--turns", "3", "--document-tokens", "300", "--new-tokens", "5"]
    ran = naga_bench("cache", chatting, *sizes, "--json")
    assert (ran.code, ran.found["identical"]) == (1, False)
