"""Public data sets, where they lie beside the project."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def public() -> Path:
    for parent in Path(__file__).parents:
        folder = parent / "shared" / "data" / "eval"
        if folder.is_dir():
            return folder
    pytest.skip("no shared/data/eval beside the project")
