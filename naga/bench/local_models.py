"""Which models are on this machine, what they are, which of them fit it, and how fast they can be.

The shipped one, those in the hub's cache, those in folders that are named. Each is looked at as
loading looks at it, headers and names of tensors included, but no weights are read: what is listed
without a problem opens. Fetches nothing. Speeds are doctor.py's limits, not forecasts.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table

from naga.bench.doctor import HELD, Fit, Kernels, digits, fit
from naga.bench.limits import Precision
from naga.checkpoint.config import CONFIG_FILE, read_layout, read_quantisation
from naga.checkpoint.hub import CARD_FILE
from naga.checkpoint.load import StoredModel
from naga.checkpoint.quantised import PackedModel
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.engine.memory import size
from naga.model.account import account

FRONT_MATTER = re.compile(r"---\r?\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)
LICENCE = re.compile(r"^license(?:_name)?:[ \t]*(?:\n- )?[\"'\[]?([\w.+-]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A folder, before it is looked at."""

    name: str
    """What commands take."""
    place: Literal["shipped", "hub", "folder"]
    path: Path


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    name: str
    place: Literal["shipped", "hub", "folder"]
    path: str
    disk_bytes: int
    """Of the files in the folder."""
    licence: str | None
    """As the model card's metadata says it."""
    family: str | None
    """model_type; None, as what follows, of what naga does not read."""
    parameters: int | None
    active_parameters: int | None
    stored: str | None
    """As a converted checkpoint is: int8 or int4; None of plain ones."""
    fits: tuple[Fit, ...]
    """In each precision that it can be held in."""
    problem: str | None
    """Why it cannot be opened."""


@dataclass(frozen=True, kw_only=True)
class LocalModels:
    models: tuple[LocalModel, ...]
    available_bytes: int
    bytes_per_s: float | None
    """Of memory, that speeds follow from."""

    def to_json(self) -> str:
        return json.dumps({"schema": "naga.models.1", **asdict(self)}, indent=1, ensure_ascii=False)

    def table(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in ("model\n模型", "family\n类型", "licence\n许可"):
            table.add_column(heading, overflow="fold")
        for heading in ("parameters\n参数 M", "disk\n磁盘 GB", *HELD):
            table.add_column(heading, justify="right")
        for model in self.models:
            table.add_row(*_cells(model))
        problems = [f"{one.name}: {one.problem}" for one in self.models if one.problem]
        return Group(table, "", *problems, *self._places(), self._note())

    def _places(self) -> Iterator[str]:
        """Of models that commands take by their paths."""
        parents = {str(Path(one.path).parent) for one in self.models if one.place == "folder"}
        for parent in sorted(parents):
            yield f"In {parent}: " + ", ".join(
                Path(one.path).name
                for one in self.models
                if one.place == "folder" and str(Path(one.path).parent) == parent
            )

    def _note(self) -> str:
        read = "" if self.bytes_per_s is None else f", read at {self.bytes_per_s / 1e9:.1f} GB/s"
        return (
            f"Tokens/s at most, where it fits into the {size(self.available_bytes)} of memory "
            f"available{read} (batch 1, empty context). 放得下时的词元/秒上限。"
        )


def list_models(folders: Iterable[Path], kernels: Kernels | None, available: int) -> LocalModels:
    """Of this machine, and of `folders`: checkpoints, or folders of some.

    `available`: bytes of memory. ConfigError for a folder that is none.
    """
    found = [shipped(), *in_hub_cache(), *(one for folder in folders for one in within(folder))]
    distinct: dict[Path, Found] = {}
    for one in found:
        distinct.setdefault(one.path.resolve(), one)
    return LocalModels(
        models=tuple(describe(one, kernels, available) for one in distinct.values()),
        available_bytes=available,
        bytes_per_s=None if kernels is None else kernels.read_all_threads,
    )


def shipped() -> Found:
    folder = Path(str(resources.files("naga") / "assets" / "naga-mini"))
    return Found(name="naga-mini", place="shipped", path=folder)


def in_hub_cache() -> Iterator[Found]:
    """Every commit of every model repository in the hub's cache."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    found = dict[str, Path]()
    for repository in repositories:
        if repository.repo_type == "model":
            for revision in repository.revisions:
                refs = sorted(revision.refs) or [revision.commit_hash]
                name = repository.repo_id + ("" if "main" in refs else f"@{refs[0]}")
                found[name] = Path(revision.snapshot_path)
    for name, path in sorted(found.items()):
        yield Found(name=name, place="hub", path=path)


def within(folder: Path) -> Iterator[Found]:
    """The checkpoint `folder`, or those directly in it."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; give checkpoints, or folders of some")
    inside = sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
    for path in [folder] if (folder / CONFIG_FILE).is_file() else inside:
        yield Found(name=str(path), place="folder", path=path)


def describe(found: Found, kernels: Kernels | None, available: int) -> LocalModel:
    """What is wrong with it is part of the answer."""
    family = parameters = active = stored = None
    fits: tuple[Fit, ...] = ()
    problem = None
    try:
        layout, config = read_layout(found.path)
        total = account(config)
        family, parameters, active = layout.model_type, total.parameters, total.active_parameters
        quantisation = read_quantisation(found.path)
        stored = None if quantisation is None else quantisation.format
        held: tuple[Precision, ...] = HELD if quantisation is None else (quantisation.format,)
        fits = tuple(_fits(found.name, config, held, kernels, available))
        (StoredModel if quantisation is None else PackedModel)(found.path)
    except ConfigError as error:
        problem = str(error).replace(f"{found.path}/", "")
    files = (file for file in found.path.iterdir() if file.is_file())
    return LocalModel(
        name=found.name,
        place=found.place,
        path=str(found.path),
        disk_bytes=sum(file.stat().st_size for file in files),
        licence=read_licence(found.path / CARD_FILE),
        family=family,
        parameters=parameters,
        active_parameters=active,
        stored=stored,
        fits=fits,
        problem=problem,
    )


def read_licence(card: Path) -> str | None:
    """Of the metadata that a model card begins with; `other` licences have a name there."""
    if not card.is_file():
        return None
    head = FRONT_MATTER.match(card.read_text(encoding="utf-8", errors="replace"))
    named = LICENCE.findall(head[1]) if head else []
    return next((one for one in named if one != "other"), named[0] if named else None)


def _fits(
    name: str,
    config: ModelConfig,
    held: Iterable[Precision],
    kernels: Kernels | None,
    available: int,
) -> Iterator[Fit]:
    for precision in held:
        try:
            yield fit(name, config, precision, available, kernels)
        except ConfigError:
            # Its columns cannot share a scale: it cannot be held so.
            continue


def _cells(model: LocalModel) -> tuple[str, ...]:
    by_precision = {one.precision: one for one in model.fits}
    return (
        Path(model.path).name if model.place == "folder" else model.name,
        "-" if model.family is None else model.family,
        model.licence or "-",
        "-" if model.parameters is None else digits(model.parameters / 1e6),
        digits(model.disk_bytes / 1e9),
        *(_fit_cell(model, by_precision.get(precision)) for precision in HELD),
    )


def _fit_cell(model: LocalModel, found: Fit | None) -> str:
    if found is None or model.problem:
        return "-"
    if not found.fits:
        return "no 否"
    speed = found.decode_tokens_per_s
    return "yes 是" if speed is None else f"{digits(speed)}/s"
