"""Both versions of control groups: this machine's own, and trees that look like others."""

import os
from pathlib import Path

import pytest

from naga.config.base import ConfigError
from naga.sandbox.cgroup import FirstVersion, Parent, SecondVersion, find_parent

MEBIBYTE = 1 << 20


def fake(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_the_second_version_is_limited_and_read(tmp_path: Path) -> None:
    files = {"memory__max": "max", "memory__swap__max": "max", "pids__max": "max"}
    events = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 0\n"
    group = SecondVersion(folder=fake(tmp_path, memory__events=events, **files))
    group.limit_memory(64 * MEBIBYTE)
    group.limit_processes(20)
    written = [(tmp_path / name.replace("__", ".")).read_text() for name in files]
    assert written == [str(64 * MEBIBYTE), "0", "20"]
    assert group.kills() == 3
    assert group.entrances == (tmp_path / "cgroup.procs",)


@pytest.mark.parametrize("before", [1 << 20, 1 << 40])
def test_the_first_version_keeps_swap_at_least_at_memory(tmp_path: Path, before: int) -> None:
    memory = fake(
        tmp_path / "memory",
        memory__limit_in_bytes=str(before),
        memory__memsw__limit_in_bytes=str(before),
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    )
    group = FirstVersion(memory=memory, pids=fake(tmp_path / "pids", pids__max="max"))
    group.limit_memory(64 * MEBIBYTE)
    group.limit_processes(9)
    limits = [(memory / f"memory.{name}limit_in_bytes").read_text() for name in ("", "memsw.")]
    assert limits == [str(64 * MEBIBYTE)] * 2
    assert (tmp_path / "pids" / "pids.max").read_text() == "9"
    assert group.kills() == 2
    assert [path.parent.name for path in group.entrances] == ["memory", "pids"]


def mounts(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def own(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "cgroup"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


class Kernel:
    """Gives a folder made in a delegated group its files, as cgroupfs does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, delegated: Path) -> None:
        self._mkdir, self._rmdir, self._delegated = Path.mkdir, Path.rmdir, delegated
        monkeypatch.setattr(Path, "mkdir", lambda path: self.make(path))
        monkeypatch.setattr(Path, "rmdir", lambda path: self.remove(path))

    def make(self, path: Path) -> None:
        self._mkdir(path)
        if path.parent == self._delegated:
            for name in ("memory.max", "pids.max", "memory.events"):
                (path / name).write_text("")

    def remove(self, path: Path) -> None:
        for file in path.iterdir():
            file.unlink()
        self._rmdir(path)


def test_a_group_is_made_beside_ours_where_that_was_delegated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours holds processes, so its children get no controllers; its parent's do."""
    top = tmp_path / "cgroup fs"
    ours = fake(top / "user.slice" / "naga.scope")
    mount = mounts(tmp_path, f"30 23 0:26 / {tmp_path}/fs rw - cgroup2 cgroup2 rw,nsdelegate")
    top.rename(tmp_path / "fs")
    slice_ = tmp_path / "fs" / "user.slice"
    Kernel(monkeypatch, slice_)
    parent = find_parent(mount, own(tmp_path, "0::/user.slice/naga.scope"))
    assert (parent.version, parent.folders) == (2, (slice_,))
    group = parent.new_group()
    assert group.folders[0].parent == slice_
    group.remove()
    assert [path.name for path in slice_.iterdir()] == [ours.name]


def test_a_containers_mount_shows_its_own_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = fake(tmp_path / "fs")
    mount = mounts(tmp_path, f"30 23 0:26 /docker/abc {top} rw - cgroup2 cgroup2 rw")
    Kernel(monkeypatch, top)
    assert find_parent(mount, own(tmp_path, "0::/docker/abc")).folders == (top,)


def test_a_group_without_controllers_is_no_group(tmp_path: Path) -> None:
    top = fake(tmp_path / "fs")
    mount = mounts(tmp_path, f"30 23 0:26 / {top} rw - cgroup2 cgroup2 rw")
    with pytest.raises(ConfigError, match=r"no control group: .*memory\.max"):
        find_parent(mount, own(tmp_path, "0::/"))
    assert list(top.iterdir()) == []


def test_no_mount_is_said(tmp_path: Path) -> None:
    mount = mounts(tmp_path, "22 28 0:20 / /proc rw - proc proc rw")
    with pytest.raises(ConfigError, match="none is mounted"):
        find_parent(mount, own(tmp_path, "0::/"))


def test_a_real_group_of_the_second_version_is_made_and_removed() -> None:
    """Without controllers on a machine whose memory is the first version's: as far as that goes."""
    top = Path("/sys/fs/cgroup/unified")
    if not os.access(top, os.W_OK):
        pytest.skip("no writable hierarchy of the second version here")
    if (top / "memory.max").exists():
        pytest.skip("with its controllers it is tested by every other test")
    with pytest.raises(FileNotFoundError, match="memory"):
        Parent(version=2, folders=(top,)).new_group()
    assert not list(top.glob(f"naga-{os.getpid()}-*"))


def test_what_dead_processes_left_is_cleared(tmp_path: Path) -> None:
    gone, here = tmp_path / "naga-999999999-1", tmp_path / f"naga-{os.getpid()}-1"
    other = tmp_path / "somebody-else"
    for folder in (gone, here, other):
        folder.mkdir()
    Parent(version=2, folders=(tmp_path,)).clear()
    assert not gone.exists() and here.exists() and other.exists()
