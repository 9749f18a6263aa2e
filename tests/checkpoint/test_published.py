"""config.json files that makers publish: every key is known, and the sizes are those published."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from checkpoint import tiny
from checkpoint.published import PUBLISHED, Published
from naga.checkpoint.config import choose_layout, layout_for, read_model_config
from naga.checkpoint.load import memory_shapes, meta_model
from naga.config.base import ConfigError
from naga.config.model import MlpConfig, ModelConfig, RopeConfig
from naga.model.account import account

every = pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED.keys())


def read_back(folder: Path, data: dict[str, Any]) -> ModelConfig:
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    return read_model_config(folder)


def num_parameters(config: ModelConfig) -> int:
    return sum(torch.Size(shape).numel() for shape in memory_shapes(meta_model(config)).values())


@every
def test_the_total_is_the_published_one(published: Published, tmp_path: Path) -> None:
    config = read_back(tmp_path, published.config)
    assert tuple(config.count(letter) for letter in "M*-E") == published.layers
    found = num_parameters(config)
    assert found == account(config).parameters
    assert abs(found - published.total) <= published.within, found


@every
def test_transformers_counts_the_same(published: Published, tmp_path: Path) -> None:
    config = read_back(tmp_path, published.config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**published.config))
    buffers = sum(tensor.numel() for key, tensor in model.named_buffers() if key.endswith("bias"))
    assert sum(t.numel() for t in model.parameters()) + buffers == num_parameters(config)


@every
def test_what_is_written_is_read_back_equal(published: Published, tmp_path: Path) -> None:
    config = read_back(tmp_path, published.config)
    layout = layout_for(config, published.config["model_type"])
    assert read_back(tmp_path, layout.write(config)) == config


@every
def test_any_value_is_read_or_refused_in_one_line(published: Published, tmp_path: Path) -> None:
    data = shrunk(published.config)
    for key in data:
        for value in (0, -1, 3, 2**60, 10**400, 1.5, "x", "", [], [0, "x"], {}, {"a": None}, True):
            try:
                config = read_back(tmp_path, data | {key: value})
            except ConfigError as error:
                assert "\n" not in str(error)
            else:
                assert config.layers


def shrunk(config: dict[str, Any]) -> dict[str, Any]:
    """Of few layers: reading is then quick."""
    few = {
        "num_hidden_layers": 2, "layer_types": ["mamba", "attention"],
        "hybrid_override_pattern": "M*",
    }  # fmt: skip
    return config | {key: value for key, value in few.items() if key in config}


REFUSED = [
    ("llama-2-7b", {"attention_bias": True}, "attention_bias = true is not supported"),
    ("llama-2-7b", {"mlp_bias": True}, "mlp_bias = true is not supported"),
    ("llama-2-7b", {"hidden_act": "gelu"}, 'hidden_act = "gelu" is not supported'),
    ("llama-2-7b", {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5 is not supported"),
    (
        "llama-2-7b",
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        "rope_type = 'linear' is not supported; only default and llama3 are",
    ),
    (
        "llama-3.1-8b",
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "high_freq_factor": 4.0}},
        "missing key 'low_freq_factor'",
    ),
    (
        "qwen3-8b",
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
        "rope_type = 'yarn' is not supported",
    ),
    ("qwen3-8b", {"use_sliding_window": True}, "use_sliding_window = true is not supported"),
    ("qwen3-8b", {"attention_bias": True}, "attention_bias = true is not supported"),
    (
        "qwen3-8b",
        {"layer_types": ["full_attention"] * 35 + ["sliding_attention"]},
        "layer 35 is 'sliding_attention'; only full_attention is supported",
    ),
    ("qwen3-8b", {"layer_types": ["full_attention"]}, "num_hidden_layers is 36, layer_types has 1"),
    ("qwen3-30b-a3b", {"decoder_sparse_step": 0}, "decoder_sparse_step must be at least 1, not 0"),
    ("qwen3-30b-a3b", {"mlp_only_layers": [48]}, "mlp_only_layers: there is no layer 48 among 48"),
    ("qwen3-30b-a3b", {"mlp_only_layers": [1.5]}, "mlp_only_layers must be a list of whole"),
    ("qwen3-30b-a3b", {"num_local_experts": 64}, "num_local_experts and num_experts differ"),
    ("qwen3-30b-a3b", {"moe_jitter": 0.1}, "unknown: moe_jitter"),
    ("nemotron-h-8b", {"n_groups": 4, "mamba_n_groups": 8}, "mamba_n_groups and n_groups differ"),
    ("nemotron-3-super", {"moe_latent_size": "x"}, "moe_latent_size must be a whole number"),
    ("bamba-9b", {"partial_rotary_factor": 1.0}, "partial_rotary_factor = 1.0 is not supported"),
    ("bamba-9b", {"attn_rotary_emb": 128}, "attn_rotary_emb = 128 is not supported; only 64 is"),
    ("bamba-9b", {"attn_layer_indices": [32]}, "attn_layer_indices: there is no layer 32 among 32"),
    ("bamba-9b", {"num_attention_heads": 31}, "hidden_size is 4096, num_attention_heads 31"),
    ("bamba-9b", {"mamba_conv_bias": False}, "mamba_conv_bias = false is not supported"),
    ("bamba-9b", {"mamba_proj_bias": True}, "mamba_proj_bias = true is not supported"),
    ("bamba-9b", {"mlp_bias": True}, "mlp_bias = true is not supported"),
    ("bamba-9b", {"mamba_d_head": 32}, "mamba_d_head = 32 is not supported"),
    ("mamba-codestral-7b", {"use_bias": True}, "use_bias = true is not supported"),
    ("mamba-codestral-7b", {"use_conv_bias": False}, "use_conv_bias = false is not supported"),
    ("mamba-codestral-7b", {"rms_norm": False}, "rms_norm = false is not supported"),
    ("mamba-codestral-7b", {"expand": 3}, "expand * hidden_size is 12288, num_heads * head_dim"),
    ("mamba-codestral-7b", {"intermediate_size": 9}, "intermediate_size = 9 is not supported"),
    ("mamba-codestral-7b", {"residual_in_fp32": 1}, "residual_in_fp32 must be true or false"),
]


@pytest.mark.parametrize(("name", "changes", "message"), REFUSED)
def test_what_would_be_misread_is_refused(
    name: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_back(tmp_path, PUBLISHED[name].config | changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "config.json"))
    assert "\n" not in str(caught.value)


def test_layers_of_qwen3_moe_with_and_without_experts(tmp_path: Path) -> None:
    data = PUBLISHED["qwen3-30b-a3b"].config | {"num_hidden_layers": 6}
    for changes, layers in (
        ({}, "*E*E*E*E*E*E"),
        ({"decoder_sparse_step": 2}, "*-*E*-*E*-*E"),
        ({"decoder_sparse_step": 3, "mlp_only_layers": [2, 4]}, "*-*-*-*-*-*E"),
        ({"mlp_only_layers": [0, 5]}, "*-*E*E*E*E*-"),
        ({"num_experts": 0}, "*-*-*-*-*-*-"),
    ):
        assert read_back(tmp_path, data | changes).layers == layers


def test_patterns_of_nemotron_as_a_string_and_as_a_list(tmp_path: Path) -> None:
    for name in ("nemotron-h-47b", "nemotron-3-super"):
        data = PUBLISHED[name].config
        words = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
        listed = [words[letter] for letter in data["hybrid_override_pattern"]]
        other = {key: value for key, value in data.items() if key != "hybrid_override_pattern"}
        found = read_back(tmp_path, other | {"layers_block_type": listed})
        assert found == read_back(tmp_path, data)


def test_other_names_of_nemotrons_keys_are_read(tmp_path: Path) -> None:
    data = PUBLISHED["nemotron-h-8b"].config
    names = {
        "n_groups": "mamba_n_groups", "conv_kernel": "mamba_d_conv", "expand": "mamba_expand",
        "chunk_size": "mamba_chunk_size", "use_conv_bias": "mamba_conv_bias",
        "time_step_min": "mamba_dt_min", "time_step_max": "mamba_dt_max",
        "time_step_limit": "mamba_dt_limit", "time_step_floor": "mamba_dt_init_floor",
    }  # fmt: skip
    other = {names.get(key, key): value for key, value in data.items()}
    assert read_back(tmp_path, other) == read_back(tmp_path, data)


def test_rope_is_read_old_and_new(tmp_path: Path) -> None:
    old = PUBLISHED["llama-3.1-8b"].config
    kept = {key: value for key, value in old.items() if key not in ("rope_theta", "rope_scaling")}
    new = kept | {"rope_parameters": {**old["rope_scaling"], "rope_theta": old["rope_theta"]}}
    assert read_back(tmp_path, new) == read_back(tmp_path, old)
    scaling = {key: value for key, value in old["rope_scaling"].items() if key != "rope_type"}
    older = old | {"rope_scaling": {**scaling, "type": "llama3"}}
    assert read_back(tmp_path, older) == read_back(tmp_path, old)


@every
def test_the_chosen_layout_is_the_one_it_came_in(published: Published, tmp_path: Path) -> None:
    config = read_back(tmp_path, published.config)
    assert choose_layout(config) == published.config["model_type"]


UNSAYABLE = [
    ("llama", tiny.BASE, {}, "layer 0: llama has no M here; layers are pairs of *, -"),
    ("llama", tiny.LLAMA, {"pattern": "*-*"}, "layer 2: llama has no last layer without a -"),
    ("llama", tiny.QWEN3, {}, "layer 0 (attention): llama has no qk_norm = True"),
    ("llama", tiny.LLAMA, {"attention": tiny.ATTENTION}, "llama has no attention without rope"),
    ("llama", tiny.LLAMA, {"logits_divisor": 3.0}, "llama has no logits_divisor = 3"),
    ("llama", tiny.LLAMA, {"embedding_multiplier": 2.0}, "llama has no embedding_multiplier = 2"),
    ("llama", tiny.LLAMA, {"residual_multiplier": 0.5}, "llama has no residual_multiplier = 0.5"),
    (
        "llama",
        tiny.LLAMA,
        {"mlp": MlpConfig(inner_dim=8, activation="relu2")},
        "layer 1 (MLP): llama has no activation = relu2",
    ),
    ("llama", tiny.QWEN3_MOE, {}, "layer 3: llama has no E here"),
    ("qwen3", tiny.LLAMA, {}, "layer 0 (attention): qwen3 has no attention without qk_norm"),
    ("qwen3", tiny.QWEN3_MOE, {}, "layer 3: qwen3 has no E here; layers are pairs of *, -"),
    ("qwen3_moe", tiny.QWEN3, {}, "qwen3_moe has no model without experts"),
    (
        "qwen3_moe",
        tiny.QWEN3_MOE,
        {"moe": tiny.SIGMOID_MOE},
        "layer 3 (mixture of experts): qwen3_moe has no shared_dim = 20",
    ),
    ("granitemoehybrid", tiny.QWEN3_MOE, {}, "granitemoehybrid has no mix of - and E"),
    ("granitemoehybrid", tiny.BAMBA, {}, "granitemoehybrid has no rope of 4 of 8 dims"),
    ("bamba", tiny.GRANITE_DENSE, {}, "layer 2 (attention): bamba has no attention without rope"),
    ("bamba", tiny.GRANITE_MOE, {}, "layer 1: bamba has no E here; layers are pairs of M or *, -"),
    ("bamba", tiny.BAMBA, {"hidden_dim": 64}, "bamba has no attention heads that do not fill"),
    ("bamba", tiny.BAMBA, {"hidden_dim": 24}, "bamba has no num_heads * head_dim (64) that is not"),
    ("mamba2", tiny.BASE, {}, "layer 1: mamba2 has no -; every layer is M"),
    ("mamba2", tiny.MAMBA2, {"hidden_dim": 24}, "mamba2 has no num_heads * head_dim (64) that"),
    ("mamba2", tiny.MAMBA2, {"residual_multiplier": 0.5}, "mamba2 has no residual_multiplier"),
]
CHANGED_ATTENTION = [
    ("llama", tiny.LLAMA, {"scale": 0.5}, "llama has no scale (0.5) other than head_dim ** -0.5"),
    ("llama", tiny.LLAMA, {"num_heads": 6}, "llama has no num_heads (6) that does not divide"),
    (
        "llama",
        tiny.LLAMA,
        {"rope": RopeConfig(rotary_dim=4).model_dump()},
        "layer 0 (attention): llama has no rope of 4 of 12 dims, but of 1 of them",
    ),
    (
        "bamba",
        tiny.BAMBA,
        {"rope": RopeConfig().model_dump()},
        "bamba has no rope of 8 of 8 dims, but of 0.5 of them",
    ),
    ("bamba", tiny.BAMBA, {"qk_norm": True}, "layer 2 (attention): bamba has no qk_norm"),
    ("qwen3", tiny.QWEN3, {"qk_norm_place": "after_rotation"}, "no qk_norm after the rotation"),
]
CHANGED_MOE = [
    ("qwen3_moe", tiny.QWEN3_MOE, {"shared_dim": 8}, "qwen3_moe has no shared_dim = 8"),
    ("qwen3_moe", tiny.QWEN3_MOE, {"latent_dim": 8}, "qwen3_moe has no latent_dim"),
    (
        "qwen3_moe",
        tiny.QWEN3_MOE,
        {"router": "sigmoid", "weigh": "chosen"},
        "qwen3_moe has no router = sigmoid",
    ),
    ("granitemoehybrid", tiny.GRANITE_MOE, {"weigh": "all"}, "granitemoehybrid has no weigh"),
    ("granitemoehybrid", tiny.GRANITE_MOE, {"latent_dim": 8}, "granitemoehybrid has no latent_dim"),
]


def within(section: str, config: ModelConfig, changes: dict[str, Any]) -> dict[str, Any]:
    return {section: config.model_dump()[section] | changes}


@pytest.mark.parametrize(
    ("layout", "config", "changes", "message"),
    [
        *UNSAYABLE,
        *(
            (name, config, within("attention", config, x), m)
            for name, config, x, m in CHANGED_ATTENTION
        ),
        *((name, config, within("moe", config, x), m) for name, config, x, m in CHANGED_MOE),
    ],
)
def test_what_a_layout_cannot_say_is_named(
    layout: str, config: ModelConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        layout_for(tiny.vary(config, **changes), layout)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
