"""Where the GGUF files of a checkpoint are: beside its folder, made when they are first needed."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from naga.bench.convert_gguf import GgufType, convert_gguf
from naga.bench.limits import Precision
from naga.train.progress import say

TYPES: Mapping[Precision, GgufType] = {"bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}


def gguf_file(model: Path, precision: Precision) -> Path:
    """`models/350m` -> `models/350m-q8_0.gguf`."""
    folder = model.resolve()
    return folder.with_name(f"{folder.name}-{TYPES[precision]}.gguf")


def make_gguf(model: Path, precision: Precision, console: Console) -> None:
    """Unless it is there, and newer than the checkpoint."""
    file = gguf_file(model, precision)
    newest = max(part.stat().st_mtime for part in model.iterdir())
    if file.is_file() and file.stat().st_mtime > newest:
        return
    say(console, f"writing {file}")
    convert_gguf(model, file, TYPES[precision])
