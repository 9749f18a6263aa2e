"""naga bench memory: what a conversation takes is what the account says."""

import json
import sys
from pathlib import Path

import pytest

from bench.conftest import CONFIGS
from naga.bench.limits import Kv
from naga.bench.models import presets
from naga.bench.peers import PEERS, Installed
from naga.bench.resident import measure_resident, pool_bytes
from naga.config.base import ConfigError
from naga.model.account import account


@pytest.mark.parametrize("kv", [None, "int8"])
@pytest.mark.parametrize("name", ["granite-4.0-h-350m", "granite-4.0-h-tiny", "dense-350m"])
def test_pools_grow_by_the_formula(name: str, kv: Kv | None) -> None:
    config, costs = presets()[name], account(presets()[name], kv=kv)
    grown = pool_bytes(config, 2, 32_768, kv) - pool_bytes(config, 1, 32_768, kv)
    assert grown == costs.state_bytes + 32_768 * costs.kv_bytes_per_token


def test_a_report_has_both_numbers(checkpoints: dict[str, Path]) -> None:
    report = measure_resident(checkpoints["nemotron_h"], [], 100, threads=1)
    costs = account(CONFIGS["nemotron_h"])
    (row,) = json.loads(report.to_json())["rows"]
    assert row["formula"] == costs.state_bytes + 100 * costs.kv_bytes_per_token
    # Two pages of 64 tokens.
    assert row["measured"] == costs.state_bytes + 128 * costs.kv_bytes_per_token
    assert report.table().row_count == 1


def test_peers_that_grow_as_they_go_are_refused(checkpoints: dict[str, Path]) -> None:
    found = Installed(peer=PEERS["vllm"], python=Path(sys.executable), version="1")
    with pytest.raises(ConfigError, match="vllm takes memory as a conversation grows"):
        measure_resident(checkpoints["nemotron_h"], [found], 100, threads=1)
