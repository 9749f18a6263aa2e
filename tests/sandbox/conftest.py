"""A sandbox of each tier there is, with limits small enough for attacks to be quick."""

from collections.abc import Iterator

import pytest

from naga.config.base import ConfigError
from naga.sandbox import TIERS, Limits, Sandbox, Tier, language_of

SMALL = Limits(
    wall_s=2.0,
    cpu_s=2,
    memory_bytes=128 << 20,
    processes=16,
    output_bytes=1 << 16,
    file_bytes=4 << 20,
)


def opened(tier: Tier, workers: int = 1) -> Sandbox:
    """Skips the test, saying why, where the machine has no such tier."""
    try:
        return Sandbox(tier=tier, limits=SMALL, workers=workers)
    except ConfigError as error:
        pytest.skip(f"no tier {tier} here: {error}")


def needs(language: str) -> None:
    """Skips the test where that language's tools are not installed."""
    try:
        language_of(language)
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with opened(request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def strongest() -> Iterator[Sandbox]:
    """Where the tier makes no difference."""
    try:
        sandbox = Sandbox(limits=SMALL, workers=1)
    except ConfigError as error:
        pytest.skip(f"no tier here: {error}")
    with sandbox:
        yield sandbox


@pytest.fixture(params=("cgroup", "namespace"))
def bubble(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with opened(request.param) as sandbox:
        yield sandbox
