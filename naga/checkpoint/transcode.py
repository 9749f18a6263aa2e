"""A plain checkpoint folder -> the same weights in another layout, tensor by tensor.

Every tensor keeps its bits and its dtype; names, shapes and config.json are the target layout's. So
there and back again is the same tensors (tests/checkpoint/test_transcode.py). `widen` alone changes
numbers, as widen.py says. Nothing is there under the target's name before everything is. Does not
quantise (convert.py), nor read what is quantised.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

from torch import Tensor

from naga.checkpoint.config import CONFIG_FILE, layout_for, read_dtype, read_layout
from naga.checkpoint.convert import COMPANIONS, ENDS, Progress, unseen
from naga.checkpoint.fields import read_json, to_json
from naga.checkpoint.layout import Layout, Part
from naga.checkpoint.load import StoredModel, memory_shapes, meta_model
from naga.checkpoint.save import SHARD_BYTES, new_folder, write_shards
from naga.checkpoint.stream import Entry, write_stream
from naga.checkpoint.widen import widen_config, widen_tensor
from naga.config.base import ConfigError
from naga.config.model import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Transcoding:
    """What was done."""

    source_layout: str
    layout: str
    tensors: int
    """On disk."""
    num_bytes: int
    """Of them."""

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def transcode(
    source: Path,
    target: Path,
    layout: str,
    *,
    widen: bool = False,
    progress: Progress = unseen,
    shard_bytes: int = SHARD_BYTES,
) -> Transcoding:
    """Write the folder `target` with the model of the folder `source`, in the named layout.

    `progress` is told the number of tensors in memory, and gives what to call after each.
    ConfigError for a source that cannot be read or is quantised, a target that exists, what the
    layout cannot express (by layer and name), tensors with NaN or infinity.
    """
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target}: exists already; give a new folder")
    stored = StoredModel(source)
    config = widen_config(stored.config) if widen else stored.config
    chosen = layout_for(config, layout)
    before = read_json(source / CONFIG_FILE)
    ends = {key: before[key] for key in ENDS if key in before}
    with progress(len(stored.shapes)) as done, new_folder(target) as fresh:
        entries = _entries(chosen, config, stored, done)
        written = {**chosen.write(config), **ends, "dtype": read_dtype(source)}
        (fresh / CONFIG_FILE).write_text(to_json(written), encoding="utf-8")
        for name in COMPANIONS:
            if (source / name).is_file():
                shutil.copyfile(source / name, fresh / name)
        write_shards(fresh, entries, shard_bytes, _write_file)
    return Transcoding(
        source_layout=read_layout(source)[0].model_type,
        layout=chosen.model_type,
        tensors=len(entries),
        num_bytes=sum(entry.num_bytes for entry in entries),
    )


def _entries(
    layout: Layout, config: ModelConfig, stored: StoredModel, done: Callable[[], None]
) -> list[Entry]:
    """What the target's files hold, in order, made when their turns come."""
    shapes = memory_shapes(meta_model(config))

    # The last is kept: a layout may store each expert by itself.
    @lru_cache(maxsize=1)
    def make(name: str) -> Tensor:
        tensor = stored.read(name)
        done()
        if shapes[name] == stored.shapes[name]:
            return tensor
        return widen_tensor(name, tensor, shapes[name], stored.config, config)

    return [
        Entry(
            name=part.stored,
            dtype=stored.stored_dtype(weight.name),
            shape=part.shape,
            make=partial(_part_of, make, weight.name, part),
        )
        for weight in layout.weights(config)
        for part in weight.parts(shapes[weight.name])
    ]


def _part_of(make: Callable[[str], Tensor], name: str, part: Part) -> Tensor:
    whole = make(name)
    return (whole if part.index is None else whole[part.index]).reshape(part.shape)


def _write_file(file: Path, entries: list[Entry]) -> None:
    # transformers refuses a file that does not say who made it.
    write_stream(file, entries, {"format": "pt"})
