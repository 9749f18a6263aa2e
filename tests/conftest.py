"""For the whole suite: one thread for torch, and hypothesis that neither hurries nor forgets."""

import signal
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

# A shared machine may pause any example for longer than hypothesis allows. The blob in a failure's
# message replays that example anywhere.
settings.register_profile("naga", deadline=None, print_blob=True)
settings.load_profile("naga")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products gain nothing from threads, and wait long for them on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """A suite started in a shell's background has SIGINT ignored, and so would what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
