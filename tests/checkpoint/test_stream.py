"""A streamed file is one that the library reads."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from naga.checkpoint.load import _read_places
from naga.checkpoint.stream import Entry, write_stream

SHAPES = st.one_of(
    st.tuples(st.sampled_from([0, 64, 192])),
    st.tuples(st.integers(0, 3), st.sampled_from([64, 128])),
    st.lists(st.integers(0, 9), max_size=3).map(tuple),
)


def entry_of(name: str, tensor: Tensor) -> Entry:
    return Entry(
        name=name, dtype=tensor.dtype, shape=tuple(tensor.shape), make=lambda: tensor.clone()
    )


@given(st.lists(st.tuples(SHAPES, st.booleans()), max_size=7), st.text(max_size=70))
def test_the_library_reads_back_what_was_streamed(
    tmp_path_factory: pytest.TempPathFactory,
    chosen: list[tuple[tuple[int, ...], bool]],
    note: str,
) -> None:
    file = tmp_path_factory.mktemp("stream") / "a.safetensors"
    tensors = {}
    for index, (shape, packed) in enumerate(chosen):
        values = torch.arange(1, 1 + torch.Size(shape).numel()).view(shape)
        # Packed bytes come in whole cache lines.
        packed = packed and len(values.view(-1)) % 64 == 0
        tensors[f"权重 {index}"] = values.to(torch.uint8 if packed else torch.float32)
    write_stream(file, [entry_of(*item) for item in tensors.items()], {"note": note})
    found = load_file(file)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and found[name].equal(tensor), name
    with safe_open(file, framework="pt") as opened:
        assert opened.metadata() == {"note": note}
    assert list(_read_places(file)) == list(tensors)


def test_each_tensor_is_made_when_it_is_written(tmp_path: Path) -> None:
    """So memory never holds two: the file has all earlier ones by then."""
    file = tmp_path / "a.safetensors"
    sizes = []

    def make() -> Tensor:
        sizes.append(file.stat().st_size)
        return torch.zeros(1 << 20, dtype=torch.uint8)

    entries = [Entry(name=name, dtype=torch.uint8, shape=(1 << 20,), make=make) for name in "abcd"]
    write_stream(file, entries, {})
    assert [size >> 20 for size in sizes] == [0, 1, 2, 3]


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_stream(file, [], {})
    assert file.read_bytes() == b"mine"
