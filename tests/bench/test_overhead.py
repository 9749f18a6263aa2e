"""naga bench overhead: shares of a token's time, by the command too."""

from pathlib import Path

import pytest

from bench.conftest import Bench


def test_python_has_a_share_of_a_token(
    naga_bench: Bench, checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naga.bench.overhead.TOKENS", 8)
    flags = ["--precisions", "bf16,int4", "--rounds", "2", "--json"]
    ran = naga_bench("overhead", "--model", checkpoints["granitemoehybrid"], *flags)
    assert ran.code == 0
    data = ran.found
    assert [row["precision"] for row in data["rows"]] == ["bf16", "int4"]
    for row in data["rows"]:
        assert 0 < row["python_share"] < 1 and row["tokens_per_s"] > 0
        # A tiny model's token is mostly Python's, but not longer than the token.
        assert row["python_us_per_token"] < 1e6
