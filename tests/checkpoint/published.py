"""config.json files as their makers publish them, and the totals they publish."""

from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Published:
    config: dict[str, Any]
    """Every key that is in the file."""
    total: float
    """Parameters."""
    within: float
    """As far as the published figure may be from the exact one: half of its last digit."""
    layers: tuple[int, int, int, int]
    """Of kinds M, *, -, E."""
    source: str


LLAMA = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "silu",
    "initializer_range": 0.02, "max_position_embeddings": 131072, "mlp_bias": False,
    "model_type": "llama", "num_attention_heads": 32, "num_key_value_heads": 8,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
    "torch_dtype": "bfloat16", "transformers_version": "4.45.0.dev0", "use_cache": True,
    "vocab_size": 128256,
}  # fmt: skip


def llama3(factor: float) -> dict[str, Any]:
    return {
        "factor": factor, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3",
    }  # fmt: skip


QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
    "initializer_range": 0.02, "max_position_embeddings": 40960, "model_type": "qwen3",
    "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000,
    "sliding_window": None, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
    "use_cache": True, "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
QWEN3_MOE = QWEN3 | {
    "architectures": ["Qwen3MoeForCausalLM"], "decoder_sparse_step": 1, "mlp_only_layers": [],
    "model_type": "qwen3_moe", "norm_topk_prob": True, "num_experts": 128,
    "num_experts_per_tok": 8, "num_key_value_heads": 4, "output_router_logits": False,
    "router_aux_loss_coef": 0.001, "tie_word_embeddings": False,
}  # fmt: skip

BAMBA = {
    "architectures": ["BambaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "attn_layer_indices": [9, 18, 27], "attn_rotary_emb": 64, "bos_token_id": 128000,
    "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
    "intermediate_size": 14336, "mamba_chunk_size": 256, "mamba_conv_bias": True,
    "mamba_d_conv": 4, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_expand": 2,
    "mamba_n_groups": 1, "mamba_n_heads": 128, "mamba_proj_bias": False,
    "max_position_embeddings": 262144, "mlp_bias": False, "model_type": "bamba",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "num_logits_to_keep": 1, "pad_token_id": 0, "rms_norm_eps": 1e-05, "rope_scaling": None,
    "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "transformers_version": "4.48.0", "use_cache": True, "vocab_size": 128256,
}  # fmt: skip
CODESTRAL = {
    "architectures": ["Mamba2ForCausalLM"], "bos_token_id": 0, "chunk_size": 256,
    "conv_kernel": 4, "eos_token_id": 0, "expand": 2, "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 4096, "initializer_range": 0.1, "intermediate_size": 8192,
    "layer_norm_epsilon": 1e-05, "model_type": "mamba2", "n_groups": 8, "norm_before_gate": True,
    "num_heads": 128, "num_hidden_layers": 64, "pad_token_id": 0,
    "rescale_prenorm_residual": False, "residual_in_fp32": True, "rms_norm": True,
    "state_size": 128, "tie_word_embeddings": False, "time_step_floor": 0.0001,
    "time_step_init_scheme": "random", "time_step_limit": [0.0, inf], "time_step_max": 0.1,
    "time_step_min": 0.001, "time_step_rank": 256, "time_step_scale": 1.0,
    "torch_dtype": "bfloat16", "transformers_version": "4.44.0.dev0", "use_bias": False,
    "use_cache": True, "use_conv_bias": True, "vocab_size": 32768,
}  # fmt: skip


def mamba2(layers: int, hidden: int, total: float, within: float) -> Published:
    """state-spaces' own sizes."""
    sizes = {
        "hidden_size": hidden, "intermediate_size": 2 * hidden, "n_groups": 1,
        "num_heads": hidden // 32, "num_hidden_layers": layers, "tie_word_embeddings": True,
        "vocab_size": 50288, "norm_before_gate": False, "time_step_rank": hidden // 16,
    }  # fmt: skip
    return Published(
        config=CODESTRAL | sizes,
        total=total,
        within=within,
        layers=(layers, 0, 0, 0),
        source="state-spaces/mamba README, by its name",
    )


GRANITE = {
    "architectures": ["GraniteMoeHybridForCausalLM"], "attention_bias": False,
    "attention_dropout": 0.0, "bos_token_id": 100257, "embedding_multiplier": 12,
    "eos_token_id": 100257, "hidden_act": "silu", "init_method": "mup", "initializer_range": 0.1,
    "logits_scaling": 6, "mamba_chunk_size": 256, "mamba_conv_bias": True, "mamba_d_conv": 4,
    "mamba_d_head": 64, "mamba_d_state": 128, "mamba_expand": 2, "mamba_n_groups": 1,
    "mamba_n_heads": 48, "mamba_proj_bias": False, "max_position_embeddings": 131072,
    "model_type": "granitemoehybrid", "normalization_function": "rmsnorm",
    "num_attention_heads": 12, "num_experts_per_tok": 0, "num_hidden_layers": 40,
    "num_key_value_heads": 4, "num_local_experts": 0, "output_router_logits": False,
    "pad_token_id": 100256, "position_embedding_type": "nope", "residual_multiplier": 0.22,
    "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 10000,
    "router_aux_loss_coef": 0.01, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    "transformers_version": "4.56.0", "use_cache": True, "vocab_size": 100352,
}  # fmt: skip
NEMOTRON = {
    "architectures": ["NemotronHForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "auto_map": {"AutoConfig": "configuration_nemotron_h.NemotronHConfig"}, "bos_token_id": 1,
    "chunk_size": 128, "conv_kernel": 4, "eos_token_id": 2, "expand": 2, "hidden_dropout": 0.0,
    "initializer_range": 0.02, "mamba_head_dim": 64, "mamba_hidden_act": "silu",
    "mamba_proj_bias": False, "max_position_embeddings": 8192, "mlp_bias": False,
    "mlp_hidden_act": "relu2", "model_type": "nemotron_h", "n_groups": 8,
    "num_key_value_heads": 8, "num_logits_to_keep": 1, "pad_token_id": 0,
    "rescale_prenorm_residual": True, "residual_in_fp32": False, "rms_norm_eps": 1e-05,
    "sliding_window": None, "tie_word_embeddings": False, "time_step_floor": 0.0001,
    "time_step_limit": [0.0, inf], "time_step_max": 0.1, "time_step_min": 0.001,
    "torch_dtype": "bfloat16", "use_bias": False, "use_cache": True, "use_conv_bias": True,
    "use_mamba_kernels": True, "vocab_size": 131072,
}  # fmt: skip
NEMOTRON_3 = NEMOTRON | {
    "head_dim": 128, "layer_norm_epsilon": 1e-05, "mamba_ssm_cache_dtype": "float32",
    "max_position_embeddings": 262144, "moe_shared_expert_overlap": False, "n_group": 1,
    "n_shared_experts": 1, "norm_eps": 1e-05, "norm_topk_prob": True, "num_key_value_heads": 2,
    "partial_rotary_factor": 1.0, "rope_theta": 10000, "ssm_state_size": 128, "topk_group": 1,
}  # fmt: skip
SUPER = "MEMEMEM*EMEMEMEM*EMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEM*EMEMEMEME"
ULTRA = (
    "MEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*"
    "EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
)


def kinds(attention: tuple[int, ...], count: int = 40) -> list[str]:
    return ["attention" if index in attention else "mamba" for index in range(count)]


PUBLISHED = {
    "granite-4.0-h-350m": Published(
        config=GRANITE | {
            "attention_multiplier": 0.015625, "hidden_size": 768, "intermediate_size": 2048,
            "layer_types": kinds((10, 13, 17, 27), 32), "logits_scaling": 3, "mamba_d_head": 32,
            "max_position_embeddings": 32768, "num_hidden_layers": 32,
            "residual_multiplier": 0.246, "shared_intermediate_size": 2048,
        },
        total=340e6, within=5e6, layers=(28, 4, 32, 0), source="model card: 340M",
    ),
    "granite-4.0-h-1b": Published(
        config=GRANITE | {
            "attention_multiplier": 0.0078125, "hidden_size": 1536, "intermediate_size": 4096,
            "layer_types": kinds((5, 15, 25, 35)), "shared_intermediate_size": 4096,
        },
        total=1.5e9, within=0.05e9, layers=(36, 4, 40, 0), source="model card: 1.5B",
    ),
    "granite-4.0-h-micro": Published(
        config=GRANITE | {
            "attention_multiplier": 0.015625, "hidden_size": 2048, "intermediate_size": 8192,
            "layer_types": kinds((5, 15, 25, 35)), "logits_scaling": 8, "mamba_n_heads": 64,
            "num_attention_heads": 32, "num_key_value_heads": 8, "shared_intermediate_size": 8192,
        },
        total=3e9, within=0.5e9, layers=(36, 4, 40, 0), source="model card: 3B",
    ),
    "granite-4.0-h-tiny": Published(
        config=GRANITE | {
            "attention_multiplier": 0.0078125, "hidden_size": 1536, "intermediate_size": 512,
            "layer_types": kinds((5, 15, 25, 35)), "num_experts_per_tok": 6,
            "num_local_experts": 64, "shared_intermediate_size": 1024,
        },
        total=7e9, within=0.5e9, layers=(36, 4, 0, 40), source="model card: 7B",
    ),
    "granite-4.0-h-small": Published(
        config=GRANITE | {
            "attention_multiplier": 0.0078125, "hidden_size": 4096, "intermediate_size": 768,
            "layer_types": kinds((5, 15, 25, 35)), "logits_scaling": 16, "mamba_n_heads": 128,
            "num_attention_heads": 32, "num_experts_per_tok": 10, "num_key_value_heads": 8,
            "num_local_experts": 72, "shared_intermediate_size": 1536,
        },
        total=32e9, within=0.5e9, layers=(36, 4, 0, 40), source="model card: 32B",
    ),
    "nemotron-h-8b": Published(
        config=NEMOTRON | {
            "attention_head_dim": 128, "hidden_size": 4096,
            "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
            "intermediate_size": 21504, "mamba_num_heads": 128, "num_attention_heads": 32,
            "num_hidden_layers": 52, "ssm_state_size": 128,
        },
        total=8.1e9, within=0.05e9, layers=(24, 4, 24, 0), source="arXiv 2504.03624: 8.1B",
    ),
    "nemotron-h-47b": Published(
        config=NEMOTRON | {
            "attention_head_dim": 128, "hidden_size": 8192, "intermediate_size": 30720,
            "hybrid_override_pattern": (
                "M-M-M-M-M-M-M-M-M*-M-M-M-M-M-M-M-M-M-M*-M-M-M-M-M*-"
                "M-M-M-M-M*-M-M-M-M-M-M-M---MM---M-M*-M-M-M-M-M-"
            ),
            "mamba_num_heads": 256, "num_attention_heads": 64, "num_hidden_layers": 98,
            "ssm_state_size": 256,
        },
        total=47e9, within=0.5e9, layers=(45, 5, 48, 0), source="arXiv 2504.03624: 47B",
    ),
    "nemotron-h-56b": Published(
        config=NEMOTRON | {
            "attention_head_dim": 128, "hidden_size": 8192, "intermediate_size": 32768,
            "hybrid_override_pattern": "M-M-M-M" + 10 * "*-M-M-M-M-M" + "-",
            "mamba_num_heads": 256, "num_attention_heads": 64, "num_hidden_layers": 118,
            "ssm_state_size": 256,
        },
        total=56e9, within=0.5e9, layers=(54, 10, 54, 0), source="arXiv 2504.03624: 56B",
    ),
    "nemotron-3-nano": Published(
        config=NEMOTRON_3 | {
            "hidden_size": 2688, "intermediate_size": 1856, "mamba_num_heads": 64,
            "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
            "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712,
            "n_routed_experts": 128, "num_attention_heads": 32, "num_experts_per_tok": 6,
            "num_hidden_layers": 52, "routed_scaling_factor": 2.5,
        },
        total=31.6e9, within=0.05e9, layers=(23, 6, 0, 23), source="technical report: 31.6B",
    ),
    "nemotron-3-super": Published(
        config=NEMOTRON_3 | {
            "hidden_size": 4096, "hybrid_override_pattern": SUPER, "intermediate_size": 5376,
            "mamba_num_heads": 128, "moe_intermediate_size": 2688, "moe_latent_size": 1024,
            "moe_shared_expert_intermediate_size": 5376, "mtp_hybrid_override_pattern": "*E",
            "n_routed_experts": 512, "num_attention_heads": 32, "num_experts_per_tok": 22,
            "num_hidden_layers": 88, "num_nextn_predict_layers": 1, "routed_scaling_factor": 5.0,
        },
        total=120.6e9, within=0.1e9, layers=(40, 8, 0, 40),
        source="technical report: 120.6B without the heads for multi-token prediction",
    ),
    "nemotron-3-ultra": Published(
        config=NEMOTRON_3 | {
            "hidden_size": 8192, "hybrid_override_pattern": ULTRA, "intermediate_size": 10240,
            "mamba_num_heads": 256, "moe_intermediate_size": 5120, "moe_latent_size": 2048,
            "moe_shared_expert_intermediate_size": 10240, "mtp_hybrid_override_pattern": "*E",
            "n_routed_experts": 512, "num_attention_heads": 64, "num_experts_per_tok": 22,
            "num_hidden_layers": 108, "num_nextn_predict_layers": 1,
            "routed_scaling_factor": 5.0,
        },
        total=550e9, within=5e9, layers=(48, 12, 0, 48), source="technical report: 550B",
    ),
    "bamba-9b": Published(
        config=BAMBA, total=9.8e9, within=0.05e9, layers=(29, 3, 32, 0),
        source="Bamba model card: 9.8B (9.78B)",
    ),
    "mamba-codestral-7b": Published(
        config=CODESTRAL, total=7_285_403_648, within=0, layers=(64, 0, 0, 0),
        source="model card: 7,285,403,648",
    ),
    "mamba2-130m": mamba2(24, 768, 130e6, 5e6),
    "mamba2-370m": mamba2(48, 1024, 370e6, 5e6),
    "mamba2-780m": mamba2(48, 1536, 780e6, 5e6),
    "mamba2-1.3b": mamba2(48, 2048, 1.3e9, 0.05e9),
    "mamba2-2.7b": mamba2(64, 2560, 2.7e9, 0.05e9),
    "llama-2-7b": Published(
        config={
            "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
            "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
            "intermediate_size": 11008, "max_position_embeddings": 4096, "model_type": "llama",
            "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
            "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
            "tie_word_embeddings": False, "torch_dtype": "float16", "use_cache": True,
            "transformers_version": "4.31.0.dev0", "vocab_size": 32000,
        },
        total=6.74e9, within=0.005e9, layers=(0, 32, 32, 0), source="model card: 6.74B",
    ),
    "llama-3.1-8b": Published(
        config=LLAMA | {
            "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
            "rope_scaling": llama3(8.0), "tie_word_embeddings": False,
        },
        total=8.03e9, within=0.005e9, layers=(0, 32, 32, 0), source="model card: 8.03B",
    ),
    "llama-3.2-1b": Published(
        config=LLAMA | {
            "head_dim": 64, "hidden_size": 2048, "intermediate_size": 8192,
            "num_hidden_layers": 16, "rope_scaling": llama3(32.0), "tie_word_embeddings": True,
        },
        total=1.24e9, within=0.006e9, layers=(0, 16, 16, 0), source="model card: 1.23B",
    ),
    "qwen3-0.6b": Published(
        config=QWEN3 | {
            "hidden_size": 1024, "intermediate_size": 3072, "max_window_layers": 28,
            "num_attention_heads": 16, "num_hidden_layers": 28, "tie_word_embeddings": True,
        },
        total=0.6e9, within=0.05e9, layers=(0, 28, 28, 0), source="model card: 0.6B",
    ),
    "qwen3-8b": Published(
        config=QWEN3 | {
            "hidden_size": 4096, "intermediate_size": 12288, "max_window_layers": 36,
            "num_attention_heads": 32, "num_hidden_layers": 36, "tie_word_embeddings": False,
        },
        total=8.2e9, within=0.05e9, layers=(0, 36, 36, 0), source="model card: 8.2B",
    ),
    "qwen3-30b-a3b": Published(
        config=QWEN3_MOE | {
            "hidden_size": 2048, "intermediate_size": 6144, "max_window_layers": 48,
            "moe_intermediate_size": 768, "num_attention_heads": 32, "num_hidden_layers": 48,
        },
        total=30.5e9, within=0.05e9, layers=(0, 48, 0, 48), source="model card: 30.5B",
    ),
    "qwen3-235b-a22b": Published(
        config=QWEN3_MOE | {
            "hidden_size": 4096, "intermediate_size": 12288, "max_window_layers": 94,
            "moe_intermediate_size": 1536, "num_attention_heads": 64, "num_hidden_layers": 94,
        },
        total=235e9, within=0.5e9, layers=(0, 94, 0, 94), source="model card: 235B",
    ),
}  # fmt: skip
