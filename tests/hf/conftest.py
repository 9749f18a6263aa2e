"""Quiet transformers: no progress bars; a warning of its own logger would still be seen."""

from collections.abc import Iterator

import pytest
import transformers


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.enable_progress_bar()
