"""A saved state as a folder, X.state: written whole or not at all, refused if anything is amiss.

    manifest.json            Manifest: whose it is, how long, and each file's size and SHA-256
    manifest.json.sha256     of the manifest itself, as sha256sum writes it
    states.safetensors       the tokens, and the recurrent state at each snapshot's position
    keys.safetensors         keys, values.safetensors: values; of a model with attention
    documents.json           what the tokens are of, if they are of documents; and its .sha256

Promised: what is read back is bit for bit what was written, or a StateError says in one line why
not; nothing large is allocated before sizes fit the model and the file. Not promised: a state that
somebody made up and sealed with fresh checksums has a possible form and finite numbers, but may be
any text's. Keep the folders where only you can write.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from naga.checkpoint.stream import Entry, header, write_stream
from naga.config.base import Config
from naga.config.load import describe
from naga.data.documents import Document
from naga.disk import new_folder
from naga.engine.memory import read_memory, size
from naga.engine.saved import (
    Form,
    Identity,
    SavedSnapshot,
    SavedState,
    StateError,
    check_positions,
    check_state,
    forms,
    named_tensors,
)
from naga.engine.sealed import (
    Digest,
    FileFacts,
    SealedFolder,
    facts_of,
    folder_bytes,
    naming,
    read_sealed,
    read_verified,
    seal,
    seal_of,
)

MANIFEST, DOCUMENTS = "manifest.json", "documents.json"
STATES, KEYS, VALUES = "states.safetensors", "keys.safetensors", "values.safetensors"
MANIFEST_BYTES = 1 << 20
DOCUMENTS_BYTES = 512 << 20
# Below this a look at the system's memory, or a thread, costs more than it gives.
LARGE_BYTES = 32 << 20
WRONG_MODEL = {
    "weights": "other weights",
    "tokenizer": "another tokenizer",
    "template": "another chat template",
    "config": "another model config",
    "numerics": "other numerics",
}


class Marks(Config):
    """Identity.marks of the model that the state is of."""

    weights: Digest
    tokenizer: Digest
    template: Digest
    config: Digest
    numerics: str


class Manifest(Config):
    format: Literal["naga-state"]
    version: Literal[1]
    """Of what this module writes."""
    identity: Marks
    num_tokens: int
    positions: tuple[int, ...]
    """Of the snapshots."""
    files: tuple[FileFacts, ...]

    def find(self, name: str) -> FileFacts | None:
        return next((file for file in self.files if file.name == name), None)


def write_state(
    path: Path, identity: Identity, state: SavedState, documents: Sequence[Document] = ()
) -> int:
    """Write the folder `path`, or put it in the place of an older state; returns its bytes.

    `documents`: whatever `state.tokens` were made of, to be kept beside them. StateError, and the
    older state stays, if `path` is something else, is being written, or there is no room.
    """
    check_place(path)
    with naming(path, "cannot be written"):
        check_state(identity, state)
        tables = _tables(identity, len(state.tokens), len(state.snapshots))
        tokens = torch.tensor(state.tokens, dtype=torch.int32)
        tensors = {"tokens": tokens, **dict(named_tensors(state))}
        _check_room(path, sum(table.num_bytes for table in tables))
        with new_folder(path) as folder:
            for table in tables:
                write_stream(folder / table.name, table.entries(tensors), {})
            if documents:
                seal(folder, DOCUMENTS, _adapter().dump_json(tuple(documents)))
            manifest = Manifest(
                format="naga-state",
                version=1,
                identity=Marks(**identity.marks()),
                num_tokens=len(state.tokens),
                positions=tuple(snapshot.position for snapshot in state.snapshots),
                files=tuple(facts_of(file) for file in sorted(folder.iterdir())),
            )
            seal(folder, MANIFEST, manifest.model_dump_json(indent=1).encode())
        return folder_bytes(path)


def check_place(path: Path) -> None:
    """StateError if `path` is something else than a state, or cannot be one."""
    if path.exists() and not (path / MANIFEST).is_file():
        raise StateError(f"{path}: there is something else of this name; name another")
    if not path.name or not path.parent.is_dir():
        raise StateError(f"{path}: no such folder to write into")


def read_state(path: Path, identity: Identity) -> SavedState:
    """The state that write_state wrote; StateError says why if it is not."""
    with naming(path, "cannot be read"), SealedFolder(path) as folder:
        manifest = _manifest(folder)
        _check_identity(manifest, identity)
        check_positions(identity.config, manifest.num_tokens, manifest.positions)
        tables = _tables(identity, manifest.num_tokens, len(manifest.positions))
        _check_files(manifest, tables)
        tensors = _read_tables(folder, manifest, tables)
        if kept := manifest.find(DOCUMENTS):
            read_sealed(folder, DOCUMENTS, DOCUMENTS_BYTES, kept)
        state = _assemble(identity, manifest, tensors)
        check_state(identity, state)
        return state


def read_documents(path: Path) -> tuple[Document, ...]:
    """What write_state kept beside the tokens, whatever has become of the state itself.

    StateError if it is damaged or there is none.
    """
    with naming(path, "cannot be read"), SealedFolder(path) as folder:
        kept = None
        with suppress(StateError):
            kept = _manifest(folder).find(DOCUMENTS)
        text = read_sealed(folder, DOCUMENTS, DOCUMENTS_BYTES, kept)
        try:
            documents = _adapter().validate_json(text)
        except ValidationError as error:
            raise StateError(f"{DOCUMENTS}: {describe(error):.200}") from None
        for document in documents:
            _check_pages(document)
        return documents


def read_manifest(path: Path) -> Manifest:
    """What a state folder says of itself; its seal is verified, its files are not."""
    with naming(path, "cannot be read"), SealedFolder(path) as folder:
        return _manifest(folder)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """One safetensors file of a state: its tensors in their order, and so its every offset."""

    name: str
    forms: tuple[Form, ...]

    def entries(self, tensors: Mapping[str, Tensor]) -> list[Entry]:
        def make(name: str) -> Tensor:
            return tensors[name].cpu()

        return [
            Entry(name=f.name, dtype=f.dtype, shape=f.shape, make=partial(make, f.name))
            for f in self.forms
        ]

    @cached_property
    def header(self) -> bytes:
        return header(self.entries({}), {})

    @property
    def num_bytes(self) -> int:
        """Of the whole file."""
        return len(self.header) + sum(form.num_bytes for form in self.forms)


def _tables(identity: Identity, num_tokens: int, num_snapshots: int) -> list[_Table]:
    held: dict[str, list[Form]] = {STATES: [], KEYS: [], VALUES: []}
    held[STATES].append(Form(name="tokens", dtype=torch.int32, shape=(num_tokens,)))
    for form in forms(identity, num_tokens, num_snapshots):
        place = {"k": KEYS, "v": VALUES}.get(form.name[0], STATES)
        held[place].append(form)
    # Wide elements first, so that each tensor begins at a multiple of its own.
    return [
        _Table(name=name, forms=tuple(sorted(found, key=lambda form: -form.dtype.itemsize)))
        for name, found in held.items()
        if found
    ]


def _manifest(folder: SealedFolder) -> Manifest:
    text = read_sealed(folder, MANIFEST, MANIFEST_BYTES)
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise StateError(f"{MANIFEST}: {describe(error):.200}") from None


def _check_identity(manifest: Manifest, identity: Identity) -> None:
    written = manifest.identity.model_dump()
    for name, mark in identity.marks().items():
        if written[name] != mark:
            was, now = (
                f"{text:.60}" if name == "numerics" else text[:8] for text in (written[name], mark)
            )
            raise StateError(f"made with {WRONG_MODEL[name]}: {was}, this model's are {now}")


def _check_files(manifest: Manifest, tables: Sequence[_Table]) -> None:
    """The manifest lists the files that such a state has, of the sizes that it needs."""
    names = [file.name for file in manifest.files]
    needed = sorted(table.name for table in tables)
    allowed = (needed, sorted([*needed, DOCUMENTS, seal_of(DOCUMENTS)]))
    if names not in allowed:
        raise StateError(f"{MANIFEST}: lists other files than {', '.join(needed)}")
    for table in tables:
        facts = manifest.find(table.name)
        assert facts is not None
        if facts.num_bytes != table.num_bytes:
            raise StateError(
                f"{MANIFEST}: {table.name} has {facts.num_bytes} bytes; {manifest.num_tokens} "
                f"tokens and {len(manifest.positions)} snapshots of this model are "
                f"{table.num_bytes}"
            )
    total = sum(table.num_bytes for table in tables)
    if total > LARGE_BYTES and total > (available := read_memory().available):
        raise StateError(f"needs {size(total)} of memory, {size(available)} are available")


def _read_tables(
    folder: SealedFolder, manifest: Manifest, tables: Sequence[_Table]
) -> dict[str, Tensor]:
    """Every tensor, verified. No memory is taken before all files have their sizes."""
    with ExitStack() as stack:
        files = []
        for table in tables:
            facts = manifest.find(table.name)
            assert facts is not None
            file = stack.enter_context(folder.open(table.name))
            found = os.fstat(file.fileno()).st_size
            if found != facts.num_bytes:
                raise StateError(f"{facts.name} has {found} bytes, {facts.num_bytes} were written")
            files.append((table, facts, file))
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=len(tables)))
        large = sum(table.num_bytes for table in tables) > LARGE_BYTES
        views = (pool.map if large else map)(
            lambda each: _views(each[0], read_verified(*each[1:])), files
        )
        return {name: tensor for tensors in views for name, tensor in tensors.items()}


def _views(table: _Table, buffer: Tensor) -> dict[str, Tensor]:
    """The tensors of a file, where they lie in `buffer`.

    There is one way to write the file, so its header needs no parsing.
    """
    first = len(table.header)
    if bytes(buffer[:first].numpy().data) != table.header:
        raise StateError(
            f"{table.name}: its tensors are not named, typed and shaped as this model's"
        )
    tensors = {}
    for form in table.forms:
        last = first + form.num_bytes
        tensors[form.name] = buffer[first:last].view(form.dtype).view(form.shape)
        first = last
    return tensors


def _assemble(identity: Identity, manifest: Manifest, tensors: Mapping[str, Tensor]) -> SavedState:
    # Of a model without attention.
    nothing = torch.empty((0, manifest.num_tokens, 0, 0), dtype=identity.kv_dtype)
    snapshots = (
        SavedSnapshot(position=position, states=_of_snapshot(tensors, index))
        for index, position in enumerate(manifest.positions)
    )
    return SavedState(
        tokens=tuple(tensors["tokens"].tolist()),
        keys=tensors.get("keys", nothing),
        values=tensors.get("values", nothing),
        key_scales=tensors.get("keys.scales"),
        value_scales=tensors.get("values.scales"),
        snapshots=tuple(snapshots),
    )


def _of_snapshot(tensors: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    prefix = f"{index}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _check_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StateError(f"needs {size(needed)}, {size(free)} are free")


@cache
def _adapter() -> TypeAdapter[tuple[Document, ...]]:
    return TypeAdapter(tuple[Document, ...])


def _check_pages(document: Document) -> None:
    numbered = all(page.number == at for at, page in enumerate(document.pages, start=1))
    bounds = [bound for page in document.pages for bound in (page.start, page.end)]
    if not numbered or not bounds or bounds != sorted(bounds) or bounds[-1] != len(document.text):
        raise StateError(f"{DOCUMENTS}: the pages of a document are not those of its text")
