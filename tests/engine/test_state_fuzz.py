"""Whatever happens to the bytes of a saved state: the very same state comes back, or a StateError.

Where checksums are made to fit again, as only somebody who means it does, at least nothing but a
state of a possible form comes back.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from engine.saved_states import is_same, make_document, make_identity, make_state

from naga.engine.saved import SavedState, StateError, check_state
from naga.engine.state_folder import read_documents, read_state, write_state

IDENTITY = make_identity()
STATE = make_state(IDENTITY, num_tokens=4, positions=(2, 4))
OTHER = make_state(IDENTITY, num_tokens=4, positions=(2, 4), seed=1)
MANIFEST = "manifest.json"

Files = dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A state's folder, the bytes of its files as written, and those of another state."""

    path: Path
    files: Files
    others: Files


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    paths = tmp_path / "X.state", tmp_path / "Y.state"
    write_state(paths[0], IDENTITY, STATE, [make_document()])
    write_state(paths[1], IDENTITY, OTHER, [make_document("The rent is 8 dollars.")])
    files, others = ({file.name: file.read_bytes() for file in p.iterdir()} for p in paths)
    return Folder(path=paths[0], files=files, others=others)


def flip(files: Files, others: Files, random: Random) -> None:
    name = random.choice(sorted(files))
    changed = bytearray(files[name])
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    files[name] = bytes(changed)


def truncate(files: Files, others: Files, random: Random) -> None:
    name = random.choice(sorted(files))
    files[name] = files[name][: random.randrange(len(files[name]))]


def insert(files: Files, others: Files, random: Random) -> None:
    name = random.choice(sorted(files))
    at = random.randint(0, len(files[name]))
    files[name] = files[name][:at] + random.randbytes(random.randint(1, 9)) + files[name][at:]


def cut(files: Files, others: Files, random: Random) -> None:
    name = random.choice(sorted(files))
    at = random.randrange(len(files[name]))
    files[name] = files[name][:at] + files[name][at + random.randint(1, 9) :]


def swap(files: Files, others: Files, random: Random) -> None:
    first, second = random.sample(sorted(files), 2)
    files[first], files[second] = files[second], files[first]


def mix(files: Files, others: Files, random: Random) -> None:
    """Some files, but not all, of another state of the same model."""
    names = random.sample(sorted(files), random.randint(1, len(files) - 1))
    files.update({name: others[name] for name in names})


def lose(files: Files, others: Files, random: Random) -> None:
    del files[random.choice(sorted(files))]


def rewrite(files: Files, others: Files, random: Random) -> None:
    """Another number, text or order somewhere in the manifest."""
    manifest = json.loads(files[MANIFEST])
    spot, key = random.choice(list(spots(manifest)))
    spot[key] = random.choice(
        [0, -1, 1, 3, 5, 10**9, 2**63, 10**30, 0.5, "", "a" * 64, None, [], {}, [4, 2], [1, 4]]
    )
    files[MANIFEST] = json.dumps(manifest).encode()


def spots(value: object) -> list[tuple[object, object]]:
    """Every place of a JSON value that something else can be put into."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value))  # type: ignore[call-overload]
    inner = [spot for _, child in items if isinstance(child, dict | list) for spot in spots(child)]
    return [(value, key) for key, _ in items] + inner


def seal(files: Files) -> None:
    """Make every checksum fit again, as far as the manifest can be read."""
    try:
        manifest = json.loads(files[MANIFEST])
        for facts in manifest["files"]:
            text = files[facts["name"]]
            facts.update(num_bytes=len(text), sha256=hashlib.sha256(text).hexdigest())
        files[MANIFEST] = json.dumps(manifest).encode()
    except (KeyError, ValueError, TypeError, AttributeError):
        pass
    for name in (MANIFEST, "documents.json"):
        if name in files:
            files[f"{name}.sha256"] = (
                f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n".encode()
            )


Mutation = Callable[[Files, Files, Random], None]
MUTATIONS: tuple[Mutation, ...] = (flip, flip, truncate, insert, cut, swap, mix, lose, rewrite)


def put(file: Path, text: bytes) -> None:
    """Without emptying the file first, which some file systems put on the disk at once."""
    with file.open("r+b" if file.exists() else "wb", buffering=0) as stream:
        stream.write(text)
        stream.truncate()


def read_mutated(folder: Folder, mutated: Files) -> SavedState | None:
    """None where it is refused; the folder is then as it was."""
    changed = [name for name in folder.files if mutated.get(name) != folder.files[name]]
    for name in changed:
        if name in mutated:
            put(folder.path / name, mutated[name])
        else:
            (folder.path / name).unlink()
    try:
        return read_state(folder.path, IDENTITY)
    except StateError as error:
        assert "\n" not in str(error)
        return None
    finally:
        with suppress(StateError):
            read_documents(folder.path)
        for name in changed:
            put(folder.path / name, folder.files[name])


def fuzz(folder: Folder, count: int, seed: int) -> tuple[int, int]:
    """How many of `count` mutated folders were refused, and how many sealed ones were not."""
    random, refused, invented = Random(seed), 0, 0
    for _ in range(count):
        mutated = dict(folder.files)
        for _ in range(random.choice((1, 1, 1, 2))):
            try:
                random.choice(MUTATIONS)(mutated, folder.others, random)
            except (ValueError, IndexError, KeyError):
                continue  # nothing left of that file, or no manifest any more
        sealed = random.random() < 0.2
        if sealed:
            seal(mutated)
        found = read_mutated(folder, mutated)
        if found is None:
            refused += 1
        elif sealed:
            check_state(IDENTITY, found)
            invented += not is_same(found, STATE)
        elif mutated != folder.others:
            assert is_same(found, STATE), "another state came back"
    assert is_same(read_state(folder.path, IDENTITY), STATE)
    return refused, invented


def test_ten_thousand_damaged_states_are_refused_or_the_same(folder: Folder) -> None:
    refused, invented = fuzz(folder, 10_000, seed=0)
    # Some mutations change nothing that matters, and some sealed ones make up a possible state.
    assert 8_500 < refused < 10_000 and 0 < invented < 1_500


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_hundred_thousand_damaged_states(folder: Folder, seed: int) -> None:
    assert fuzz(folder, 10_000, seed)[0] > 8_500
