"""Folders that are there whole or not at all, whoever writes, fails or is killed."""

from pathlib import Path

import pytest

from naga.disk import hidden_of, new_folder, previous_of, remove_folder, standing, tidy


def fill(path: Path, text: str) -> None:
    with new_folder(path) as folder:
        (folder / "file").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        fill(tmp_path / "a", text)
        assert (tmp_path / "a" / "file").read_text() == text
        assert names(tmp_path) == ["a"]


def test_a_failure_leaves_the_former_one_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path / "a", "old")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "a") as folder:
        (folder / "file").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["a"] and (tmp_path / "a" / "file").read_text() == "old"


def test_a_failed_rename_brings_the_former_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "a", "old")
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path == hidden_of(tmp_path / "a"):
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"):
        fill(tmp_path / "a", "new")
    assert names(tmp_path) == ["a"] and (tmp_path / "a" / "file").read_text() == "old"


def test_what_a_kill_left_is_found_and_tidied(tmp_path: Path) -> None:
    fill(tmp_path / "a", "old")
    (tmp_path / "a").rename(previous_of(tmp_path / "a"))
    hidden_of(tmp_path / "a").mkdir()
    (hidden_of(tmp_path / "a") / "folder").mkdir()
    assert standing(tmp_path / "a") == previous_of(tmp_path / "a")
    tidy(tmp_path)
    assert names(tmp_path) == ["a"] and (tmp_path / "a" / "file").read_text() == "old"
    assert standing(tmp_path / "a") == tmp_path / "a"


def test_tidying_leaves_a_living_writer_alone(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a") as folder:
        (folder / "file").write_text("new")
        tidy(tmp_path)
        with pytest.raises(BlockingIOError):
            fill(tmp_path / "a", "other")
    assert names(tmp_path) == ["a"] and (tmp_path / "a" / "file").read_text() == "new"


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "a", "old")
    hidden_of(tmp_path / "a").mkdir()
    (hidden_of(tmp_path / "a") / "file").write_text("of a killed writer")
    remove_folder(tmp_path / "a")
    assert names(tmp_path) == []
