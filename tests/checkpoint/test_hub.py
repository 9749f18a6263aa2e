"""Names of models: what is a folder, what a repository, what is fetched of it and what is said."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants as hub_constants
import pytest

from checkpoint import tiny
from checkpoint.loopback import Files, Hub, commit_of, files_of, point_at, serving
from checkpoint.test_load import write
from naga.checkpoint.config import read_model_config
from naga.checkpoint.hub import find_model, name_of, parse_name
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError

INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A sharded checkpoint, and what nobody should fetch."""
    folder = write(tmp_path_factory.mktemp("published") / "tiny", shard_bytes=40_000)
    extra = {"pytorch_model.bin": b"pickle", "modeling.py": b"code", "original.safetensors": b"x"}
    return {**files_of(folder), "README.md": b"---\nlicense: mit\n---\n", **extra}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as served:
        point_at(served, tmp_path / "cache", monkeypatch)
        yield served


def refusal(name: str, *, weights: bool = True) -> str:
    with pytest.raises(ConfigError) as caught:
        find_model(Path(name), weights=weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_repository_becomes_a_folder_that_loads(hub: Hub, files: Files) -> None:
    hub.publish("own/tiny", files)
    folder = find_model(Path("own/tiny"))
    assert name_of(folder) == "own/tiny"
    loaded, made = load_model(folder, tiny.RUNTIME), tiny.random_model(tiny.NEMOTRON, 0)
    assert all(
        (made.state_dict()[name] == tensor).all() for name, tensor in loaded.state_dict().items()
    )


def test_only_what_naga_reads_is_fetched_and_once(hub: Hub, files: Files) -> None:
    hub.publish("own/tiny", files)
    folder = find_model(Path("own/tiny"))
    wanted = {"config.json", "README.md", "generation_config.json", INDEX}
    wanted |= {*json.loads(files[INDEX])["weight_map"].values()}
    assert {path.name for path in folder.iterdir()} == wanted
    hub.asked.clear()
    assert find_model(Path("own/tiny")) == folder
    assert hub.asked == ["GET /api/models/own/tiny/revision/main"]


def test_to_look_at_a_model_fetches_no_weights(hub: Hub, files: Files) -> None:
    hub.publish("own/tiny", files)
    folder = find_model(Path("own/tiny"), weights=False)
    assert read_model_config(folder) == tiny.NEMOTRON
    assert {path.name for path in folder.iterdir()} == {"config.json", "README.md"}


def test_a_revision_is_a_branch_or_a_commit(hub: Hub, files: Files) -> None:
    other = {**files, "README.md": b"other"}
    hub.publish("own/tiny", files)
    hub.publish("own/tiny", other, branch="next")
    for revision in ("next", commit_of(other)):
        folder = find_model(Path(f"own/tiny@{revision}"))
        assert folder.name == commit_of(other)
        assert (folder / "README.md").read_bytes() == b"other"
    assert "the repository, but not this revision" in refusal("own/tiny@never")


def test_a_single_file_needs_no_index(hub: Hub, tmp_path: Path) -> None:
    hub.publish("own/one", files_of(write(tmp_path / "one", shard_bytes=10**9)))
    assert (find_model(Path("own/one")) / "model.safetensors").is_file()


@pytest.mark.parametrize("name", ["m", "/a/b", "a/b/c", "runs/m", "../m", "runs/gone"])
def test_paths_are_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub
) -> None:
    (tmp_path / "here" / "runs" / "m").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert find_model(Path(name)) == Path(name)
    assert hub.asked == []


def test_a_name_with_its_scheme_is_never_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "m").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = parse_name(Path("hf://runs/m@refs/pr/1"))
    assert found is not None and (found.id, found.revision) == ("runs/m", "refs/pr/1")


def test_a_model_naga_does_not_read_is_refused_before_its_weights(hub: Hub, files: Files) -> None:
    for config, message in (
        ({"model_type": "bert"}, "own/odd: config.json: model_type is 'bert'; naga reads"),
        (
            {"model_type": "own", "auto_map": {"AutoModel": "modeling.Own"}},
            "model_type is 'own', code of its own repository, which naga does not run; naga reads",
        ),
        ([], "own/odd: config.json: must hold a JSON object"),
    ):
        hub.publish("own/odd", {**files, "config.json": json.dumps(config).encode()})
        assert message in refusal("own/odd")
    assert not any("safetensors" in line and "resolve" in line and "index" not in line
                   for line in hub.asked)  # fmt: skip


def test_what_a_repository_lacks_is_named(hub: Hub, files: Files) -> None:
    def without(name: str) -> Files:
        return {key: data for key, data in files.items() if key != name}

    hub.publish("own/a", without("config.json"))
    assert refusal("own/a") == "own/a: config.json: no such file; a checkpoint folder has one"
    hub.publish("own/b", without(INDEX))
    assert refusal("own/b").startswith("own/b: has no model.safetensors; naga reads")
    shard = "model-00002-of-00006.safetensors"
    hub.publish("own/c", without(shard))
    assert refusal("own/c").startswith(f"own/c: has no {shard}")
    hub.publish("own/d", {**files, INDEX: b'{"weight_map": {"a": "../../x"}}'})
    assert refusal("own/d").startswith(f"own/d: {INDEX}: tensor a is in '../../x'")


def test_missing_and_gated_repositories_say_what_to_do(hub: Hub, files: Files) -> None:
    assert refusal("own/none").startswith(
        f"own/none: no such folder, and no such repository at {hub.url}, unless it is private"
    )
    hub.publish("own/tiny", files)
    hub.gated.add("own/tiny")
    assert f"is gated: accept its terms at {hub.url}/own/tiny" in refusal("own/tiny")
    assert "neither a folder nor a name" in refusal("own/a--b")


def test_without_the_hub_its_cache_is_enough(
    hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("own/tiny", files)
    hub.publish("own/looked", files)
    folder = find_model(Path("own/tiny"))
    find_model(Path("own/looked"), weights=False)
    hub.down = True
    assert find_model(Path("own/tiny")) == folder
    assert "answered 503" in refusal("own/looked")
    monkeypatch.setattr(hub_constants, "ENDPOINT", "http://127.0.0.1:9")
    assert find_model(Path("own/tiny")) == folder
    for name in ("own/looked", "own/new"):
        assert f"{name}: no such folder; http://127.0.0.1:9 cannot be reached" in refusal(name)
    monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", True)
    assert find_model(Path("own/tiny")) == folder
    assert "HF_HUB_OFFLINE forbids to fetch it" in refusal("own/new")


def test_the_environment_names_hub_and_cache(files: Files, tmp_path: Path) -> None:
    with serving() as hub:
        hub.publish("own/tiny", files)
        named = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache")}

        def inspect(**more: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [
                    sys.executable,
                    "-c",
                    "from naga.cli import main; main()",
                    "inspect",
                    "own/tiny",
                    "--json",
                ],
                env={**os.environ, "HF_HUB_OFFLINE": "0", **named, **more},
                capture_output=True,
                text=True,
            )

        refused = inspect(HF_HUB_OFFLINE="1")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.count("\n") == 1 and "HF_HUB_OFFLINE" in refused.stderr
        found = inspect()
        assert (found.returncode, found.stderr) == (0, "")
        assert json.loads(found.stdout)["pattern"] == tiny.NEMOTRON.layers
