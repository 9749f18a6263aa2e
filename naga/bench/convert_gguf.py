"""A checkpoint -> the GGUF file that llama.cpp opens, to measure it on the same weights.

Two of llama.cpp's architectures: granitehybrid, and llama for attention with rotation alone. Types
as llama.cpp's own tools give them: f32; bf16; q8_0; q4_0 with a tied embedding, or a head, in q6_K.
Norms, routers, convolutions and the scan's parameters stay float32. The file has the tokenizer of
`naga bench make-model`; with another one's checkpoint it has none and takes token ids only. Tensor
by tensor, rounded to bfloat16 first, as naga computes with them.

V vocabulary, D hidden_dim, I inner dim, E experts, H heads, G groups, C channels, W taps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naga.bench.q6_k import quantize_q6_k
from naga.checkpoint.granitemoehybrid import LAYOUT
from naga.checkpoint.layout import Shape
from naga.checkpoint.load import StoredModel
from naga.config.base import ConfigError
from naga.config.model import ModelConfig
from naga.data.tokenizer import END, END_OF_TEXT, Tokenizer
from naga.model.lm import value_dtype

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFWriter

GgufType = Literal["f32", "bf16", "q8_0", "q4_0"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One tensor of the file, of one of ours."""

    name: str
    take: Callable[[Tensor], Tensor] = lambda tensor: tensor


def convert_gguf(
    model: Path, out: Path, kind: GgufType, written: Callable[[], None] = lambda: None
) -> None:
    """Write `out`; `written` is called after each tensor of the checkpoint, for a progress bar.

    ConfigError for a model that llama.cpp has no architecture for, and without the gguf package.
    """
    if find_spec("gguf") is None:
        raise ConfigError(
            "gguf is not installed, and writes the file: pip install 'naga-lm[bench]'"
        )
    stored = StoredModel(model)
    config = stored.config
    problem = next(refusals(config), None)
    if problem is not None:
        raise ConfigError(f"{model}: llama.cpp cannot open it: {problem}")
    partial = out.with_name(f".{out.name}.partial")
    writer = _open_writer(partial, config, kind)
    _add_tokenizer(writer, model, config.vocab_size)
    for name, shape in stored.shapes.items():
        for target in targets(name, config):
            _announce(writer, target, shape, _type_of(name, config, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name in stored.shapes:
        tensor = stored.read(name).to(value_dtype(name, torch.bfloat16))
        for target in targets(name, config):
            writer.write_tensor_data(encode(target.take(tensor), _type_of(name, config, kind)))
        written()
    writer.close()
    partial.replace(out)


def refusals(config: ModelConfig) -> Iterator[str]:
    """What of a config llama.cpp's two architectures cannot say."""
    yield from LAYOUT.refusals(config)
    mamba, attention = config.mamba, config.attention
    if attention is None:
        yield "it has no attention layer"
        return
    if attention.rope is not None and attention.rope.ntk_alpha != 1:
        yield f"ntk_alpha is {attention.rope.ntk_alpha:g}"
    if attention.rope is not None and attention.rope.llama3 is not None:
        yield "its rope has llama3 scaling"
    if mamba is not None:
        if mamba.inner_dim != 2 * config.hidden_dim:
            yield f"Mamba's num_heads * head_dim ({mamba.inner_dim}) is not twice hidden_dim"
        if mamba.dt_limit != (0.0, inf):
            yield "it has a dt_limit"
        return
    if config.moe is not None:
        yield "it has experts but no Mamba layer"
    if attention.rope is None:
        yield "it has neither Mamba layers nor rotation"
    if attention.softmax_scale != attention.head_dim**-0.5 or _multipliers(config) != (1, 1, 1):
        yield "it has no Mamba layer, but multipliers"


def _multipliers(config: ModelConfig) -> tuple[float, float, float]:
    return config.embedding_multiplier, config.residual_multiplier, config.logits_divisor


def _open_writer(file: Path, config: ModelConfig, kind: GgufType) -> "GGUFWriter":
    """With everything but tensors."""
    from gguf import GGUFWriter, LlamaFileType

    types = {
        "f32": LlamaFileType.ALL_F32,
        "bf16": LlamaFileType.MOSTLY_BF16,
        "q8_0": LlamaFileType.MOSTLY_Q8_0,
        "q4_0": LlamaFileType.MOSTLY_Q4_0,
    }
    writer = GGUFWriter(file, "llama" if config.mamba is None else "granitehybrid")
    writer.add_file_type(types[kind])
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_positions)
    writer.add_embedding_length(config.hidden_dim)
    writer.add_block_count(len(config.layers) // 2)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    _add_attention(writer, config)
    _add_feed_forward(writer, config)
    if config.mamba is not None:
        _add_mamba(writer, config)
    return writer


def _add_tokenizer(writer: "GGUFWriter", model: Path, vocab_size: int) -> None:
    from gguf import TokenType

    file = model / "tokenizer.json"
    tokenizer = Tokenizer.load(model) if file.is_file() else None
    if tokenizer is None or tokenizer.merges or tokenizer.vocab_size != vocab_size:
        # llama.cpp cuts text by rules of its own before it merges.
        writer.add_tokenizer_model("none")
        return
    control = [tokenizer.control_name(index) is not None for index in range(vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([tokenizer.name(index) for index in range(vocab_size)])
    writer.add_token_types([TokenType.CONTROL if is_ else TokenType.NORMAL for is_ in control])
    # It wants one; no token is made of these two.
    writer.add_token_merges(["< <"])
    writer.add_eos_token_id(tokenizer.control_id(END))
    # Else it takes token 11.
    writer.add_bos_token_id(tokenizer.control_id(END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.template or "")


def _add_attention(writer: "GGUFWriter", config: ModelConfig) -> None:
    attention = config.attention
    assert attention is not None
    mixers = config.layers[::2]
    writer.add_head_count(attention.num_heads)
    # A block without key heads is a Mamba block.
    writer.add_head_count_kv([attention.num_kv_heads * (letter == "*") for letter in mixers])
    writer.add_key_length(attention.head_dim)
    writer.add_value_length(attention.head_dim)
    writer.add_rope_dimension_count(attention.head_dim)
    if attention.rope is not None:
        writer.add_rope_freq_base(attention.rope.theta)
    if config.mamba is not None:
        # Granite's switch for rotation.
        writer.add_rope_scaling_finetuned(attention.rope is not None)
        writer.add_attention_scale(attention.softmax_scale)


def _add_feed_forward(writer: "GGUFWriter", config: ModelConfig) -> None:
    if config.mlp is not None:
        writer.add_feed_forward_length(config.mlp.inner_dim)
        return
    assert config.moe is not None and config.moe.shared_dim is not None
    writer.add_feed_forward_length(config.moe.expert_dim)
    writer.add_expert_count(config.moe.num_experts)
    writer.add_expert_used_count(config.moe.top_k)
    writer.add_expert_shared_feed_forward_length(config.moe.shared_dim)


def _add_mamba(writer: "GGUFWriter", config: ModelConfig) -> None:
    mamba = config.mamba
    assert mamba is not None
    writer.add_ssm_conv_kernel(mamba.conv_width)
    writer.add_ssm_inner_size(mamba.inner_dim)
    writer.add_ssm_state_size(mamba.state_dim)
    writer.add_ssm_group_count(mamba.num_groups)
    writer.add_ssm_time_step_rank(mamba.num_heads)
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_divisor)


TOP = {"embed.weight": "token_embd", "norm.weight": "output_norm", "head.weight": "output"}
MIXERS = {
    "mixer.in_proj.weight": "ssm_in.weight",
    "mixer.conv.weight": "ssm_conv1d.weight",
    "mixer.conv.bias": "ssm_conv1d.bias",
    "mixer.dt_bias": "ssm_dt.bias",
    "mixer.out_proj.weight": "ssm_out.weight",
    "mixer.v_proj.weight": "attn_v.weight",
    "mixer.o_proj.weight": "attn_output.weight",
    "mixer.down.weight": "ffn_down.weight",
    "mixer.router.weight": "ffn_gate_inp.weight",
    "mixer.experts.down": "ffn_down_exps.weight",
    "mixer.shared.down.weight": "ffn_down_shexp.weight",
}
# (.., 2I, D): gate, then up.
GATED = {
    "mixer.up.weight": ("ffn_gate.weight", "ffn_up.weight"),
    "mixer.experts.up": ("ffn_gate_exps.weight", "ffn_up_exps.weight"),
    "mixer.shared.up.weight": ("ffn_gate_shexp.weight", "ffn_up_shexp.weight"),
}


def targets(name: str, config: ModelConfig) -> tuple[Target, ...]:
    """What a tensor of ours is in the file."""
    if name in TOP:
        return (Target(name=f"{TOP[name]}.weight"),)
    _, index, rest = name.split(".", 2)
    block = f"blk.{int(index) // 2}."
    if rest == "norm.weight":
        kind = "ffn_norm" if int(index) % 2 else "attn_norm"
        return (Target(name=f"{block}{kind}.weight"),)
    if rest in GATED:
        gate, up = GATED[rest]
        return (
            Target(name=block + gate, take=lambda x: x.chunk(2, dim=-2)[0]),
            Target(name=block + up, take=lambda x: x.chunk(2, dim=-2)[1]),
        )
    return (_mixer_target(rest, block, config),)


def _mixer_target(rest: str, block: str, config: ModelConfig) -> Target:
    if mamba := config.mamba:
        if rest == "mixer.A_log":
            return Target(name=f"{block}ssm_a", take=lambda x: -x.exp().unsqueeze(1))
        if rest == "mixer.D":
            return Target(name=f"{block}ssm_d", take=lambda x: x.unsqueeze(1))
        if rest == "mixer.norm.weight":
            groups = mamba.num_groups
            return Target(name=f"{block}ssm_norm.weight", take=lambda x: x.view(groups, -1))
    if rest in ("mixer.q_proj.weight", "mixer.k_proj.weight"):
        attention = config.attention
        assert attention is not None
        query = rest == "mixer.q_proj.weight"
        heads = attention.num_heads if query else attention.num_kv_heads
        rotated = attention.rope is not None
        return Target(
            name=f"{block}attn_{'q' if query else 'k'}.weight",
            take=lambda x: interleave(x, heads) if rotated else x,
        )
    return Target(name=block + MIXERS[rest])


def interleave(weight: Tensor, heads: int) -> Tensor:
    """Rows (H, 2, d/2) -> (H, d/2, 2): llama.cpp rotates neighbours, naga the two halves."""
    halves = weight.view(heads, 2, -1, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)


def _announce(
    writer: "GGUFWriter", target: Target, shape: Shape, kind: "GGMLQuantizationType"
) -> None:
    from gguf import quant_shape_to_byte_shape

    final = tuple(target.take(torch.empty(shape, device="meta")).shape)
    stored = quant_shape_to_byte_shape(final, kind)
    writer.add_tensor_info(
        target.name, stored, np.dtype(np.uint8), int(np.prod(stored)), raw_dtype=kind
    )


def _type_of(name: str, config: ModelConfig, kind: GgufType) -> "GGMLQuantizationType":
    from gguf import GGMLQuantizationType as Type

    if value_dtype(name, torch.bfloat16) == torch.float32:
        return Type.F32
    head = name == ("embed.weight" if config.tie_embeddings else "head.weight")
    if kind == "q4_0" and head:
        return Type.Q6_K if config.hidden_dim % 256 == 0 else Type.Q8_0
    named = {"f32": Type.F32, "bf16": Type.BF16, "q8_0": Type.Q8_0, "q4_0": Type.Q4_0}
    return named[kind]


def encode(tensor: Tensor, kind: "GGMLQuantizationType") -> NDArray[np.generic]:
    from gguf import GGMLQuantizationType as Type
    from gguf import quants

    if kind == Type.BF16:
        return tensor.to(torch.bfloat16).contiguous().view(torch.uint8).numpy()
    values = tensor.float().contiguous().numpy()
    if kind == Type.Q6_K:
        return quantize_q6_k(values)
    encoded: NDArray[np.generic] = quants.quantize(values, kind)
    return encoded
