"""naga.record: the run directory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AllowInfNan

from naga import record
from naga.config.base import Config, ConfigError
from naga.config.load import load_config
from naga.record import Run, StepMetrics, config_digest, open_run, to_toml


class Inner(Config):
    words: tuple[str, ...] = ("a", 'quo"te', "河\n")
    limits: tuple[float, Annotated[float, AllowInfNan(True)]] = (1e-8, float("inf"))
    missing: int | None = None


class Outer(Config):
    name: str = "x"
    steps: int = 10
    exact: bool = True
    folder: Path = Path("some/where")
    inner: Inner = Inner()


ROW = StepMetrics(
    step=1,
    loss=1 / 3,
    balance=0.0,
    lr=1e-3,
    grad_norm=2.0,
    expert_load=None,
    tokens=64,
    tokens_per_s=10.0,
    seconds=6.4,
)


def rows(count: int) -> list[StepMetrics]:
    return [replace(ROW, step=step, loss=1 / step) for step in range(1, count + 1)]


def test_the_recorded_config_reads_back_equal(tmp_path: Path) -> None:
    config = Outer(inner=Inner(missing=3))
    with open_run(tmp_path, config):
        assert load_config(Outer, tmp_path / "config.toml") == config
    (tmp_path / "default.toml").write_text(to_toml(Outer()), encoding="utf-8")
    assert load_config(Outer, tmp_path / "default.toml") == Outer()


def test_versions_are_recorded(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()):
        pass
    assert {"python", "torch", "naga-lm"} <= json.loads(
        (tmp_path / "versions.json").read_text()
    ).keys()


def test_a_run_of_another_config_is_refused_naming_the_keys(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()) as run:
        run.append(ROW)
    changed = Outer(steps=11, inner=Inner(missing=2))
    with pytest.raises(ConfigError) as caught, open_run(tmp_path, changed):
        pass
    message = str(caught.value)
    assert "steps was 10, now 11" in message and "inner.missing was 'unset', now 2" in message
    assert "name" not in message.split("(")[1]


def test_free_keys_may_change(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()) as run:
        run.append(ROW)
    with open_run(tmp_path, Outer(steps=11), free={"steps"}):
        pass
    assert config_digest(Outer(steps=11), {"steps"}) == config_digest(Outer(), {"steps"})
    assert config_digest(Outer(steps=11)) != config_digest(Outer())


def test_a_start_that_recorded_no_step_binds_nobody(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()):
        pass
    with open_run(tmp_path, Outer(steps=11)):
        assert load_config(Outer, tmp_path / "config.toml").steps == 11


def test_only_one_process_holds_a_run(tmp_path: Path) -> None:
    with (
        open_run(tmp_path, Outer()),
        pytest.raises(ConfigError, match="another process"),
        open_run(tmp_path, Outer()),
    ):
        pass
    with open_run(tmp_path, Outer()):
        pass


def test_a_run_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run"
    with (
        pytest.raises(ConfigError, match=r"run_dir .*file/run: cannot write"),
        open_run(path, Outer()),
    ):
        pass


def test_metrics_round_trip_exactly(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()) as run:
        for row in rows(7):
            run.append(row)
        assert Run(path=tmp_path).read() == rows(7)


def test_truncate_drops_later_rows_and_a_torn_line_then_appends(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()) as run:
        for row in rows(5):
            run.append(row)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    with open_run(tmp_path, Outer()) as run:
        run.truncate(3)
        assert Run(path=tmp_path).read() == rows(3)
        run.append(rows(4)[3])
    assert Run(path=tmp_path).read() == rows(4)


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    with open_run(tmp_path, Outer()) as run:
        for row in rows(120):
            run.append(row)
        run.plot()
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_matplotlib_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match=r"naga-lm\[train\]"),
        open_run(tmp_path / "run", Outer()),
    ):
        pass
    assert not (tmp_path / "run").exists()
