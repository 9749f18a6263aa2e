"""A store of states: by name, within its budget, whole whatever is killed or runs beside it."""

import os
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine.saved_states import is_same, make_identity, make_state
from hypothesis import given, settings
from hypothesis import strategies as st

from naga.engine.saved import StateError
from naga.engine.sealed import folder_bytes
from naga.engine.store import StateStore

IDENTITY = make_identity()
STATES = [make_state(IDENTITY, seed=seed) for seed in range(4)]
PLENTY = 1 << 30


def size_of_one(tmp_path: Path) -> int:
    """What a state takes on disk."""
    store = StateStore(tmp_path / "measure", PLENTY)
    store.save("one", IDENTITY, STATES[0])
    return store.list()[0].num_bytes


def names(store: StateStore) -> list[str]:
    return [stored.name for stored in store.list()]


def test_a_state_is_found_by_its_name_after_a_restart(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "new" / "store", PLENTY)
    store.save("contract", IDENTITY, STATES[0])
    store.save("合同 7/b", IDENTITY, STATES[1])
    again = StateStore(tmp_path / "new" / "store", PLENTY)
    for name, state in (("contract", STATES[0]), ("合同 7/b", STATES[1])):
        found = again.load(name, IDENTITY)
        assert found is not None and is_same(found, state)
    assert again.load("other", IDENTITY) is None
    assert [stored.num_tokens for stored in again.list()] == [5, 5]
    folders = [path for path in (tmp_path / "new" / "store").iterdir() if path.is_dir()]
    assert sum(stored.num_bytes for stored in again.list()) == sum(map(folder_bytes, folders))


def test_a_name_has_its_last_state_until_it_is_removed(tmp_path: Path) -> None:
    store = StateStore(tmp_path, PLENTY)
    for state in STATES[:2]:
        store.save("a", IDENTITY, state)
    found = store.load("a", IDENTITY)
    assert found is not None and is_same(found, STATES[1])
    store.remove("a")
    store.remove("a")
    assert store.load("a", IDENTITY) is None and store.list() == ()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_the_least_recently_used_goes_when_the_budget_is_full(tmp_path: Path) -> None:
    each = size_of_one(tmp_path)
    store = StateStore(tmp_path / "store", 3 * each + each // 2)
    for name, state in zip("abc", STATES, strict=False):
        store.save(name, IDENTITY, state)
    assert store.load("a", IDENTITY) is not None
    assert names(store) == ["b", "c", "a"]
    store.save("d", IDENTITY, STATES[3])
    assert names(store) == ["c", "a", "d"]
    smaller = StateStore(tmp_path / "store", each)
    assert names(smaller) == ["d"]


def test_what_exceeds_the_whole_budget_is_refused_and_removes_nothing(tmp_path: Path) -> None:
    each = size_of_one(tmp_path)
    store = StateStore(tmp_path / "store", each)
    store.save("a", IDENTITY, STATES[0])
    with pytest.raises(StateError, match="the store's whole budget is"):
        store.save("b", IDENTITY, make_state(IDENTITY, 60, tuple(range(1, 61))))
    assert names(store) == ["a"]


def test_a_damaged_or_strange_state_is_refused_and_can_be_removed(tmp_path: Path) -> None:
    store = StateStore(tmp_path, PLENTY)
    store.save("a", IDENTITY, STATES[0])
    with pytest.raises(StateError, match="other weights"):
        store.load("a", make_identity(weights="e"))
    (tmp_path / "a.state" / "manifest.json").write_bytes(b"{}")
    with pytest.raises(StateError, match="damaged"):
        store.load("a", IDENTITY)
    assert [stored.num_tokens for stored in store.list()] == [None]
    store.remove("a")
    assert store.list() == ()


@settings(max_examples=30)
@given(st.lists(st.text(string.printable + "甲\0", min_size=1, max_size=20), max_size=4))
def test_names_are_kept_apart_and_lead_nowhere(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("names") / "store"
    store = StateStore(folder, PLENTY)
    for name in chosen:
        store.save(name, IDENTITY, STATES[len(name) % 4])
    assert sorted(names(store)) == sorted({*chosen})
    assert [path.name for path in folder.parent.iterdir()] == ["store"]
    assert all(path.parent == folder for path in folder.rglob("*.state"))


@pytest.mark.parametrize("name", ["", "x" * 201, "租" * 100, "\ud800"])
def test_names_that_no_folder_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StateError, match="state name") as caught:
        StateStore(tmp_path, PLENTY).save(name, IDENTITY, STATES[0])
    assert "\n" not in str(caught.value)


def test_opening_clears_what_killed_processes_left(tmp_path: Path) -> None:
    store = StateStore(tmp_path, PLENTY)
    for name in "ab":
        store.save(name, IDENTITY, STATES[0])
    (tmp_path / ".c.state.tmp").mkdir()
    (tmp_path / ".c.state.tmp" / "keys.safetensors").write_bytes(b"half")
    (tmp_path / "a.state").rename(tmp_path / ".a.state.previous")
    (tmp_path / ".b.state.previous").mkdir()
    again = StateStore(tmp_path, PLENTY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.state", "b.state", "lock"]
    found = again.load("a", IDENTITY)
    assert found is not None and is_same(found, STATES[0])


BUSY = """
import sys
from pathlib import Path
from random import Random
from engine.saved_states import make_identity, make_state
from naga.engine.store import StateStore
folder, budget, seed, count = Path(sys.argv[1]), *map(int, sys.argv[2:])
identity = make_identity()
states = [make_state(identity, seed=seed) for seed in range(4)]
random = Random(seed)
store = StateStore(folder, budget)
print("ready", flush=True)
for _ in range(count):
    name = random.choice("abc")
    if random.random() < 0.2:
        store.remove(name)
    else:
        store.save(name, identity, random.choice(states))
"""


def start(folder: Path, budget: int, seed: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUSY, str(folder), *map(str, (budget, seed, count))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def check_whole(folder: Path, budget: int) -> None:
    """Only whole states, known ones, within the budget, and nothing else."""
    store = StateStore(folder, budget)
    for name in names(store):
        found = store.load(name, IDENTITY)
        assert found is not None and any(is_same(found, state) for state in STATES)
    visible = {f"{name}.state" for name in names(store)}
    assert {path.name for path in folder.iterdir()} == visible | {"lock"}
    assert sum(stored.num_bytes for stored in store.list()) <= budget


def test_killed_at_random_moments_only_whole_states_stay(tmp_path: Path) -> None:
    budget = 2 * size_of_one(tmp_path) + 100
    process = start(tmp_path / "store", budget, 0, 10**6)
    for round_number in range(3):
        time.sleep(0.05 + 0.07 * round_number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        check_whole(tmp_path / "store", budget)
        if round_number < 2:
            process = start(tmp_path / "store", budget, round_number + 1, 10**6)


def test_two_processes_at_once_do_no_harm(tmp_path: Path) -> None:
    budget = 2 * size_of_one(tmp_path) + 100
    processes = [start(tmp_path / "store", budget, seed, 40) for seed in (1, 2)]
    for process in processes:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    check_whole(tmp_path / "store", budget)
