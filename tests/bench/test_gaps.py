"""Gaps between tokens: all are measured, of short and of long requests."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.conftest import Bench
from naga.bench.gaps import Load, measure_gaps
from naga.config.base import ConfigError


def test_every_gap_is_measured(checkpoints: dict[str, Path]) -> None:
    path = checkpoints["granitemoehybrid"]
    small = Load(concurrent=4, requests=10, long_requests=2, long_prompt=55, new_tokens=6)
    report = measure_gaps(path, small, None, 3, "naga bench gaps X", Console(file=StringIO()))
    assert report.gaps == 10 * 5
    assert 0 < report.median_s <= report.p99_s <= report.max_s
    assert report.p99_over_median == pytest.approx(report.p99_s / report.median_s)
    assert report.short_ttft_s > 0 and report.long_ttft_s > 0 and report.tokens_per_s > 0
    assert json.loads(report.to_json())["load"]["long_prompt"] == 55


def test_what_exceeds_the_context_is_refused(checkpoints: dict[str, Path]) -> None:
    long = Load(concurrent=2, requests=3, long_requests=2, long_prompt=99, new_tokens=6)
    with pytest.raises(ConfigError, match="exceeds the model's context"):
        measure_gaps(checkpoints["granitemoehybrid"], long, None, 0, "", Console(file=StringIO()))


def test_the_command_prints_json_only(naga_bench: Bench, checkpoints: dict[str, Path]) -> None:
    flags = ["--concurrent=2", "--requests=4", "--long-requests=1", "--long-prompt=56"]
    model = checkpoints["granitemoehybrid"]
    ran = naga_bench("gaps", model, *flags, "--new-tokens=4", "--json")
    assert ran.code == 0
    assert ran.found["gaps"] == 4 * 3
