"""What `naga eval` asks and whom, put together from its options. Prints nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from naga.checkpoint.hub import find_model
from naga.cli.options import load_bar
from naga.config.base import ConfigError
from naga.config.serve import EngineConfig

if TYPE_CHECKING:
    from naga.engine.request import SamplingParams
    from naga.eval import Answerer, Item
    from naga.tasks import Judging, Level
    from naga.tasks.public import Shots

DEFAULT_COUNT = 200


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The options that say what is asked."""

    tasks: str
    level: str
    count: int | None
    seed: int
    thinking: bool
    chinese: float
    data: tuple[str, ...]
    shots: tuple[str, ...]
    grid: str
    documents: tuple[str, ...]

    def items(self, judging: "Judging") -> "list[Item]":
        """ConfigError names the option that is wrong."""
        from naga.eval import family_items, public_items
        from naga.tasks import PUBLIC, SCORED, make_public_set, make_tasks, task_names

        named = [name.strip() for name in self.tasks.split(",") if name.strip()]
        names = task_names(named or list(SCORED))
        public = [name for name in names if name in PUBLIC]
        files, shots = _by_name("--data", self.data, public), self._shots(public)
        if missing := [name for name in public if name not in files]:
            raise ConfigError(f"task {missing[0]!r}: a public set; give its file with --data")
        if self.grid:
            return self._grid(names)
        made = make_tasks([n for n in names if n not in public], self.documents, judging)
        items = family_items(
            made,
            levels=self._levels(),
            count=self.count or DEFAULT_COUNT,
            seed=self.seed,
            thinking=self.thinking,
            chinese=self.chinese,
        )
        for name in public:
            task = make_public_set(name, judging, shots.get(name))
            items += public_items(task, Path(files[name]), self.count, self.seed)
        return items

    def _levels(self) -> "tuple[Level, ...]":
        from naga.tasks import LEVELS

        return LEVELS if self.level == "all" else tuple(x for x in LEVELS if x == self.level)

    def _shots(self, public: list[str]) -> "dict[str, Shots]":
        from naga.tasks.public import Shots

        found = {}
        for name, text in _by_name("--shots", self.shots, public).items():
            path, _, count = text.rpartition(":")
            if not path or not count.isdigit() or int(count) < 1:
                raise ConfigError(f"--shots {text!r}: write PATH:COUNT, as dev.jsonl:5")
            found[name] = Shots(path=Path(path), count=int(count))
        return found

    def _grid(self, names: tuple[str, ...]) -> "list[Item]":
        from naga.eval import grid_items

        lengths, _, depths = self.grid.partition("/")
        try:
            cells = [int(x) for x in lengths.split(",")], [float(x) for x in depths.split(",")]
        except ValueError:
            raise ConfigError(
                f"--grid {self.grid!r}: write LENGTHS/DEPTHS, as 1000,4000/0,0.5,1"
            ) from None
        return [
            item
            for name in names
            for item in grid_items(
                name,
                lengths=cells[0],
                depths=cells[1],
                count=self.count or DEFAULT_COUNT,
                seed=self.seed,
                chinese=self.chinese,
                documents=self.documents,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Who is asked: a checkpoint in this process, or a server."""

    model: str
    config: EngineConfig
    """Of a checkpoint."""
    name: str
    """Of a server, this and what follows: which of its models."""
    key_env: str
    concurrency: int
    timeout_s: float

    @property
    def is_server(self) -> bool:
        return self.model.startswith(("http://", "https://"))

    @contextmanager
    def opened(self, sampling: "SamplingParams", *, lasting: bool) -> "Iterator[Answerer]":
        """`lasting`: what answers is told from all others, for samples that are kept."""
        if self.is_server:
            from naga.eval import Connection, Endpoint

            endpoint = Endpoint(
                url=self.model,
                model=self.name,
                key=os.environ.get(self.key_env, ""),
                timeout_s=self.timeout_s,
                concurrency=self.concurrency,
            )
            with Connection(endpoint) as connection:
                yield connection.answerer(sampling)
            return
        if self.name:
            raise ConfigError("--model-name is for servers: give the URL of one")
        from naga.engine.chat import open_engine
        from naga.engine.identity import digest_weights
        from naga.eval import engine_answerer

        folder = find_model(Path(self.model))
        with open_engine(folder, self.config, load_bar) as engine:
            weights = digest_weights(folder) if lasting else self.model
            identity = f"{weights} {self.config.model_dump_json()}"
            yield engine_answerer(engine, sampling, identity)


def _by_name(option: str, given: tuple[str, ...], public: list[str]) -> dict[str, str]:
    """NAME=VALUE each, or one VALUE where one public set is asked."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in public:
            if len(public) != 1:
                raise ConfigError(
                    f"{option} {text!r}: write NAME=..., NAME being a public set of --tasks"
                )
            name, value = public[0], text
        found[name] = value
    return found
