"""naga bench overhead: shares of a token's time, by the command too."""

import json
import sys
from pathlib import Path

import pytest

from naga.cli import main


def test_python_has_a_share_of_a_token(
    checkpoints: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = str(checkpoints["granitemoehybrid"])
    flags = ["--model", model, "--precisions", "bf16,int4", "--rounds", "2", "--json"]
    monkeypatch.setattr("naga.bench.overhead.TOKENS", 8)
    monkeypatch.setattr(sys, "argv", ["naga", "bench", "overhead", *flags])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    data = json.loads(capsys.readouterr().out)
    assert [row["precision"] for row in data["rows"]] == ["bf16", "int4"]
    for row in data["rows"]:
        assert 0 < row["python_share"] < 1 and row["tokens_per_s"] > 0
        # A tiny model's token is mostly Python's, but not longer than the token.
        assert row["python_us_per_token"] < 1e6
