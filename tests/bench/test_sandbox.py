"""The measurement itself; how fast is for a machine that does nothing else."""

import pytest

from naga.bench.sandbox import measure_sandbox
from naga.config.base import ConfigError


def test_runs_are_counted() -> None:
    try:
        speed = measure_sandbox(seconds=0.3)
    except ConfigError as error:
        pytest.skip(str(error))
    assert speed.runs >= 1 and speed.seconds >= 0.3
    assert speed.runs_per_s == speed.runs / speed.seconds
