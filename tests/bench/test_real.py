"""`naga bench real`: what it checks it can also refuse; its report says what was found."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from bench.conftest import Bench
from naga.bench import parity, real
from naga.bench.parity import dtype_within, judge, obstacle
from naga.bench.real import built_in_text
from naga.checkpoint.convert import convert
from naga.config.quantisation import Quantisation

NAGA_MINI = Path(__file__).parents[2] / "naga" / "assets" / "naga-mini"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAGA_STATE_DIR", str(tmp_path / "home"))
    monkeypatch.setattr(real, "LONG", 96)
    monkeypatch.setattr(real, "ANSWER", 4)
    monkeypatch.setattr(real, "ROUNDS", 1)
    monkeypatch.setattr(real, "PROMPT_TOKENS", 24)
    monkeypatch.setattr(real, "known_or_measured", lambda threads: None)


def test_the_shipped_model_is_accepted(naga_bench: Bench, short: None, tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    ran = naga_bench("real", NAGA_MINI, "--schedules", "1", "--markdown", page, "--json")
    assert ran.code == 0, ran.err
    verdicts = {check["name"]: check["verdict"] for check in ran.found["checks"]}
    assert verdicts == {
        "parity": "passed",
        "perplexity": "measured",
        "determinism": "passed",
        "load": "measured",
        "cache": "passed",
        "speed": "measured",
    }
    assert ran.found["passed"] and ran.found["subject"]["layout"] == "granitemoehybrid"
    text = page.read_text()
    assert text.startswith(f"# Acceptance of `{NAGA_MINI}`: passed")
    assert all(f"| {name} | {verdict} |" in text for name, verdict in verdicts.items())


def test_wrong_logits_are_a_failure(
    naga_bench: Bench, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = parity.our_logits

    def wrong(path: Path, prompts: Sequence[Sequence[int]], dtype: str) -> list[torch.Tensor]:
        return [
            logits + 0.01 * torch.arange(len(logits[0])) for logits in ours(path, prompts, dtype)
        ]

    monkeypatch.setattr(parity, "our_logits", wrong)
    ran = naga_bench("real", NAGA_MINI, "--schedules", "1", "--json")
    assert ran.code == 1 and not ran.found["passed"]
    failed = [one["name"] for one in ran.found["checks"] if one["verdict"] == "failed"]
    assert failed == ["parity"]


def test_what_cannot_be_compared_says_why(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    assert obstacle(checkpoints["naga"]) == "transformers does not open layout naga"
    convert(checkpoints["nemotron_h"], tmp_path / "int8", Quantisation(format="int8"))
    assert obstacle(tmp_path / "int8") == "transformers does not open layout naga"
    assert obstacle(checkpoints["nemotron_h"]) is None
    assert dtype_within(10**9, 6 * 10**9) == "float32"
    assert dtype_within(10**9, 5 * 10**9) == "bfloat16"
    assert dtype_within(10**9, 10**9) is None


def test_parity_is_judged_by_the_largest_difference() -> None:
    theirs = torch.tensor([[2.0, 0.0], [1.0, 0.99999]])
    near = judge(torch.tensor([[2.0, 0.0], [0.99999, 1.0]]), theirs, "float32")
    assert (near.same_token, near.positions, near.passed) == (1, 2, True)
    assert near.largest_logit == 2 and near.mean_divergence < 1e-9
    for dtype, passed in (("float32", False), ("bfloat16", True)):
        assert judge(theirs + torch.tensor([0.01, 0.0]), theirs, dtype).passed == passed
    assert not judge(theirs + torch.tensor([0.2, 0.0]), theirs, "bfloat16").passed


def test_the_built_in_text_has_both_languages() -> None:
    text = built_in_text().read_text(encoding="utf-8")
    assert "ferry" in text and "渡船" in text


def test_a_folder_without_weights_is_refused_whole(naga_bench: Bench, tmp_path: Path) -> None:
    ran = naga_bench("real", tmp_path / "none")
    assert ran.code == 2 and "no such folder" in ran.err
    assert json.dumps(ran.out) == '""'
