"""`naga models`: what is on this machine is listed as loading finds it, with what it needs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from checkpoint.loopback import Hub, files_of, point_at, serving

from bench.test_doctor import KERNELS, MEGABYTE
from naga.bench import speeds
from naga.bench.doctor import fit
from naga.bench.local_models import LocalModel, list_models, read_licence, shipped
from naga.bench.speeds import keep_speeds, known_or_measured, read_speeds
from naga.checkpoint.config import read_model_config
from naga.checkpoint.convert import convert
from naga.checkpoint.hub import find_model
from naga.config.base import ConfigError
from naga.config.quantisation import Quantisation

ROOM = 10**12


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as served:
        point_at(served, tmp_path / "cache", monkeypatch)
        yield served


def listed(*folders: Path, available: int = ROOM) -> dict[str, LocalModel]:
    return {one.name: one for one in list_models(folders, KERNELS, available).models}


def test_the_shipped_model_is_there(hub: Hub) -> None:
    (found,) = listed().values()
    assert (found.name, found.place, found.problem) == ("naga-mini", "shipped", None)
    assert (found.family, found.licence) == ("granitemoehybrid", "apache-2.0")
    assert found.parameters == 3_785_184
    config = read_model_config(shipped().path)
    assert found.fits == tuple(
        fit("naga-mini", config, precision, ROOM, KERNELS) for precision in ("bf16", "int8", "int4")
    )
    assert not any(one.fits for one in listed(available=10**6)["naga-mini"].fits)


def test_the_cache_of_the_hub_is_listed(hub: Hub, checkpoints: dict[str, Path]) -> None:
    files = files_of(checkpoints["nemotron_h"])
    card = b"---\nlicense: other\nlicense_name: own-licence\n---\n# Tiny\n"
    hub.publish("own/tiny", {**files, "README.md": card})
    hub.publish("own/tiny", {**files, "README.md": b"# No metadata"}, branch="next")
    hub.publish("own/looked", files)
    hub.publish("own/odd", {**files, "config.json": b'{"model_type": "bert"}'})
    find_model(Path("own/tiny")), find_model(Path("own/tiny@next"))
    find_model(Path("own/looked"), weights=False)
    with pytest.raises(ConfigError):
        find_model(Path("own/odd"))
    found = listed()
    assert list(found) == ["naga-mini", "own/looked", "own/odd", "own/tiny", "own/tiny@next"]
    assert (found["own/tiny"].licence, found["own/tiny@next"].licence) == ("own-licence", None)
    assert found["own/tiny"].problem is None and found["own/tiny"].place == "hub"
    assert "model.safetensors: no such file" in str(found["own/looked"].problem)
    assert found["own/looked"].parameters == found["own/tiny"].parameters
    assert str(found["own/odd"].problem).startswith("config.json: model_type is 'bert'")


def test_folders_are_checkpoints_or_hold_some(
    hub: Hub, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    source = checkpoints["nemotron_h"]
    assert listed(source)[str(source)].stored is None
    assert {str(path) for path in checkpoints.values()} <= listed(source.parent).keys()
    convert(source, tmp_path / "int4", Quantisation(format="int4"))
    quantised = listed(tmp_path / "int4")[str(tmp_path / "int4")]
    assert (quantised.stored, quantised.problem) == ("int4", None)
    assert [one.precision for one in quantised.fits] == ["int4"]
    shutil.copytree(source, tmp_path / "torn")
    with (tmp_path / "torn" / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    assert "not a complete" in str(listed(tmp_path / "torn")[str(tmp_path / "torn")].problem)
    with pytest.raises(ConfigError, match="no such folder"):
        listed(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ('---\ntags: [a]\nlicense: "apache-2.0"\n---\n', "apache-2.0"),
        ("---\nlicense:\n- cc-by-4.0\n---\n", "cc-by-4.0"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags: [a]\n---\nlicense: mit\n", None),
        ("license: mit\n", None),
        ("---\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_a_licence_is_read_from_the_card(text: str, licence: str | None, tmp_path: Path) -> None:
    (tmp_path / "card").write_text(text)
    assert read_licence(tmp_path / "card") == licence
    assert read_licence(tmp_path / "none") is None


def test_speeds_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAGA_STATE_DIR", str(tmp_path))
    threads = torch.get_num_threads()
    measured = known_or_measured(threads, read_bytes=MEGABYTE)
    assert measured is not None and known_or_measured(threads) == measured
    assert read_speeds(threads + 1) is None
    again = known_or_measured(threads, again=True, read_bytes=MEGABYTE)
    assert again != measured and read_speeds(threads) == again
    file = tmp_path / speeds.SPEEDS_FILE
    for damage in ("{", "[]", file.read_text().replace("isa", "was")):
        file.write_text(damage)
        assert read_speeds(threads) is None
    file.unlink()
    file.mkdir()
    keep_speeds(measured, threads)
    assert read_speeds(threads) is None


def test_the_verb_prints_a_table_and_json(
    hub: Hub, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("NAGA_STATE_DIR", str(tmp_path))
    assert known_or_measured(torch.get_num_threads(), read_bytes=MEGABYTE) is not None
    from naga.cli import main

    for flags in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", ["naga", "models", str(checkpoints["naga"]), *flags])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert "naga-mini" in out and "apache-2.0" in out
    found = json.loads(out)
    assert [one["family"] for one in found["models"]] == ["granitemoehybrid", "naga"]
    assert found["models"][0]["fits"][0]["decode_tokens_per_s"] > 0
