"""A tokenizer of each family, with and without tokens of their own for calls."""

from pathlib import Path

import pytest
from data import talkers

from naga.data.formats import Format, format_of, ready
from naga.data.tokenizer import Tokenizer

FAMILIES = {
    "naga": (talkers.naga_folder, True),
    "granite": (talkers.granite_folder, True),
    "granite-spelled": (talkers.granite_folder, False),
    "nano": (talkers.nano_folder, True),
    "nano-spelled": (talkers.nano_folder, False),
    "nemotron": (talkers.nemotron_folder, True),
    "nemotron-spelled": (talkers.nemotron_folder, False),
}


@pytest.fixture(scope="session", params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make, tags = FAMILIES[request.param]
    return make(tmp_path_factory.mktemp(request.param), tags=tags)


@pytest.fixture(scope="session")
def talker(folder: Path) -> Tokenizer:
    return ready(Tokenizer.load(folder))


@pytest.fixture(scope="session")
def form(talker: Tokenizer) -> Format:
    return format_of(talker)
