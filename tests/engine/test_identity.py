"""Digests of a checkpoint: what they depend on, and that a file is read once."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

import pytest

import naga
from naga.config.base import ConfigError
from naga.disk import state_home
from naga.engine.backend import Numerics
from naga.engine.identity import digest_weights, identify

MINI = Path(naga.__file__).parent / "assets" / "naga-mini"
NUMERICS = Numerics(backend="native", processor="avx2", dtype="bfloat16")


class Reading:
    """Counts the bytes that were read."""

    def __init__(self) -> None:
        self.num_bytes = 0

    @contextmanager
    def __call__(self, total: int) -> Iterator[Callable[[int], None]]:
        before = self.num_bytes
        yield self._advance
        assert self.num_bytes == before + total

    def _advance(self, count: int) -> None:
        self.num_bytes += count


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return copytree(MINI, tmp_path / "mini")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home" / "naga"


def test_a_file_is_read_once_and_again_when_it_has_changed(checkpoint: Path, home: Path) -> None:
    reading = Reading()
    first = digest_weights(checkpoint, home=home, progress=reading)
    whole = reading.num_bytes
    assert whole >= (checkpoint / "model.safetensors").stat().st_size
    assert digest_weights(checkpoint, home=home, progress=reading) == first
    assert reading.num_bytes == whole
    with (checkpoint / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    os.utime(checkpoint / "model.safetensors", (1, 1))
    assert digest_weights(checkpoint, home=home, progress=reading) != first
    assert reading.num_bytes > whole


def test_a_copy_elsewhere_has_the_same_digest(checkpoint: Path, home: Path) -> None:
    assert digest_weights(checkpoint, home=home) == digest_weights(MINI, home=home)


@pytest.mark.parametrize("damage", ["", "[]", "{", "null", '{"a": 1}', "[" * 100_000])
def test_a_damaged_cache_is_made_anew(checkpoint: Path, home: Path, damage: str) -> None:
    expected = digest_weights(checkpoint, home=home)
    (home / "digests.json").write_text(damage)
    assert digest_weights(checkpoint, home=home) == expected
    assert len(json.loads((home / "digests.json").read_text())) == 2


def test_what_is_gone_is_forgotten(checkpoint: Path, home: Path) -> None:
    digest_weights(checkpoint, home=home)
    digest_weights(MINI, home=home)
    (checkpoint / "config.json").write_text((checkpoint / "config.json").read_text() + "\n")
    (checkpoint / "model.safetensors").rename(checkpoint / "moved.safetensors")
    digest_weights(checkpoint, home=home)
    kept = json.loads((home / "digests.json").read_text())
    assert len(kept) == 4 and not any(str(checkpoint / "model.safetensors") in key for key in kept)


def test_a_cache_that_cannot_be_written_is_no_error(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert digest_weights(checkpoint, home=tmp_path / "file" / "naga")


def test_no_weights_is_a_clear_error(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ConfigError, match="no safetensors files"):
        digest_weights(tmp_path, home=home)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_an_identity_changes_with_each_file(checkpoint: Path, home: Path, name: str) -> None:
    before = identify(checkpoint, NUMERICS, home=home).marks()
    file = checkpoint / name
    text = file.read_bytes()
    file.write_bytes(text + b"\n" if name != "config.json" else text.replace(b"2048", b"2049"))
    after = identify(checkpoint, NUMERICS, home=home).marks()
    assert before != after and before["numerics"] == after["numerics"]


def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkpoint: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("NAGA_STATE_DIR", raising=False)
    assert state_home() == tmp_path / "xdg" / "naga"
    monkeypatch.setenv("NAGA_STATE_DIR", str(tmp_path / "own"))
    digest_weights(checkpoint)
    assert (tmp_path / "own" / "digests.json").is_file()
    monkeypatch.delenv("NAGA_STATE_DIR")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_home() == Path.home() / ".local" / "state" / "naga"
