"""A plain checkpoint folder -> one with quantised weights, packed as the native kernels use them.

Written tensor by tensor: memory holds one of them, and a layer while calibrating. Nothing is there
under the target's name before everything is. The new config.json has model_type "naga" and the
record that says what the bytes are, so that a program that knows only plain weights refuses it
(quantised.py reads it). Weights are rounded from what is stored, whatever dtype they are then
computed with. Does not change the source, nor convert what is quantised already.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from naga.checkpoint import naga as layout
from naga.checkpoint.calibrate import calibrate, read_calibration
from naga.checkpoint.config import CONFIG_FILE, read_dtype, read_quantisation
from naga.checkpoint.fields import read_json, to_json
from naga.checkpoint.load import StoredModel
from naga.checkpoint.quantised import is_packed, packed_shapes
from naga.checkpoint.save import GENERATION_FILE, SHARD_BYTES, new_folder, write_shards
from naga.checkpoint.stream import Entry, write_stream
from naga.config.base import ConfigError
from naga.config.quantisation import Quantisation
from naga.data.tokenizer import Tokenizer
from naga.model.native import pack_weight

# Copied as they are, where the source has them.
COMPANIONS = (
    GENERATION_FILE, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "chat_template.jinja",
)  # fmt: skip
ENDS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True, kw_only=True)
class Conversion:
    quantisation: Quantisation
    source_bytes: int
    """Of the weights' files."""
    num_bytes: int

    def to_dict(self) -> dict[str, object]:
        record = self.quantisation.model_dump(mode="json")
        return {**record, "source_bytes": self.source_bytes, "num_bytes": self.num_bytes}


Progress = Callable[[int], AbstractContextManager[Callable[[], None]]]


def unseen(total: int) -> AbstractContextManager[Callable[[], None]]:
    """No progress shown."""
    return nullcontext(lambda: None)


def convert(
    source: Path,
    target: Path,
    quantisation: Quantisation,
    text: Path | None = None,
    *,
    progress: Progress = unseen,
    shard_bytes: int = SHARD_BYTES,
) -> Conversion:
    """Write the folder `target` with the weights of the folder `source`, quantised.

    `text`: choose scales for the activations on it, not by rounding to nearest. `progress` is told
    the number of steps, layers calibrated and tensors written, and gives what to call after each.
    ConfigError for a source that cannot be read or is quantised, a target that exists, a text of no
    use, NaN or infinity.
    """
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target}: exists already; give a new folder")
    if found := read_quantisation(source):
        raise ConfigError(f"{source}: is quantised already ({found}); convert the original")
    stored, windows = StoredModel(source), None
    if text is not None:
        windows = read_calibration(text, Tokenizer.load(source), stored.config)
        known = {"calibrated_on": text.name, "calibration_tokens": sum(map(len, windows))}
        quantisation = quantisation.model_copy(update=known)
    layers = len(stored.config.layers) if windows else 0
    with progress(layers + len(stored.shapes)) as done, new_folder(target) as fresh:
        importance = {} if windows is None else calibrate(stored, windows, done=done)
        config = _config(source, stored, quantisation)
        (fresh / CONFIG_FILE).write_text(to_json(config), encoding="utf-8")
        for name in COMPANIONS:
            if (source / name).is_file():
                shutil.copyfile(source / name, fresh / name)
        entries = _entries(stored, quantisation, importance, done)
        write_shards(fresh, entries, shard_bytes, _write_file)
    return Conversion(
        quantisation=quantisation,
        source_bytes=_weight_bytes(source),
        num_bytes=_weight_bytes(target),
    )


def _entries(
    stored: StoredModel,
    quantisation: Quantisation,
    importance: Mapping[str, Tensor],
    done: Callable[[], None],
) -> list[Entry]:
    def make(name: str) -> Tensor:
        tensor = stored.read(name)
        if is_packed(name):
            tensor = pack_weight(name, tensor, quantisation, importance.get(name))
        done()
        return tensor if is_packed(name) else tensor.float()

    return [
        Entry(
            name=name,
            dtype=torch.uint8 if is_packed(name) else torch.float32,
            shape=shape,
            make=lambda name=name: make(name),  # type: ignore[misc]  # mypy knows no such lambda
        )
        for name, shape in packed_shapes(stored.shapes, quantisation).items()
    ]


def _config(source: Path, stored: StoredModel, quantisation: Quantisation) -> dict[str, object]:
    """config.json: the model as naga says it, what ends a text as the source says it."""
    before = read_json(source / CONFIG_FILE)
    ends = {key: before[key] for key in ENDS if key in before}
    record = {layout.RECORD: quantisation.model_dump(mode="json")}
    return {**layout.write(stored.config), **ends, "dtype": read_dtype(source), **record}


def _write_file(file: Path, entries: list[Entry]) -> None:
    write_stream(file, entries, {"format": "naga"})


def _weight_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
