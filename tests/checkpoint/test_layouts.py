"""Config maps and name maps: what each layout says, refuses, and which spellings it reads."""

import json
import subprocess
import sys
from math import inf
from pathlib import Path
from typing import Any

import pytest

from checkpoint import tiny
from naga.checkpoint.config import LAYOUTS, choose_layout, layout_for, read_model_config
from naga.checkpoint.fields import read_json, to_json
from naga.checkpoint.load import memory_shapes, meta_model
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, MlpConfig, ModelConfig, RopeConfig

# Every key of a Granite 4.0-H and of a Nemotron-H / Nemotron 3 config.json, as the hub has them.
GRANITE: dict[str, Any] = {
    "architectures": ["GraniteMoeHybridForCausalLM"], "attention_bias": False,
    "attention_dropout": 0.0, "attention_multiplier": 0.0078125, "bos_token_id": 9,
    "embedding_multiplier": 12, "eos_token_id": 9, "hidden_act": "silu", "hidden_size": 32,
    "init_method": "mup", "initializer_range": 0.1, "intermediate_size": 12,
    "layer_types": ["mamba", "attention"], "logits_scaling": 6, "mamba_chunk_size": 256,
    "mamba_conv_bias": True, "mamba_d_conv": 4, "mamba_d_head": 8, "mamba_d_state": 16,
    "mamba_expand": 2, "mamba_n_groups": 1, "mamba_n_heads": 8, "mamba_proj_bias": False,
    "max_position_embeddings": 4096, "model_type": "granitemoehybrid",
    "normalization_function": "rmsnorm", "num_attention_heads": 4, "num_experts_per_tok": 2,
    "num_hidden_layers": 2, "num_key_value_heads": 2, "num_local_experts": 6,
    "output_router_logits": False, "pad_token_id": 8, "position_embedding_type": "nope",
    "residual_multiplier": 0.22, "rms_norm_eps": 1e-05, "rope_scaling": None,
    "rope_theta": 10000, "router_aux_loss_coef": 0.0001, "shared_intermediate_size": 20,
    "tie_word_embeddings": True, "torch_dtype": "bfloat16", "transformers_version": "4.56.0",
    "use_cache": True, "vocab_size": 96,
}  # fmt: skip
NEMOTRON: dict[str, Any] = {
    "architectures": ["NemotronHForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "auto_map": {"AutoConfig": "configuration_nemotron_h.NemotronHConfig"}, "bos_token_id": 1,
    "chunk_size": 128, "conv_kernel": 4, "eos_token_id": 2, "expand": 2, "head_dim": 16,
    "hidden_dropout": 0.0, "hidden_size": 32, "hybrid_override_pattern": "M*-E",
    "initializer_range": 0.02, "intermediate_size": 40, "layer_norm_epsilon": 1e-05,
    "mamba_head_dim": 8, "mamba_hidden_act": "silu", "mamba_num_heads": 8,
    "mamba_proj_bias": False, "mamba_ssm_cache_dtype": "float32", "max_position_embeddings": 512,
    "mlp_bias": False, "mlp_hidden_act": "relu2", "model_type": "nemotron_h",
    "moe_intermediate_size": 12, "moe_shared_expert_intermediate_size": 20, "n_group": 1,
    "n_groups": 2, "n_routed_experts": 6, "n_shared_experts": 1, "norm_eps": 1e-05,
    "norm_topk_prob": True, "num_attention_heads": 4, "num_experts_per_tok": 2,
    "num_hidden_layers": 4, "num_key_value_heads": 2, "num_logits_to_keep": 1,
    "pad_token_id": 0, "partial_rotary_factor": 1.0, "rescale_prenorm_residual": True,
    "residual_in_fp32": False, "rope_theta": 10000, "routed_scaling_factor": 2.5,
    "sliding_window": None, "ssm_state_size": 16, "tie_word_embeddings": False,
    "time_step_floor": 0.0001, "time_step_limit": [0.0, inf], "time_step_max": 0.1,
    "time_step_min": 0.001, "topk_group": 1, "torch_dtype": "bfloat16", "use_bias": False,
    "use_cache": True, "use_conv_bias": True, "use_mamba_kernels": True, "vocab_size": 96,
}  # fmt: skip
HUB = {"granitemoehybrid": GRANITE, "nemotron_h": NEMOTRON}


def read_back(folder: Path, data: dict[str, Any]) -> ModelConfig:
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    return read_model_config(folder)


@pytest.mark.parametrize("name", tiny.EVERY)
def test_the_chosen_layout_is_the_first_that_fits(name: str) -> None:
    assert choose_layout(tiny.EVERY[name]) == name.split("-")[0]


@pytest.mark.parametrize("name", tiny.EVERY)
def test_a_config_is_read_back_equal(name: str, tmp_path: Path) -> None:
    config = tiny.EVERY[name]
    (tmp_path / "config.json").write_text(to_json(layout_for(config, None).write(config)))
    assert read_model_config(tmp_path) == tiny.vary(
        config, pattern=read_model_config(tmp_path).pattern
    )
    assert read_model_config(tmp_path).layers == config.layers


@pytest.mark.parametrize("limits", [(0.0, inf), (0.001, inf), (0.0, 0.1)])
def test_time_step_limits_survive(limits: tuple[float, float], tmp_path: Path) -> None:
    mamba = MambaConfig(num_heads=8, head_dim=8, dt_limit=limits)
    config = tiny.vary(tiny.BASE, mamba=mamba)
    written = to_json(layout_for(config, "granitemoehybrid").write(config))
    (tmp_path / "config.json").write_text(written)
    json.loads(written, parse_constant=pytest.fail)
    assert read_model_config(tmp_path).mamba == mamba


def test_ntk_scaling_is_folded_into_theta(tmp_path: Path) -> None:
    rope = RopeConfig(theta=100.0, ntk_alpha=50.0)
    attention = AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=16, rope=rope)
    config = tiny.vary(tiny.GRANITE_DENSE, attention=attention)
    (tmp_path / "config.json").write_text(to_json(layout_for(config, None).write(config)))
    read = read_model_config(tmp_path).attention
    assert read is not None
    assert read.rope == RopeConfig(theta=100.0 * 50.0 ** (16 / 14))


@pytest.mark.parametrize("name", tiny.EVERY)
def test_the_name_table_has_every_tensor_once(name: str) -> None:
    config = tiny.EVERY[name]
    shapes = memory_shapes(meta_model(config))
    for layout in LAYOUTS:
        if next(layout.refusals(config), None) is None:
            weights = layout.weights(config)
            stored = [part.stored for w in weights for part in w.parts(shapes[w.name])]
            assert sorted(w.name for w in weights) == sorted(shapes)
            assert len(set(stored)) == len(stored)


REFUSED = [
    ("granitemoehybrid", tiny.NEMOTRON, {}, "layer 4: granitemoehybrid has no mix of - and E"),
    ("granitemoehybrid", tiny.BASE, {"pattern": "-M"}, "layer 0: granitemoehybrid has no - here"),
    ("granitemoehybrid", tiny.BASE, {"pattern": "M-M"}, "layer 2: granitemoehybrid has no last"),
    ("granitemoehybrid", tiny.NAGA, {"pattern": "*-M-", "moe": None}, "layer 0 (attention): "),
    (
        "granitemoehybrid",
        tiny.BASE,
        {"mamba": MambaConfig(num_heads=3, head_dim=16)},
        "layer 0 (Mamba-2): granitemoehybrid has no num_heads * head_dim (48)",
    ),
    (
        "granitemoehybrid",
        tiny.BASE,
        {"mlp": MlpConfig(inner_dim=8, activation="relu2")},
        "layer 1 (MLP): granitemoehybrid has no relu2",
    ),
    ("granitemoehybrid", tiny.GRANITE_MOE, {"moe": tiny.SIGMOID_MOE}, "has no relu2"),
    ("nemotron_h", tiny.NEMOTRON, {"tie_embeddings": True}, "nemotron_h has no tied embeddings"),
    ("nemotron_h", tiny.NEMOTRON, {"residual_multiplier": 0.2}, "no residual_multiplier (0.2)"),
    ("nemotron_h", tiny.NEMOTRON, {"embedding_multiplier": 2.0}, "no embedding_multiplier (2)"),
    ("nemotron_h", tiny.NEMOTRON, {"logits_divisor": 4.0}, "no logits_divisor (4)"),
    (
        "nemotron_h",
        tiny.NEMOTRON,
        {"mamba": MambaConfig(num_heads=8, head_dim=8, dt_limit=(0.0, 1.0))},
        "layer 0 (Mamba-2): nemotron_h has no dt_limit",
    ),
    (
        "nemotron_h",
        tiny.NEMOTRON,
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=16, scale=0.5)},
        "layer 1 (attention): nemotron_h has no scale (0.5)",
    ),
    (
        "nemotron_h",
        tiny.NEMOTRON,
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig())},
        "layer 1 (attention): nemotron_h has no rope",
    ),
    (
        "nemotron_h",
        tiny.NEMOTRON,
        {"mlp": tiny.BASE.mlp},
        "layer 2 (MLP): nemotron_h has no swiglu",
    ),
    (
        "nemotron_h",
        tiny.NEMOTRON,
        {"moe": tiny.NAGA.moe},
        "layer 4 (mixture of experts): nemotron_h has no swiglu",
    ),
    (
        "nemotron_h",
        tiny.NEMOTRON,
        {"moe": tiny.vary_moe(tiny.SIGMOID_MOE, shared_dim=None)},
        "nemotron_h has no experts without a shared one",
    ),
]


@pytest.mark.parametrize(("layout", "config", "changes", "message"), REFUSED)
def test_what_a_layout_cannot_say_is_named(
    layout: str, config: ModelConfig, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        layout_for(tiny.vary(config, **changes), layout)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(ConfigError, match=r"layout 'zamba2': unknown; use .*granitemoehybrid"):
        layout_for(tiny.BASE, "zamba2")


@pytest.mark.parametrize("name", HUB)
def test_every_key_of_the_hub_is_known(name: str, tmp_path: Path) -> None:
    config = read_back(tmp_path, HUB[name])
    assert config.layers == {"granitemoehybrid": "ME*E", "nemotron_h": "M*-E"}[name]


@pytest.mark.parametrize("name", HUB)
def test_both_spellings_of_layer_types_are_read(name: str, tmp_path: Path) -> None:
    spellings = [
        {"layer_types": ["mamba", "attention"], "layers_block_type": None},
        {"layer_types": ["linear_attention", "full_attention"], "layers_block_type": None},
        {"layer_types": None, "layers_block_type": ["mamba", "full_attention"]},
    ]
    data = HUB[name] | {"num_hidden_layers": 2, "hybrid_override_pattern": None}
    data.pop("hybrid_override_pattern")
    configs = [read_back(tmp_path, data | spelling) for spelling in spellings]
    assert configs[0] == configs[1] == configs[2]
    assert [letter for letter in configs[0].layers if letter in "M*"] == ["M", "*"]


def test_older_names_of_nemotron_are_read(tmp_path: Path) -> None:
    older = {key: value for key, value in NEMOTRON.items() if key not in ("head_dim", "norm_eps")}
    config = read_back(tmp_path, older | {"attention_head_dim": 24, "rms_norm_eps": 1e-05})
    assert config.attention is not None
    assert config.attention.head_dim == 24


def test_rope_is_read_old_and_new(tmp_path: Path) -> None:
    plain = {key: value for key, value in GRANITE.items() if key != "rope_theta"}
    plain["position_embedding_type"] = "rope"
    nested = {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
    old = read_back(tmp_path, plain | {"rope_theta": 500})
    assert read_back(tmp_path, plain | nested) == old
    assert old.attention is not None
    assert old.attention.rope == RopeConfig(theta=500.0)


MISREAD = [
    ("granitemoehybrid", {"attention_bias": True}, "attention_bias = true is not supported"),
    ("granitemoehybrid", {"mamba_proj_bias": True}, "mamba_proj_bias = true is not supported"),
    ("granitemoehybrid", {"mamba_conv_bias": False}, "mamba_conv_bias = false is not supported"),
    ("granitemoehybrid", {"hidden_act": "gelu"}, 'hidden_act = "gelu" is not supported'),
    ("granitemoehybrid", {"position_embedding_type": "alibi"}, "'alibi' is not supported"),
    (
        "granitemoehybrid",
        {"position_embedding_type": "rope", "rope_parameters": {"rope_type": "yarn"}},
        "rope_type = 'yarn' is not supported; only default and llama3 are",
    ),
    (
        "granitemoehybrid",
        {"position_embedding_type": "rope", "rope_parameters": {"rope_theta": 7.0}},
        "contradictory: rope_parameters.rope_theta and rope_theta differ (7.0, 10000)",
    ),
    ("granitemoehybrid", {"num_hidden_layers": 3}, "num_hidden_layers is 3, layer_types has 2"),
    ("granitemoehybrid", {"layer_types": ["mamba", "moe"]}, "layer 1 is 'moe'"),
    ("granitemoehybrid", {"num_hidden_layers": 2**60}, "num_hidden_layers must be from 1 to"),
    ("granitemoehybrid", {"mamba_n_heads": 5}, "mamba_expand * hidden_size is 64, mamba_n_heads 5"),
    (
        "granitemoehybrid",
        {"num_attention_heads": 64},
        "attention.head_dim: Input should be greater",
    ),
    ("granitemoehybrid", {"mamba_d_head": 16}, "mamba_d_head = 16 is not supported"),
    ("granitemoehybrid", {"quantization_config": {"bits": 4}}, "unknown: quantization_config"),
    (
        "granitemoehybrid",
        {"hidden_size": "32"},
        "hidden_size must be a whole number of 64 bits, not '32'",
    ),
    ("granitemoehybrid", {"hidden_size": None}, "missing key 'hidden_size'"),
    ("granitemoehybrid", {"num_key_value_heads": 3}, "must be a multiple of num_kv_heads"),
    ("granitemoehybrid", {"tie_word_embeddings": 1}, "tie_word_embeddings must be true or false"),
    ("granitemoehybrid", {"rms_norm_eps": "tiny"}, "rms_norm_eps must be a number"),
    ("granitemoehybrid", {"time_step_limit": 3}, "time_step_limit must be two numbers"),
    ("granitemoehybrid", {"layer_types": "mamba"}, "layer_types must be a list of strings"),
    ("nemotron_h", {"moe_latent_size": -1}, "moe_latent_size must be a positive number, not -1"),
    ("nemotron_h", {"tie_word_embeddings": True}, "tie_word_embeddings = true is not"),
    ("nemotron_h", {"mlp_hidden_act": "silu"}, 'mlp_hidden_act = "silu" is not supported'),
    ("nemotron_h", {"n_group": 2}, "n_group = 2 is not supported; only 1 is"),
    ("nemotron_h", {"norm_topk_prob": False}, "norm_topk_prob = false is not supported"),
    ("nemotron_h", {"sliding_window": 128}, "sliding_window = 128 is not supported"),
    ("nemotron_h", {"norm_eps": 1e-6}, "norm_eps and layer_norm_epsilon differ"),
    ("nemotron_h", {"num_hidden_layers": 5}, "num_hidden_layers is 5, the pattern has 4"),
    ("nemotron_h", {"layers_block_type": ["mamba"]}, "contradictory: hybrid_override_pattern"),
    ("nemotron_h", {"hybrid_override_pattern": None}, "missing key 'hybrid_override_pattern'"),
    ("nemotron_h", {"hybrid_override_pattern": "M*Z-"}, "pattern letter 2 is 'Z'"),
    ("nemotron_h", {"moe_jitter": 0.1}, "unknown: moe_jitter"),
    ("nemotron_h", {"model_type": "zamba"}, "model_type is 'zamba', code of its own repository"),
]


@pytest.mark.parametrize(("name", "changes", "message"), MISREAD)
def test_a_config_we_would_misread_is_one_line(
    name: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_back(tmp_path, HUB[name] | changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "config.json"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", HUB)
def test_any_value_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    for key in HUB[name]:
        for value in (0, -1, 3, 10**400, 1.5, -inf, "x", "", [], [0, "x"], {}, {"a": None}, True):
            try:
                config = read_back(tmp_path, HUB[name] | {key: value})
            except ConfigError as error:
                assert "\n" not in str(error)
            else:
                assert config.layers


def test_values_of_absent_layers_do_not_matter(tmp_path: Path) -> None:
    dense = GRANITE | {"num_local_experts": 0, "num_experts_per_tok": 0}
    only_mamba = dense | {"layer_types": ["mamba", "mamba"], "num_key_value_heads": 3}
    config = read_back(tmp_path, only_mamba)
    assert config.layers == "M-M-"
    assert config.attention is None and config.moe is None


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', "\xff"])
def test_a_file_that_is_no_config_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        read_model_config(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "config.json"))
    assert "\n" not in str(caught.value)


def test_a_path_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, message in [
        (tmp_path / "absent", "no such folder; give a checkpoint folder"),
        (tmp_path / "file", "is a file; give a checkpoint folder"),
        (tmp_path, "config.json: no such file"),
    ]:
        with pytest.raises(ConfigError, match=message):
            read_model_config(path)


def test_infinity_is_read_in_both_spellings(tmp_path: Path) -> None:
    for text in ('{"x": [0.0, Infinity]}', '{"x": [0.0, {"__float__": "Infinity"}]}'):
        (tmp_path / "x.json").write_text(text)
        assert read_json(tmp_path / "x.json") == {"x": [0.0, inf]}


def test_reading_a_config_imports_no_torch() -> None:
    code = "import sys, naga.checkpoint.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
