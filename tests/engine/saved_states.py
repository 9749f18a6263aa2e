"""Small states of made-up numbers, for the tests of what keeps them."""

import torch

from naga.config.model import (
    AttentionConfig,
    Mamba1Config,
    MambaConfig,
    MlpConfig,
    ModelConfig,
    ParallelConfig,
)
from naga.data.documents import Document, Page
from naga.engine.backend import Numerics
from naga.engine.saved import Identity, SavedSnapshot, SavedState, named_tensors

# Odd sizes: a tensor need not begin where a wider number may.
MAMBA = MambaConfig(num_heads=1, head_dim=3, state_dim=1)
MAMBA1 = Mamba1Config(inner_dim=3, state_dim=5, conv_width=3, dt_rank=1)
ATTENTION = AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=3)


def make_identity(
    pattern: str = "M*-M", dtype: str = "bfloat16", kv: str | None = None, weights: str = "a"
) -> Identity:
    config = ModelConfig(
        pattern=pattern,
        vocab_size=50,
        hidden_dim=8,
        max_positions=64,
        mamba=MAMBA if {"M", "H"} & {*pattern} else None,
        attention=ATTENTION if {"*", "H"} & {*pattern} else None,
        mlp=MlpConfig(inner_dim=8),
        mamba1=MAMBA1 if "S" in pattern else None,
        parallel=ParallelConfig() if "H" in pattern else None,
    )
    numerics = Numerics(backend="native", processor="avx2", dtype=dtype, kv=kv)
    return Identity(
        weights=weights * 64,
        tokenizer="b" * 64,
        template="c" * 64,
        config=config,
        numerics=numerics,
    )


def make_state(
    identity: Identity, num_tokens: int = 5, positions: tuple[int, ...] = (2, 5), seed: int = 0
) -> SavedState:
    config, random = identity.config, torch.Generator().manual_seed(seed)
    layers, recurrent = (sum(map(config.count, letters)) for letters in ("*H", "MH"))
    kv_shape = (layers, num_tokens, 1, 3) if layers else (0, num_tokens, 0, 0)
    held = [torch.randn(kv_shape, generator=random) for _ in range(2)]
    scales = None
    if identity.kv_dtype is torch.int8:
        held = [100 * tensor.clamp(-1, 1) for tensor in held]
        scales = [torch.rand(kv_shape[:-1], generator=random) for _ in range(2)]
    kept: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    if recurrent:
        kept["ssm"] = (torch.float32, (recurrent, 1, 3, 1))
        kept["conv"] = (identity.dtype, (recurrent, 3, MAMBA.conv_dim))
    if selective := config.count("S"):
        kept["mamba1.ssm"] = (torch.float32, (selective, 3, 5))
        kept["mamba1.conv"] = (identity.dtype, (selective, 2, 3))
    snapshots = tuple(
        SavedSnapshot(
            position=position,
            states={
                name: torch.randn(shape, generator=random).to(dtype)
                for name, (dtype, shape) in kept.items()
            },
        )
        for position in positions
    )
    return SavedState(
        tokens=tuple(torch.randint(50, (num_tokens,), generator=random).tolist()),
        keys=held[0].to(identity.kv_dtype),
        values=held[1].to(identity.kv_dtype),
        key_scales=scales[0] if scales else None,
        value_scales=scales[1] if scales else None,
        snapshots=snapshots if kept else (),
    )


def make_document(text: str = "The rent is 9 dollars.", name: str = "lease.txt") -> Document:
    page = Page(number=1, start=0, end=len(text))
    return Document(name=name, text=text, pages=(page,), media_type="text/plain", sha256="d" * 64)


def is_same(first: SavedState, second: SavedState) -> bool:
    """Bit for bit."""
    if first.tokens != second.tokens:
        return False
    if [s.position for s in first.snapshots] != [s.position for s in second.snapshots]:
        return False
    ours, theirs = dict(named_tensors(first)), dict(named_tensors(second))
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype
        and ours[name].shape == theirs[name].shape
        and ours[name]
        .contiguous()
        .view(torch.uint8)
        .equal(theirs[name].contiguous().view(torch.uint8))
        for name in ours
    )
