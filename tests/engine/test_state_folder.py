"""A saved state comes back bit for bit or not at all, and a failed save leaves the former one."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.saved_states import is_same, make_document, make_identity, make_state
from safetensors.torch import load_file, save_file

from naga.engine import state_folder
from naga.engine.saved import Identity, SavedState, StateError
from naga.engine.state_folder import read_documents, read_state, write_state

IDENTITY = make_identity()
STATE = make_state(IDENTITY)
KEYS, STATES, MANIFEST = "keys.safetensors", "states.safetensors", "manifest.json"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A saved state."""
    write_state(tmp_path / "X.state", IDENTITY, STATE, [make_document()])
    return tmp_path / "X.state"


def refused(path: Path, identity: Identity = IDENTITY) -> str:
    """The one line of a refusal, without the path it begins with."""
    with pytest.raises(StateError) as caught:
        read_state(path, identity)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 600 and line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def reseal(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file as somebody would who makes all checksums fit again."""
    file = path / name
    file.write_bytes(change(file.read_bytes()))
    if name != MANIFEST:
        text = file.read_bytes()
        digest = hashlib.sha256(text).hexdigest()

        def enter(manifest: dict[str, Any]) -> None:
            facts = next(facts for facts in manifest["files"] if facts["name"] == name)
            facts.update(num_bytes=len(text), sha256=digest)

        edit(path, enter)
        return
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (path / f"{name}.sha256").write_text(f"{digest}  {name}\n")


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, with its checksum."""

    def changed(text: bytes) -> bytes:
        manifest = json.loads(text)
        change(manifest)
        return json.dumps(manifest).encode()

    reseal(path, MANIFEST, changed)


@pytest.mark.parametrize("pattern", ["M*-", "M-M", "*-", "S-S", "SM*-S", "H-", "HM*-", "HSM*-"])
@pytest.mark.parametrize(
    ("dtype", "kv"), [("float32", None), ("bfloat16", None), ("bfloat16", "int8")]
)
def test_a_state_comes_back_bit_for_bit(
    tmp_path: Path, pattern: str, dtype: str, kv: str | None
) -> None:
    identity = make_identity(pattern, dtype, kv)
    state = make_state(identity, num_tokens=7, positions=(1, 4, 7))
    write_state(tmp_path / "X.state", identity, state)
    assert is_same(read_state(tmp_path / "X.state", identity), state)


def test_its_size_is_the_formula_of_the_account() -> None:
    for pattern, kv in (("M*-M", None), ("M*-M", "int8"), ("S*-M", None), ("S-", None)):
        identity = make_identity(pattern, kv=kv)
        for num_tokens, positions in ((5, (2, 5)), (9, (9,))):
            state = make_state(identity, num_tokens, positions)
            assert state.num_bytes == identity.state_bytes(num_tokens, len(positions))


def test_the_files_are_those_of_common_tools(path: Path) -> None:
    found = load_file(path / STATES)
    assert found["tokens"].tolist() == list(STATE.tokens)
    assert torch.equal(found["1.ssm"], STATE.snapshots[1].states["ssm"])
    checked = subprocess.run(["sha256sum", "-c", f"{MANIFEST}.sha256"], cwd=path, check=False)
    assert checked.returncode == 0


def test_documents_are_kept_and_outlive_a_damaged_state(path: Path) -> None:
    assert read_documents(path) == (make_document(),)
    (path / KEYS).write_bytes(b"")
    (path / MANIFEST).write_bytes(b"{")
    assert read_documents(path) == (make_document(),)
    (path / "documents.json").write_bytes(
        (path / "documents.json").read_bytes().replace(b"9", b"8")
    )
    with pytest.raises(StateError, match=r"documents\.json is damaged"):
        read_documents(path)


def test_documents_of_another_state_are_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "Y.state"
    write_state(other, IDENTITY, STATE, [make_document("The rent is 8 dollars.")])
    for name in ("documents.json", "documents.json.sha256"):
        (path / name).write_bytes((other / name).read_bytes())
    with pytest.raises(StateError, match=r"documents\.json is damaged"):
        read_documents(path)
    assert "documents.json is damaged" in refused(path)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (make_identity(weights="e"), "other weights: aaaaaaaa, this model's are eeeeeeee"),
        (replace(IDENTITY, tokenizer="e" * 64), "another tokenizer"),
        (replace(IDENTITY, template="e" * 64), "another chat template"),
        (make_identity(pattern="M*-MM"), "another model config"),
        (make_identity(pattern="M*-S"), "another model config"),
        (make_identity(dtype="float32"), "other numerics: native-avx2-bfloat16-v1"),
        (make_identity(kv="int8"), "other numerics"),
    ],
)
def test_a_state_of_another_model_is_refused(path: Path, other: Identity, reason: str) -> None:
    assert reason in refused(path, other)


def test_what_is_missing_or_no_plain_file_is_refused(path: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "Z.state") == "no such state; naga read makes one"
    assert "this is a file" in refused(path / KEYS)
    moved = (path / KEYS).rename(tmp_path / "moved")
    assert refused(path) == f"{KEYS} is missing"
    (path / KEYS).symlink_to(moved)
    assert "link" in refused(path)
    (path / KEYS).unlink()
    os.mkfifo(path / KEYS)
    assert refused(path) == f"{KEYS} is no plain file"
    (path / KEYS).unlink()
    (path / KEYS).mkdir()
    assert refused(path) == f"{KEYS} is no plain file"


@pytest.mark.parametrize("name", ["../keys.safetensors", "/etc/passwd", "lock", "", "a\0b"])
def test_no_file_name_leads_elsewhere(path: Path, name: str) -> None:
    edit(path, lambda manifest: manifest["files"][2].update(name=name))
    assert "lists other files" in refused(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_tokens": 10**12}, "1000000000000 tokens; this model's are 1 to 64"),
        ({"num_tokens": 0}, "0 tokens"),
        ({"num_tokens": -1}, "-1 tokens"),
        ({"num_tokens": 6}, "6 tokens and 2 snapshots of this model are 544"),
        ({"num_tokens": "5"}, "num_tokens"),
        ({"num_tokens": 2.5}, "num_tokens"),
        ({"positions": [5, 2]}, "do not ascend"),
        ({"positions": [2, 2]}, "do not ascend"),
        ({"positions": [0, 2]}, "do not ascend"),
        ({"positions": [2, 6]}, "do not ascend"),
        ({"positions": [2]}, "bytes"),
        ({"positions": [1, 2, 3]}, "bytes"),
        ({"version": 2}, "version"),
        ({"format": "zip"}, "format"),
        ({"files": []}, "lists other files"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_manifest_that_was_edited_and_sealed_anew_is_refused(
    path: Path, changes: dict[str, Any], reason: str
) -> None:
    edit(path, lambda manifest: manifest.update(changes))
    assert reason in refused(path)


def test_a_manifest_without_its_checksum_is_refused(path: Path) -> None:
    text = (path / MANIFEST).read_text()
    (path / MANIFEST).write_text(text.replace('"num_tokens": 5', '"num_tokens": 4'))
    assert refused(path).startswith("manifest.json is damaged")
    (path / MANIFEST).write_text(text)
    (path / f"{MANIFEST}.sha256").unlink()
    assert "manifest.json.sha256 is missing" in refused(path)


def test_a_size_that_no_state_has_is_refused_before_memory_is_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be allocated")

    monkeypatch.setattr(torch, "empty", refuse)
    with (path / KEYS).open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file takes no room
    assert f"{1 << 40} bytes" in refused(path)
    edit(path, lambda manifest: manifest["files"][2].update(num_bytes=1 << 40))
    assert f"{1 << 40} bytes" in refused(path)
    (path / MANIFEST).write_bytes(b" " * (2 << 20))
    assert "at most" in refused(path)


def test_large_states_are_read_on_threads_where_memory_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_folder, "LARGE_BYTES", 0)
    assert is_same(read_state(path, IDENTITY), STATE)
    (path / KEYS).write_bytes((path / KEYS).read_bytes()[:-1] + b"x")
    assert refused(path).startswith(f"{KEYS} is damaged")
    memory = replace(state_folder.read_memory(), available=100)
    monkeypatch.setattr(state_folder, "read_memory", lambda: memory)
    assert refused(path) == "needs 0.00 GB of memory, 0.00 GB are available"


def test_tensors_of_other_names_types_or_shapes_are_refused_though_sealed(path: Path) -> None:
    held = load_file(path / STATES)
    shapes = {name: tensor.view(-1).clone() for name, tensor in held.items()}
    named = {name.replace("ssm", "SSM"): tensor.clone() for name, tensor in held.items()}
    typed = held | {"tokens": held["tokens"].float()}
    for tensors in (shapes, named, typed):
        save_file(tensors, path / STATES)
        reseal(path, STATES, lambda text: text)
        reason = refused(path)
        assert "bytes" in reason or "not named, typed and shaped" in reason
    reseal(path, STATES, lambda _: (1 << 60).to_bytes(8, "little"))
    assert "bytes" in refused(path)


def test_numbers_that_are_not_finite_are_refused_though_sealed(path: Path) -> None:
    def spoil(text: bytes) -> bytes:
        return text[:-2] + b"\x80\x7f"  # infinity in bfloat16

    reseal(path, KEYS, spoil)
    assert refused(path) == "tensor keys has numbers that are not finite"


def test_tokens_that_the_model_does_not_have_are_refused_though_sealed(path: Path) -> None:
    first = (path / STATES).read_bytes().index(torch.tensor(STATE.tokens).int().numpy().tobytes())
    reseal(path, STATES, lambda text: text[:first] + b"\xff\xff\xff\x7f" + text[first + 4 :])
    assert "a token is not of this model's 50" in refused(path)


def wrong(**changes: Any) -> SavedState:
    return replace(STATE, **changes)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (wrong(keys=STATE.keys[:, :4]), "keys is"),
        (wrong(tokens=()), "0 tokens"),
        (wrong(tokens=(99, *STATE.tokens[1:])), "a token is not"),
        (wrong(keys=STATE.keys.float()), "keys is torch.float32"),
        (wrong(values=STATE.values * torch.nan), "values has numbers that are not finite"),
        (wrong(snapshots=STATE.snapshots[::-1]), "do not ascend"),
        (wrong(snapshots=(replace(STATE.snapshots[0], position=6),)), "do not ascend"),
        (wrong(key_scales=torch.ones(1, 5, 1)), "keys.scales is not of this model"),
    ],
)
def test_a_state_that_is_none_is_not_written(
    tmp_path: Path, state: SavedState, reason: str
) -> None:
    with pytest.raises(StateError, match=reason):
        write_state(tmp_path / "X.state", IDENTITY, state)
    assert list(tmp_path.iterdir()) == []


def test_a_state_takes_the_place_of_a_state_and_of_nothing_else(path: Path) -> None:
    newer = make_state(IDENTITY, seed=1)
    write_state(path, IDENTITY, newer)
    assert is_same(read_state(path, IDENTITY), newer)
    assert [found.name for found in path.parent.iterdir()] == ["X.state"]
    (path.parent / "notes").mkdir()
    (path.parent / "notes" / "diary.txt").write_text("dear diary")
    with pytest.raises(StateError, match="something else"):
        write_state(path.parent / "notes", IDENTITY, newer)
    assert (path.parent / "notes" / "diary.txt").is_file()


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_a_full_disk_leaves_the_former_state_and_no_rubbish(
    path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The disk is full after so many files."""
    written = []

    def filling(write: Any) -> Any:
        def one(*arguments: Any) -> None:
            write(*arguments)
            written.append(arguments)
            if len(written) > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return one

    monkeypatch.setattr(state_folder, "write_stream", filling(state_folder.write_stream))
    monkeypatch.setattr(state_folder, "seal", filling(state_folder.seal))
    with pytest.raises(StateError, match=r"X\.state: cannot be written: No space left on device"):
        write_state(path, IDENTITY, make_state(IDENTITY, seed=1), [make_document()])
    monkeypatch.undo()
    assert [found.name for found in path.parent.iterdir()] == ["X.state"]
    assert is_same(read_state(path, IDENTITY), STATE)


def test_a_limit_on_the_size_of_files_is_one_line_too(path: Path) -> None:
    """The system's own error in the middle of a file, in a process of its own."""
    code = f"""
import resource
from pathlib import Path
from engine.saved_states import make_identity, make_state
from naga.engine.saved import StateError
from naga.engine.state_folder import write_state
identity = make_identity()
state = make_state(identity, seed=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
try:
    write_state(Path({str(path)!r}), identity, state)
except StateError as error:
    print(error)
"""
    done = run_python(code)
    assert done.stdout == f"{path}: cannot be written: File too large\n", done.stderr
    assert [found.name for found in path.parent.iterdir()] == ["X.state"]
    assert is_same(read_state(path, IDENTITY), STATE)


def test_no_room_is_told_before_anything_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 100

    monkeypatch.setattr(state_folder.shutil, "disk_usage", lambda _: Full)
    with pytest.raises(StateError, match=r"needs 0.00 GB, 0.00 GB are free"):
        write_state(path, IDENTITY, STATE)


def test_killed_at_any_moment_a_whole_state_stays(path: Path) -> None:
    """Of two states that a process keeps writing in turn."""
    code = f"""
from pathlib import Path
from engine.saved_states import make_identity, make_state
from naga.engine.state_folder import write_state
identity = make_identity()
states = [make_state(identity, seed=seed) for seed in (0, 1)]
write_state(Path({str(path)!r}), identity, states[0])
print("ready", flush=True)
while True:
    for state in states:
        write_state(Path({str(path)!r}), identity, state)
"""
    known = [make_state(IDENTITY, seed=seed) for seed in (0, 1)]
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert any(is_same(read_state(path, IDENTITY), state) for state in known)
    write_state(path, IDENTITY, STATE)
    assert [found.name for found in path.parent.iterdir()] == ["X.state"]
    assert is_same(read_state(path, IDENTITY), STATE)


@pytest.mark.parametrize("stage", ["beside", "moved", "placed"])
def test_stopped_at_each_step_of_a_replacement_a_whole_state_stays(path: Path, stage: str) -> None:
    """As a kill leaves the folders: half written beside; the former one moved; both there."""
    newer = make_state(IDENTITY, seed=1)
    hidden, previous = path.with_name(".X.state.tmp"), path.with_name(".X.state.previous")
    hidden.mkdir()
    (hidden / KEYS).write_bytes(b"half")
    if stage != "beside":
        path.rename(previous)
    if stage == "placed":
        write_state(path, IDENTITY, newer)
        write_state(previous, IDENTITY, STATE)
    expected = newer if stage == "placed" else STATE
    assert is_same(read_state(path, IDENTITY), expected)
    write_state(path, IDENTITY, newer)
    assert is_same(read_state(path, IDENTITY), newer)
    assert [found.name for found in path.parent.iterdir()] == ["X.state"]


def test_two_at_once_do_not_mix(path: Path) -> None:
    from naga.disk import new_folder

    with (
        new_folder(path.with_name("Y.state")) as folder,
        pytest.raises(StateError, match="another process is writing it"),
    ):
        (folder / "mine").write_text("")
        write_state(path.with_name("Y.state"), IDENTITY, STATE)
    assert [found.name for found in path.with_name("Y.state").iterdir()] == ["mine"]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment(), timeout=200
    )
