"""A model -> a checkpoint folder, whole or not at all.

Everything is written and put on the disk in a hidden folder beside the target, which then takes the
target's name; a former checkpoint there is kept until that has happened. So a kill at any instant
leaves the old folder, the new one, or (between two renames) the old one as .NAME.previous.
Assumes one writer per folder. Matrices are stored in one dtype, everything else in float32.
"""

import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from naga.checkpoint.config import CONFIG_FILE, layout_for
from naga.checkpoint.fields import to_json
from naga.checkpoint.layout import Layout, Part
from naga.checkpoint.load import INDEX_FILE, WEIGHTS_FILE, memory_shapes, meta_model
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.data.formats import known_format
from naga.data.tokenizer import END, END_OF_TEXT, Tokenizer
from naga.disk import sync, sync_folder
from naga.model.lm import value_dtype
from naga.runtime import DTYPES

SHARD_BYTES = 4_000_000_000
GENERATION_FILE = "generation_config.json"

# A folder that holds anything else is not overwritten.
OWN_FILES = (
    CONFIG_FILE, GENERATION_FILE, INDEX_FILE, "*.safetensors", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """One tensor to write; made and converted when its file is."""

    part: Part
    make: Callable[[], Tensor]
    """The whole weight of which `part` may be a slice."""
    dtype: torch.dtype

    @property
    def name(self) -> str:
        return self.part.stored

    @property
    def num_bytes(self) -> int:
        return math.prod(self.part.shape) * self.dtype.itemsize

    def tensor(self) -> Tensor:
        whole = self.make().detach()
        source = whole if self.part.index is None else whole[self.part.index]
        return source.to("cpu", self.dtype).reshape(self.part.shape).contiguous()


def save_model(
    path: Path,
    config: ModelConfig,
    tensors: Mapping[str, Tensor],
    *,
    dtype: torch.dtype,
    tokenizer: Tokenizer | None,
    layout: str | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write the folder `path`, atomically; `tensors` under in-memory names, as in a state_dict.

    `layout` None means `choose_layout(config)`. Weights beyond `shard_bytes` go into several files.
    ConfigError for a layout that cannot express the config, a folder that is no checkpoint, a full
    disk.
    """
    shapes = memory_shapes(meta_model(config))
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert found == shapes, (
        f"not the tensors of this config: {set(found.items()) ^ {*shapes.items()}}"
    )
    save_made(
        path,
        config,
        tensors.__getitem__,
        dtype=dtype,
        tokenizer=tokenizer,
        layout=layout,
        shard_bytes=shard_bytes,
    )


def save_made(
    path: Path,
    config: ModelConfig,
    make: Callable[[str], Tensor],
    *,
    dtype: torch.dtype,
    tokenizer: Tokenizer | None,
    layout: str | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """As save_model, of tensors that `make` makes by their in-memory names.

    Called when the file that holds a tensor is written, so that no more than one file's worth is in
    memory; in the order of the file, once for each tensor on disk (an expert may be one).
    """
    chosen = layout_for(config, layout)
    target = path.resolve()
    _refuse_foreign(target)
    if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
        raise ConfigError(
            f"the tokenizer has {tokenizer.vocab_size} tokens, the model only {config.vocab_size}"
        )
    stored = list(_stored(chosen, config, make, dtype))
    ids = _token_ids(tokenizer)
    names = {value: key for key, value in DTYPES.items()}
    with new_folder(path) as fresh:
        written = {**chosen.write(config), **ids, "dtype": names[dtype]}
        (fresh / CONFIG_FILE).write_text(to_json(written), encoding="utf-8")
        (fresh / GENERATION_FILE).write_text(to_json(ids), encoding="utf-8")
        write_shards(fresh, stored, shard_bytes, _write_file)
        if tokenizer is not None:
            tokenizer.save(fresh)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A hidden folder to write into, which then takes the name `path`, or is gone after an error.

    What `path` was before is replaced. ConfigError for a disk that cannot be written.
    """
    target = path.resolve()
    fresh = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        yield fresh
        _replace(fresh, target)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _refuse_foreign(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target}: is a file; give a folder")
    for file in sorted(target.iterdir()) if target.is_dir() else ():
        if not any(file.match(pattern) for pattern in OWN_FILES):
            raise ConfigError(
                f"{target}: holds {file.name}, which is no part of a checkpoint; "
                "give a new or empty folder, so that nothing is lost"
            )


def _stored(
    layout: Layout, config: ModelConfig, make: Callable[[str], Tensor], dtype: torch.dtype
) -> Iterator[Stored]:
    shapes = memory_shapes(meta_model(config))
    for weight in layout.weights(config):
        kept = value_dtype(weight.name, dtype)
        for part in weight.parts(shapes[weight.name]):
            yield Stored(part=part, make=partial(make, weight.name), dtype=kept)


def _token_ids(tokenizer: Tokenizer | None) -> dict[str, Any]:
    """What ends and pads a text. null is said aloud: transformers would assume ids of its own."""
    if tokenizer is None or not tokenizer.is_chat():
        form = None if tokenizer is None else known_format(tokenizer)
        ends = None if tokenizer is None or form is None else sorted(form.stop_ids(tokenizer))
        return {"bos_token_id": None, "eos_token_id": ends, "pad_token_id": None}
    end, end_of_text = tokenizer.control_id(END), tokenizer.control_id(END_OF_TEXT)
    return {
        "bos_token_id": end_of_text,
        "eos_token_id": [end, end_of_text],
        "pad_token_id": end_of_text,
    }


class Sized(Protocol):
    """Something that takes room in a file."""

    @property
    def name(self) -> str: ...

    @property
    def num_bytes(self) -> int: ...


SizedT = TypeVar("SizedT", bound=Sized)


def write_shards(
    folder: Path,
    stored: list[SizedT],
    shard_bytes: int,
    write_file: Callable[[Path, list[SizedT]], None],
) -> None:
    """Write tensors into one file, or into several with an index beyond `shard_bytes`."""
    shards = _split(stored, shard_bytes)
    if len(shards) == 1:
        write_file(folder / WEIGHTS_FILE, stored)
        return
    places = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_file(folder / name, shard)
        places.update({item.name: name for item in shard})
    total = sum(item.num_bytes for item in stored)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / INDEX_FILE).write_text(to_json(index), encoding="utf-8")


def _write_file(file: Path, stored: list[Stored]) -> None:
    # transformers refuses a file that does not say who made it.
    save_file({item.name: item.tensor() for item in stored}, file, {"format": "pt"})
    # safetensors writes for its owner alone, whatever the umask says.
    file.chmod((file.parent / CONFIG_FILE).stat().st_mode)


def _split(stored: list[SizedT], shard_bytes: int) -> list[list[SizedT]]:
    """In order, each shard as full as it may be; a tensor larger than a shard has its own."""
    shards: list[list[SizedT]] = [[]]
    room = shard_bytes
    for item in stored:
        if shards[-1] and item.num_bytes > room:
            shards.append([])
            room = shard_bytes
        shards[-1].append(item)
        room -= item.num_bytes
    return shards


def _replace(fresh: Path, target: Path) -> None:
    """Put `fresh` on the disk and give it the target's name."""
    sync_folder(fresh)
    previous = target.with_name(f".{target.name}.previous")
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        target.rename(previous)
    try:
        fresh.rename(target)
    except OSError:
        if previous.exists():
            previous.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(previous, ignore_errors=True)
