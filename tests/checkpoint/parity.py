"""Tiny random checkpoints that transformers itself writes, one or more of each family.

No two sizes of a config are equal where that would hide a mistake. Ids of ends are None, so that
nothing stops a generation.
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    BambaConfig,
    GraniteMoeHybridConfig,
    LlamaConfig,
    Mamba2Config,
    NemotronHConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3Config,
    Qwen3MoeConfig,
)

from checkpoint import tiny
from naga.model.lm import HybridLM
from naga.model.native import NativeModel
from naga.model.state import StatePool, place
from naga.runtime import Runtime

ENDS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
SIZES = {
    "vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 40, "max_position_embeddings": 128,
    "initializer_range": 0.1, **ENDS,
}  # fmt: skip
SCALED = {
    "rope_type": "llama3", "rope_theta": 300.0, "factor": 4.0, "low_freq_factor": 1.0,
    "high_freq_factor": 3.0, "original_max_position_embeddings": 100,
}  # fmt: skip
QWEN3 = SIZES | {"head_dim": 12, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
QWEN3_MOE = QWEN3 | {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 24}
MAMBA_KEYS = {
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 16, "mamba_n_groups": 2,
    "mamba_chunk_size": 16,
}  # fmt: skip
BAMBA = SIZES | MAMBA_KEYS | {"attn_layer_indices": [1]}
MAMBA2 = ENDS | {
    "vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 3, "num_heads": 8, "head_dim": 8,
    "state_size": 16, "n_groups": 2, "chunk_size": 16,
}  # fmt: skip
GRANITE = SIZES | MAMBA_KEYS | {
    "layer_types": ["mamba", "attention", "mamba"], "intermediate_size": 16,
    "shared_intermediate_size": 24, "embedding_multiplier": 12.0, "residual_multiplier": 0.22,
    "attention_multiplier": 0.0625, "logits_scaling": 3.0,
}  # fmt: skip
# Their clamp of dt in prefill, at a value that clamps nothing.
NEMOTRON = ENDS | {
    "vocab_size": 96, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "mamba_num_heads": 8, "mamba_head_dim": 8, "ssm_state_size": 16, "n_groups": 2,
    "chunk_size": 16, "intermediate_size": 40, "n_routed_experts": 6, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "moe_shared_expert_intermediate_size": 24,
    "routed_scaling_factor": 2.5, "time_step_min": 1e-12, "initializer_range": 0.1,
}  # fmt: skip
THEIRS: dict[str, PreTrainedConfig] = {
    "bamba": BambaConfig(**BAMBA),
    "bamba-scaled-tied": BambaConfig(**BAMBA, rope_parameters={**SCALED}, tie_word_embeddings=True),
    "bamba-no-attention": BambaConfig(**BAMBA | {"attn_layer_indices": []}),
    "bamba-limited": BambaConfig(**BAMBA, time_step_limit=(0.01, 0.2)),
    "mamba2": Mamba2Config(**MAMBA2),
    "mamba2-tied-one-group": Mamba2Config(**MAMBA2 | {"n_groups": 1}, tie_word_embeddings=True),
    "mamba2-limited": Mamba2Config(**MAMBA2, time_step_limit=(0.01, 0.2)),
    "mamba2-plain-residual": Mamba2Config(**MAMBA2, residual_in_fp32=False),
    "mamba2-codestral": Mamba2Config(**MAMBA2, norm_before_gate=True, rms_norm=True),
    "granitemoehybrid-moe-rope": GraniteMoeHybridConfig(
        **GRANITE, num_local_experts=5, position_embedding_type="rope", rope_parameters={**SCALED}
    ),
    "granitemoehybrid-dense-tied": GraniteMoeHybridConfig(
        **GRANITE, num_local_experts=0, position_embedding_type="nope", tie_word_embeddings=True
    ),
    "granitemoehybrid-no-mamba": GraniteMoeHybridConfig(
        **GRANITE | {"layer_types": ["attention"] * 3},
        num_local_experts=0,
        position_embedding_type="rope",
        rope_parameters={"rope_type": "default", "rope_theta": 700.0},
    ),
    "nemotron_h-dense": NemotronHConfig(**NEMOTRON, hybrid_override_pattern="M-M*-"),
    "nemotron_h-moe": NemotronHConfig(**NEMOTRON, hybrid_override_pattern="ME*-EM"),
    "nemotron_h-latent": NemotronHConfig(
        **NEMOTRON, layers_block_type=["mamba", "moe", "attention", "moe"], moe_latent_size=24
    ),
    "llama": LlamaConfig(**SIZES, head_dim=10),
    "llama-scaled-tied": LlamaConfig(**SIZES, rope_parameters={**SCALED}, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**QWEN3),
    "qwen3-tied": Qwen3Config(**QWEN3, tie_word_embeddings=True),
    "qwen3_moe-all": Qwen3MoeConfig(**QWEN3_MOE, norm_topk_prob=False),
    "qwen3_moe-chosen": Qwen3MoeConfig(**QWEN3_MOE, norm_topk_prob=True, mlp_only_layers=[1]),
    "qwen3_moe-every-second": Qwen3MoeConfig(**QWEN3_MOE, decoder_sparse_step=2),
}
# Their cache counts positions by an attention layer, and limits of dt hold in prefill alone.
UNCACHED = ("bamba-no-attention", "bamba-limited", "mamba2-limited")


def theirs_random(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_config(config).eval()
    tiny.randomize(iter(model.state_dict().items()), seed)
    return model


def saved_random(name: str, folder: Path, seed: int = 0) -> PreTrainedModel:
    """A random model, and its checkpoint in `folder`."""
    model = theirs_random(THEIRS[name], seed)
    model.save_pretrained(folder)
    return model


@torch.no_grad()
def prefill(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    """(T, V) by transformers, uncached."""
    return model(tokens[None], use_cache=False).logits[0]


def greedy(model: HybridLM | NativeModel, prompt: Tensor, count: int, runtime: Runtime) -> Tensor:
    """The prompt and `count` tokens after it, one by one from the state."""
    pool = StatePool.create(model.config, runtime, num_slots=1, num_pages=8, page_size=16)
    texts, new, start = [prompt], prompt, 0
    for _ in range(count):
        batch = place([len(new)], [start], [0], [range(8)], "cpu")
        logits = model.logits_rows(model.step(new, batch, pool)[-1:])
        start, new = start + len(new), logits.argmax(-1)
        texts.append(new)
    return torch.cat(texts)


def rows_of(model: HybridLM | NativeModel, tokens: Tensor, runtime: Runtime) -> Tensor:
    """(T, V) by the row form, in one piece."""
    pool = StatePool.create(model.config, runtime, num_slots=1, num_pages=8, page_size=16)
    batch = place([len(tokens)], [0], [0], [range(8)], "cpu")
    return model.logits_rows(model.step(tokens, batch, pool))
