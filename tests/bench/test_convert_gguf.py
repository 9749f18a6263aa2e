"""naga.bench.convert_gguf: every tensor under llama.cpp's names, in its types, with our values."""

from math import inf
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type

from naga.bench.convert_gguf import GgufType, convert_gguf, interleave
from naga.bench.gguf_files import gguf_file
from naga.bench.models import byte_tokenizer
from naga.bench.q6_k import quantize_q6_k
from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.model import (
    AttentionConfig,
    MambaConfig,
    MlpConfig,
    ModelConfig,
    MoeConfig,
    RopeConfig,
)
from naga.model.init import initialize
from naga.model.lm import HybridLM
from naga.runtime import make_runtime

COMMON: dict[str, Any] = {"vocab_size": 48, "hidden_dim": 32, "max_positions": 64, "init_std": 0.3}
HYBRID: dict[str, Any] = {
    "mamba": MambaConfig(num_heads=4, head_dim=16, state_dim=16, num_groups=2),
    "attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, scale=0.5),
    "embedding_multiplier": 12.0,
    "residual_multiplier": 0.25,
    "logits_divisor": 3.0,
}
ROTATED = AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig(theta=500.0))
CONFIGS = {
    "dense hybrid": ModelConfig(pattern="M-*-", mlp=MlpConfig(inner_dim=64), **COMMON, **HYBRID),
    "experts": ModelConfig(
        pattern="ME*E",
        moe=MoeConfig(num_experts=4, top_k=2, expert_dim=32, shared_dim=64),
        **COMMON,
        **HYBRID,
    ),
    "llama": ModelConfig(
        pattern="*-*-",
        attention=ROTATED,
        mlp=MlpConfig(inner_dim=64),
        tie_embeddings=False,
        **COMMON,
    ),
}


def test_a_made_models_tokenizer_comes_along_and_no_other(tmp_path: Path) -> None:
    config = CONFIGS["dense hybrid"].model_copy(update={"vocab_size": 300})
    model = HybridLM(config)
    initialize(model, seed=0)
    for tokenizer in (byte_tokenizer().filled(300), byte_tokenizer()):
        folder = tmp_path / f"{tokenizer.vocab_size}"
        state = model.state_dict()
        save_model(folder, config, state, dtype=torch.bfloat16, tokenizer=tokenizer)
        convert_gguf(folder, tmp_path / "out.gguf", "bf16")
        fields = gguf.GGUFReader(tmp_path / "out.gguf").fields
        if tokenizer.vocab_size < 300:
            assert fields["tokenizer.ggml.model"].contents() == "none"
            continue
        assert fields["tokenizer.ggml.model"].contents() == "gpt2"
        names = fields["tokenizer.ggml.tokens"].contents()
        ends = [fields[f"tokenizer.ggml.{x}_token_id"].contents() for x in ("bos", "eos")]
        assert [names[end] for end in ends] == ["<|endoftext|>", "<|end|>"]
        assert len(names) == 300 and names[299] == "<299>"
        assert names[tokenizer.encode("a")[0]] == "a"


def saved(config: ModelConfig, folder: Path) -> Path:
    model = HybridLM(config)
    initialize(model, seed=0)
    save_model(folder, config, model.state_dict(), dtype=torch.float32, tokenizer=None)
    return folder


def converted(config: ModelConfig, folder: Path, kind: GgufType) -> gguf.GGUFReader:
    out = folder / "x.gguf"
    convert_gguf(saved(config, folder / "model"), out, kind)
    return gguf.GGUFReader(out)


def tensors(reader: gguf.GGUFReader) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in reader.tensors}


def values(tensor: Any) -> np.ndarray:
    """As (rows, columns) and more, dequantised."""
    shape = tuple(int(size) for size in reversed(tensor.shape))
    return np.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type)).reshape(shape)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_tensor_has_a_name_that_the_architecture_knows(name: str, tmp_path: Path) -> None:
    reader = converted(CONFIGS[name], tmp_path, "bf16")
    arch = gguf.MODEL_ARCH.LLAMA if name == "llama" else gguf.MODEL_ARCH.GRANITE_HYBRID
    assert reader.get_field("general.architecture").contents() == gguf.MODEL_ARCH_NAMES[arch]
    patterns = {gguf.TENSOR_NAMES[kind] for kind in gguf.MODEL_TENSORS[arch]}
    known = {pattern.format(bid=block) for pattern in patterns for block in (0, 1)}
    found = {tensor.removesuffix(".weight").removesuffix(".bias") for tensor in tensors(reader)}
    assert found <= known and len(tensors(reader)) > 15


def test_the_hybrids_keys_are_its_config(tmp_path: Path) -> None:
    reader = converted(CONFIGS["experts"], tmp_path, "q8_0")
    expected = {
        "block_count": 2,
        "embedding_length": 32,
        "context_length": 64,
        "vocab_size": 48,
        "feed_forward_length": 32,
        "expert_count": 4,
        "expert_used_count": 2,
        "expert_shared_feed_forward_length": 64,
        "attention.head_count": 4,
        "attention.head_count_kv": [0, 2],
        "attention.key_length": 8,
        "attention.scale": 0.5,
        "rope.scaling.finetuned": False,
        "ssm.inner_size": 64,
        "ssm.state_size": 16,
        "ssm.group_count": 2,
        "ssm.time_step_rank": 4,
        "ssm.conv_kernel": 4,
        "embedding_scale": 12,
        "residual_scale": 0.25,
        "logit_scale": 3,
    }
    found = {key: reader.get_field(f"granitehybrid.{key}").contents() for key in expected}
    assert found == expected
    assert reader.get_field("tokenizer.ggml.model").contents() == "none"


@pytest.mark.parametrize("name", CONFIGS)
def test_bf16_holds_our_values(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    found = tensors(converted(config, tmp_path, "bf16"))
    ours = load_model(tmp_path / "model", make_runtime("cpu", "bfloat16")).state_dict()
    assert np.array_equal(values(found["token_embd.weight"]), ours["embed.weight"].numpy())
    down = ours["layers.3.mixer.experts.down" if config.moe else "layers.3.mixer.down.weight"]
    stored = found[f"blk.1.ffn_down{'_exps' if config.moe else ''}.weight"]
    assert stored.tensor_type == Type.BF16
    assert np.array_equal(values(stored), down.float().numpy())
    up = ours["layers.1.mixer.shared.up.weight" if config.moe else "layers.1.mixer.up.weight"]
    suffix = "_shexp" if config.moe else ""
    halves = [values(found[f"blk.0.ffn_{half}{suffix}.weight"]) for half in ("gate", "up")]
    assert np.array_equal(np.concatenate(halves), up.float().numpy())
    norms = [values(found[f"blk.1.{kind}_norm.weight"]) for kind in ("attn", "ffn")]
    expected = [ours[f"layers.{index}.norm.weight"].numpy() for index in (2, 3)]
    assert np.array_equal(norms, expected)


def test_the_scans_parameters_stay_float32(tmp_path: Path) -> None:
    found = tensors(converted(CONFIGS["dense hybrid"], tmp_path, "q4_0"))
    ours = load_model(tmp_path / "model", make_runtime("cpu", "bfloat16")).state_dict()
    mixer = "layers.0.mixer."
    for name, expected in {
        "ssm_a": -ours[mixer + "A_log"].exp()[:, None],
        "ssm_d": ours[mixer + "D"][:, None],
        "ssm_dt.bias": ours[mixer + "dt_bias"],
        "ssm_conv1d.weight": ours[mixer + "conv.weight"],
        "ssm_conv1d.bias": ours[mixer + "conv.bias"],
        "ssm_norm.weight": ours[mixer + "norm.weight"].view(2, 32),
    }.items():
        stored = found[f"blk.0.{name}"]
        assert stored.tensor_type == Type.F32
        np.testing.assert_allclose(values(stored), expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "matrix", "bound"), [("q8_0", Type.Q8_0, 0.005), ("q4_0", Type.Q4_0, 0.08)]
)
def test_quantised_matrices_are_near_ours(
    kind: GgufType, matrix: Type, bound: float, tmp_path: Path
) -> None:
    found = tensors(converted(CONFIGS["experts"], tmp_path, kind))
    ours = load_model(tmp_path / "model", make_runtime("cpu", "bfloat16")).state_dict()
    stored = found["blk.0.ffn_down_exps.weight"]
    expected = ours["layers.1.mixer.experts.down"].float().numpy()
    assert stored.tensor_type == matrix
    assert np.abs(values(stored) - expected).max() <= bound * np.abs(expected).max()
    assert found["blk.0.ffn_gate_inp.weight"].tensor_type == Type.F32
    # 32 columns are no block of q6_K.
    assert found["token_embd.weight"].tensor_type == Type.Q8_0


def test_wide_heads_of_q4_0_are_q6_k(tmp_path: Path) -> None:
    wide = ModelConfig(
        pattern="*-",
        vocab_size=48,
        hidden_dim=256,
        max_positions=64,
        attention=AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=64, rope=RopeConfig()),
        mlp=MlpConfig(inner_dim=64),
    )
    found = tensors(converted(wide, tmp_path, "q4_0"))["token_embd.weight"]
    ours = load_model(tmp_path / "model", make_runtime("cpu", "bfloat16")).embed.weight
    assert found.tensor_type == Type.Q6_K
    np.testing.assert_allclose(values(found), ours.numpy(), atol=0.02 * float(ours.abs().max()))


@pytest.mark.parametrize("scale", [0.0, 1e-7, 1.0, 1e3])
def test_q6_k_rounds_to_its_grid(scale: float) -> None:
    generator = np.random.default_rng(0)
    exact = generator.normal(size=(5000, 512)).astype(np.float32) * np.float32(scale)
    exact[3, :256] = 0
    packed = quantize_q6_k(exact)
    assert packed.shape == (5000, 420) and packed.dtype == np.uint8
    found = gguf.quants.dequantize(packed, Type.Q6_K)
    error, size = (np.abs(x).reshape(-1, 16, 16).max(2) for x in (found - exact, exact))
    # Of a group's largest: half a step of 1/32, or a whole one at the range's shorter end. Of the
    # block's: half a step of 1/128 of a scale, 32 times. And float16 has an end.
    bound = size / 32 * 1.01 + size.max(1, keepdims=True) / 250 + 32 * 128 * 2**-24
    assert (error <= bound).all()


def test_interleaved_rows_rotate_to_the_same_products() -> None:
    heads, dim, width, position = 2, 8, 16, 5.0
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(heads * dim, width, generator=generator) for _ in range(2))
    x, y = (torch.randn(width, generator=generator) for _ in range(2))
    angles = position * 10_000 ** (-torch.arange(0, dim, 2) / dim)
    turn = torch.polar(torch.ones(dim // 2), angles)

    def halves(rows: torch.Tensor) -> torch.Tensor:
        first, second = rows.view(heads, 2, dim // 2).unbind(1)
        turned = torch.complex(first, second) * turn
        return torch.cat([turned.real, turned.imag], -1)

    def neighbours(rows: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(rows.view(heads, dim // 2, 2).contiguous())
        return torch.view_as_real(pairs * turn).flatten(1)

    expected = (halves(q @ x) * (k @ y).view(heads, dim)).sum(-1)
    found = neighbours(interleave(q, heads) @ x) * (interleave(k, heads) @ y).view(heads, dim)
    torch.testing.assert_close(found.sum(-1), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pattern": "M-M-", "attention": None}, "it has no attention layer"),
        ({"mamba": MambaConfig(num_heads=2, head_dim=16)}, r"head_dim \(32\) is not twice"),
        (
            {"mamba": MambaConfig(num_heads=4, head_dim=16, dt_limit=(0.1, inf))},
            "it has a dt_limit",
        ),
        ({"pattern": "*-*-", "mamba": None}, "neither Mamba layers nor rotation"),
        ({"pattern": "*-*-", "mamba": None, "attention": ROTATED}, "but multipliers"),
        ({"mlp": MlpConfig(inner_dim=64, activation="relu2")}, "relu2"),
    ],
)
def test_what_llama_cpp_cannot_open_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = {"pattern": "M-*-", "mlp": MlpConfig(inner_dim=64), **COMMON, **HYBRID, **changes}
    out = tmp_path / "x.gguf"
    with pytest.raises(ConfigError, match=f"llama.cpp cannot open it: .*{message}"):
        convert_gguf(saved(ModelConfig(**data), tmp_path / "model"), out, "bf16")
    assert not out.exists()


def test_files_lie_beside_the_checkpoint() -> None:
    assert gguf_file(Path("/models/350m/"), "int4") == Path("/models/350m-q4_0.gguf")
