"""What a sequence left behind, as records that can leave the engine, and whose they are.

A SavedState is good for one Identity alone: the same weights, tokenizer, template, model config and
numerics. `check_state` says whether a state has the form that an identity demands; that its numbers
are those the model would compute is for checksums to prove (state_folder.py). Holds CPU tensors.

T tokens, L layers of a kind, V KV heads, d head dim, H heads, P head dim, N state dim, W taps,
C channels under the convolution, I channels of Mamba-1.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from naga.checkpoint.layout import Shape
from naga.checkpoint.load import is_finite
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.engine.backend import NUMERICS_VERSION, Numerics
from naga.model.account import account
from naga.runtime import DTYPES


class StateError(ConfigError):
    """A saved state is refused; one line says which and why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedSnapshot:
    position: int
    """Tokens behind it."""
    states: Mapping[str, Tensor]
    """What lies in a slot (`StatePool.by_slot`), of the kinds of layer that there are: ssm
    (L, H, P, N) float32 and conv (L, W-1, C) in compute dtype, mamba1.ssm (L, I, N) and mamba1.conv
    (L, W-1, I) likewise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedState:
    tokens: tuple[int, ...]
    keys: Tensor
    """(L, T, V, d) in compute dtype or int8."""
    values: Tensor
    """Like keys."""
    key_scales: Tensor | None
    """(L, T, V) float32 where keys are int8, else None."""
    value_scales: Tensor | None
    """Like key_scales."""
    snapshots: tuple[SavedSnapshot, ...]
    """By ascending position, each at most T; none for a model without recurrent layers."""

    @property
    def num_bytes(self) -> int:
        """Of all tensors."""
        return sum(tensor.numel() * tensor.element_size() for _, tensor in named_tensors(self))


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a state's numbers depend on besides its tokens; digests are SHA-256 in hexadecimal."""

    weights: str
    tokenizer: str
    template: str
    config: ModelConfig
    numerics: Numerics

    def marks(self) -> dict[str, str]:
        """One text for each thing that must be the same, by its name."""
        config = hashlib.sha256(self.config.model_dump_json().encode()).hexdigest()
        return {
            "weights": self.weights,
            "tokenizer": self.tokenizer,
            "template": self.template,
            "config": config,
            "numerics": f"{self.numerics}-v{NUMERICS_VERSION}",
        }

    @property
    def dtype(self) -> torch.dtype:
        """Compute dtype."""
        return DTYPES[self.numerics.dtype]

    @property
    def kv_dtype(self) -> torch.dtype:
        return torch.int8 if self.numerics.kv == "int8" else self.dtype

    def state_bytes(self, num_tokens: int, num_snapshots: int) -> int:
        """Of a saved state's keys, values and snapshots, by naga/model/account.py's formula."""
        kv: Literal["int8"] | None = "int8" if self.kv_dtype is torch.int8 else None
        costs = account(self.config, self.dtype.itemsize, kv)
        return num_tokens * costs.kv_bytes_per_token + num_snapshots * costs.state_bytes


@dataclass(frozen=True, kw_only=True)
class Form:
    """What one tensor of a state must look like."""

    name: str
    dtype: torch.dtype
    shape: Shape

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def forms(identity: Identity, num_tokens: int, num_snapshots: int) -> Iterator[Form]:
    """Every tensor of a state but its tokens, in the order in which named_tensors gives them."""
    config = identity.config
    if attention := config.attention:
        heads = (config.num_attention, num_tokens, attention.num_kv_heads)
        for name in ("keys", "values"):
            yield Form(name=name, dtype=identity.kv_dtype, shape=(*heads, attention.head_dim))
            if identity.kv_dtype is torch.int8:
                yield Form(name=f"{name}.scales", dtype=torch.float32, shape=heads)
    for index in range(num_snapshots):
        for name, (dtype, shape) in _slot_forms(config, identity.dtype).items():
            yield Form(name=f"{index}.{name}", dtype=dtype, shape=shape)


def _slot_forms(config: ModelConfig, dtype: torch.dtype) -> dict[str, tuple[torch.dtype, Shape]]:
    """What a slot holds, in the order and by the names of StatePool.by_slot."""
    found: dict[str, tuple[torch.dtype, Shape]] = {}
    if mamba := config.mamba:
        layers = config.num_mamba2
        ssm = (layers, mamba.num_heads, mamba.head_dim, mamba.state_dim)
        found["ssm"] = (torch.float32, ssm)
        found["conv"] = (dtype, (layers, mamba.conv_width - 1, mamba.conv_dim))
    if mamba1 := config.mamba1:
        layers = config.count("S")
        found["mamba1.ssm"] = (torch.float32, (layers, mamba1.inner_dim, mamba1.state_dim))
        found["mamba1.conv"] = (dtype, (layers, mamba1.conv_width - 1, mamba1.inner_dim))
    return found


def named_tensors(state: SavedState) -> Iterator[tuple[str, Tensor]]:
    """Those that hold something: a model without attention has no keys."""
    pairs = (("keys", state.keys, state.key_scales), ("values", state.values, state.value_scales))
    for name, tensor, scales in pairs:
        if tensor.numel():
            yield name, tensor
        if scales is not None and scales.numel():
            yield f"{name}.scales", scales
    for index, snapshot in enumerate(state.snapshots):
        for name, tensor in snapshot.states.items():
            yield f"{index}.{name}", tensor


def check_state(identity: Identity, state: SavedState) -> None:
    """StateError, with the reason, if `state` is none that a model of `identity` can have."""
    positions = tuple(snapshot.position for snapshot in state.snapshots)
    check_positions(identity.config, len(state.tokens), positions)
    if not 0 <= min(state.tokens) <= max(state.tokens) < identity.config.vocab_size:
        raise StateError(f"a token is not of this model's {identity.config.vocab_size}")
    expected = {form.name: form for form in forms(identity, len(state.tokens), len(positions))}
    found = dict(named_tensors(state))
    if expected.keys() != found.keys():
        name = min(expected.keys() ^ found.keys())
        fault = "is missing" if name in expected else "is not of this model"
        raise StateError(f"tensor {name} {fault}")
    for name, tensor in found.items():
        _check_tensor(expected[name], tensor)


def check_positions(config: ModelConfig, num_tokens: int, positions: tuple[int, ...]) -> None:
    """StateError unless so many tokens, and snapshots behind these, can be of this model."""
    if not 1 <= num_tokens <= config.max_positions:
        raise StateError(f"{num_tokens} tokens; this model's are 1 to {config.max_positions}")
    if positions and not config.recurrent:
        raise StateError("there are snapshots, but this model has no recurrent layers")
    ascending = all(before < after for before, after in pairwise((0, *positions)))
    if not ascending or (positions and positions[-1] > num_tokens):
        raise StateError(f"the snapshots' positions do not ascend from 1 to {num_tokens} at most")


def _check_tensor(form: Form, tensor: Tensor) -> None:
    if tuple(tensor.shape) != form.shape:
        raise StateError(f"tensor {form.name} is {tuple(tensor.shape)}, must be {form.shape}")
    if tensor.dtype != form.dtype:
        raise StateError(f"tensor {form.name} is {tensor.dtype}, must be {form.dtype}")
    if tensor.is_floating_point() and not is_finite(tensor):
        raise StateError(f"tensor {form.name} has numbers that are not finite")
    if form.name.endswith(".scales") and tensor.min() < 0:
        raise StateError(f"tensor {form.name} has scales below zero")
