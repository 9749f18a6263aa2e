"""The run directory: what was asked, with what it ran, and how it went, readable without naga.

    config.toml     the resolved config; itself a recipe that repeats the run
    versions.json   interpreter, libraries and threads at the start
    metrics.jsonl   one row per optimizer step, appended as it happens
    loss.png        the loss so far

Assumes POSIX; one process at a time may hold a run (a lock that dies with its process).
Holds no weights (train/checkpoint.py) and decides nothing about training. Imports no torch.
"""

import fcntl
import json
import platform
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from naga.config.base import Config, ConfigError
from naga.disk import sync, write_atomic

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class StepMetrics:
    """One row of metrics.jsonl."""

    step: int
    loss: float
    """Mean over the step's masked tokens, in nats, without the balancing loss."""
    balance: float
    """Load-balancing loss as it was added, its coefficient included."""
    lr: float
    grad_norm: float
    """Global norm before clipping."""
    expert_load: float | None
    """Busiest expert's tokens over the mean, in the worst layer; None without experts."""
    tokens: int
    """Tokens trained on since the run began."""
    tokens_per_s: float
    """Of this step alone."""
    seconds: float
    """Training time since the run began, pauses between resumes left out."""


@contextmanager
def open_run(path: Path, config: Config, free: Collection[str] = ()) -> Iterator["Run"]:
    """Create or reopen a run, locked until the end of the `with` block.

    ConfigError if it holds steps of another config; `free` names the dotted keys that may differ.
    """
    with hold_run(path, config, free):
        yield Run(path=path)


@contextmanager
def hold_run(path: Path, config: Config, free: Collection[str] = ()) -> Iterator[None]:
    """As open_run, whatever the rows of its metrics are."""
    _require_matplotlib()
    with _locked(path):
        recorded, asked = path / "config.toml", to_toml(config)
        if recorded.exists() and read_lines(path / METRICS_FILE):
            _refuse_changes(recorded, asked, free)
        else:
            write_atomic(path / "versions.json", json.dumps(versions(), indent=1) + "\n")
            write_atomic(recorded, asked)
        yield


def read_lines(path: Path) -> list[str]:
    """All lines of a file that grows; a last one torn by a kill is left out."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1].splitlines()


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run directory; `open_run` makes one to write to, reading needs no lock."""

    path: Path

    @property
    def _metrics(self) -> Path:
        return self.path / METRICS_FILE

    def append(self, row: StepMetrics) -> None:
        """Hand the row to the system at once: it outlives a killed process."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def read(self) -> list[StepMetrics]:
        """All rows; a last line torn by a kill is left out."""
        return [StepMetrics(**json.loads(line)) for line in read_lines(self._metrics)]

    def truncate(self, step: int) -> None:
        """Drop rows after `step`, and a torn line: a resumed run writes them again."""
        kept = [row for row in self.read() if row.step <= step]
        write_atomic(self._metrics, "".join(_line(row) for row in kept))

    def sync(self) -> None:
        """Put all rows on the disk: before a checkpoint that claims their steps."""
        self._metrics.touch()
        sync(self._metrics)

    def plot(self) -> None:
        """Redraw loss.png from metrics.jsonl."""
        plot_loss(self.read(), self.path / "loss.png")


def _line(row: StepMetrics) -> str:
    return json.dumps(asdict(row)) + "\n"


def versions() -> dict[str, str]:
    """What the numbers of a run depend on besides its config."""
    found = {name: version(name) for name in ("naga-lm", "torch", "numpy", "tokenizers")}
    return {"python": platform.python_version(), **found, "machine": platform.machine()}


def config_digest(config: Config, free: Collection[str] = ()) -> str:
    """Hash of every key but the free ones."""
    items = _flatten(tomllib.loads(to_toml(config)))
    bound = {key: value for key, value in items if key not in free}
    return sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()


def to_toml(config: Config) -> str:
    """The record as TOML that load_config reads back to an equal record; None is left out."""
    return "\n".join(_toml_lines(config.model_dump(mode="json"), prefix="")) + "\n"


def plot_loss(rows: list[StepMetrics], path: Path) -> None:
    """Loss by step, raw and as a running mean over a fiftieth of the steps."""
    from matplotlib.figure import Figure

    losses = [row.loss for row in rows]
    window = max(1, len(rows) // 50)
    means = [sum(part) / len(part) for part in _windows(losses, window)]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss (nats per token)", title=path.parent.name)
    axes.plot([row.step for row in rows], losses, color="0.8", linewidth=0.8, label="each step")
    axes.plot([row.step for row in rows], means, label=f"mean of {window}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def _windows(values: list[float], width: int) -> Iterator[list[float]]:
    return (values[max(0, end - width) : end] for end in range(1, len(values) + 1))


def _require_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise ConfigError(
            "matplotlib is not installed, and training draws loss.png with it: "
            "pip install 'naga-lm[train]'"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / ".lock").open("w")
    except OSError as error:
        raise ConfigError(f"run_dir {path}: cannot write there ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{path}: another process is training in this run_dir") from None
        yield


def _refuse_changes(recorded: Path, asked: str, free: Collection[str]) -> None:
    try:
        before = dict(_flatten(tomllib.loads(recorded.read_text(encoding="utf-8"))))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{recorded}: not valid TOML: {error}") from None
    after = dict(_flatten(tomllib.loads(asked)))
    changes = [
        f"{key} was {before.get(key, 'unset')!r}, now {after.get(key, 'unset')!r}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in free
    ]
    if changes:
        raise ConfigError(
            f"{recorded.parent}: holds a run of another config ({'; '.join(changes)}); "
            "give another run_dir, or the same config to resume"
        )


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _toml_lines(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        if value is not None and not isinstance(value, dict):
            yield f"{key} = {_toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"\n[{prefix}{key}]"
            yield from _toml_lines(value, f"{prefix}{key}.")


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        # In a list: a table of its own, on one line.
        items = (f"{key} = {_toml_value(v)}" for key, v in value.items() if v is not None)
        return f"{{{', '.join(items)}}}"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
