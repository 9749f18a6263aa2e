"""ModelConfig and the run configs: what each validator refuses, and derived sizes."""

from math import inf
from typing import Any

import pytest

from naga.config.base import ConfigError
from naga.config.load import parse_config
from naga.config.model import AttentionConfig, MambaConfig, ModelConfig
from naga.config.serve import EngineConfig, ServerConfig
from naga.config.train import PretrainConfig, SftConfig

MODEL: dict[str, Any] = {
    "pattern": "ME *- ",
    "vocab_size": 100,
    "hidden_dim": 16,
    "max_positions": 64,
    "mamba": {"num_heads": 4, "head_dim": 8},
    "attention": {"num_heads": 4, "num_kv_heads": 2, "head_dim": 8, "rope": {"theta": 500.0}},
    "mlp": {"inner_dim": 32},
    "moe": {"num_experts": 4, "top_k": 2, "expert_dim": 8, "router": "sigmoid"},
}
LLAMA3 = {
    "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_positions": 64,
}  # fmt: skip
RUN: dict[str, Any] = {
    "run_dir": "runs/x",
    "data": {"paths": ["a.txt"], "tokens_per_batch": 64, "sequence_len": 32},
    "optim": {"lr": 0.01},
    "schedule": {"steps": 10, "warmup_steps": 2, "decay_steps": 3},
}
PRETRAIN: dict[str, Any] = {**RUN, "tokenizer": "t", "model": MODEL}
SFT: dict[str, Any] = {**RUN, "init_from": "c"}


def change(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with one dotted key set, or removed where the value is ...."""
    first, _, rest = key.partition(".")
    if rest:
        return {**data, first: change(data.get(first, {}), rest, value)}
    kept = {name: inner for name, inner in data.items() if name != first}
    return kept if value is ... else {**kept, first: value}


def refusal(kind: Any, data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(kind, data, "f.toml")
    message = str(caught.value)
    assert message.startswith("f.toml: ") and "\n" not in message
    return message.removeprefix("f.toml: ")


def test_a_whole_model_is_accepted() -> None:
    config = parse_config(ModelConfig, MODEL, "f.toml")
    assert config.layers == "ME*-"
    assert [config.count(letter) for letter in "M*-E"] == [1, 1, 1, 1]
    assert config.attention and config.attention.softmax_scale == 8**-0.5
    assert config.mamba
    # z, x; x and B and C; all of it and a time step for each head.
    assert config.mamba.inner_dim == 32
    assert config.mamba.conv_dim == 32 + 2 * 128
    assert config.mamba.in_proj_dim == 32 + 32 + 2 * 128 + 4
    assert config.mamba.dt_limit == (0.0, inf)


def test_a_given_scale_replaces_the_usual_one() -> None:
    config = parse_config(ModelConfig, change(MODEL, "attention.scale", 0.25), "f.toml")
    assert config.attention and config.attention.softmax_scale == 0.25


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("pattern", "", "pattern: String should have at least 1 character (got '')"),
        ("pattern", "MX", "pattern letter 1 is 'X'; known are M (Mamba-2)"),
        ("pattern", "ME*", "there is a [mlp] section but no '-' in pattern"),
        ("pattern", "me*-", "pattern letter 0 is 'm'"),
        ("mamba", ..., "pattern has 'M' but there is no [mamba] section"),
        ("attention", ..., "pattern has '*' but there is no [attention] section"),
        ("mlp", ..., "pattern has '-' but there is no [mlp] section"),
        ("moe", ..., "pattern has 'E' but there is no [moe] section"),
        ("pattern", "MH*-E", "pattern has 'H' but there is no [parallel] section"),
        ("parallel", {}, "there is a [parallel] section but no 'H' in pattern"),
        ("mamba.norm", "late", "mamba.norm: Input should be 'gate_first', 'norm_first' or 'none'"),
        ("mamba.multipliers", [1, 1], "missing key 'mamba.multipliers.2'"),
        ("mamba.in_multiplier", 0, "mamba.in_multiplier: Input should be greater than 0"),
        ("attention.key_multiplier", -1, "attention.key_multiplier: Input should be greater"),
        ("vocab_size", 0, "vocab_size: Input should be greater than 0 (got 0)"),
        ("hidden_dim", "wide", "hidden_dim: Input should be a valid integer (got 'wide')"),
        ("max_positions", ..., "missing key 'max_positions'"),
        ("norm_eps", 0, "norm_eps: Input should be greater than 0 (got 0)"),
        ("residual_multiplier", -1, "residual_multiplier: Input should be greater than 0"),
        ("embedding_multiplier", inf, "embedding_multiplier: Input should be a finite number"),
        ("window", 128, "unknown key 'window'"),
        ("mamba.num_groups", 3, "mamba: num_heads (4) must be a multiple of num_groups (3)"),
        ("mamba.conv_width", 1, "mamba.conv_width: Input should be greater than or equal to 2"),
        ("mamba.dt_limit", [0.5, 0.1], "mamba: dt_limit must be 0 <= low < high, not (0.5, 0.1)"),
        ("mamba.dt_limit", [-1, 1], "mamba: dt_limit must be 0 <= low < high"),
        ("mamba.dt_limit", [0.1], "missing key 'mamba.dt_limit.1'"),
        ("mamba.heads", 4, "unknown key 'mamba.heads'"),
        ("attention.num_heads", 5, "attention: num_heads (5) must be a multiple of num_kv_heads"),
        ("attention.head_dim", 7, "attention: rope needs an even head_dim, not 7"),
        ("attention.rope.ntk_alpha", 0.5, "attention.rope.ntk_alpha: Input should be greater than"),
        ("attention.rope.rotary_dim", 3, "attention: rope.rotary_dim (3) must be even and at most"),
        ("attention.rope.rotary_dim", 99, "attention: rope.rotary_dim (99) must be even and at"),
        (
            "attention.rope",
            {"ntk_alpha": 2.0, "llama3": LLAMA3},
            "attention.rope: ntk_alpha and llama3 exclude each other",
        ),
        (
            "attention.rope",
            {"ntk_alpha": 2.0, "rotary_dim": 2},
            "attention: rope.ntk_alpha needs more than two dims that rotate",
        ),
        (
            "attention.rope.llama3",
            LLAMA3 | {"low_freq_factor": 4.0},
            "attention.rope.llama3: low_freq_factor (4) must be below high_freq_factor (4)",
        ),
        ("attention.qk_norm_place", "before_rotation", "attention: qk_norm_place needs qk_norm"),
        ("moe.weigh", "all", "moe: weigh = 'all' needs router = 'softmax'"),
        ("moe.latent_dim", 0, "moe.latent_dim: Input should be greater than 0"),
        ("attention.rope.type", "yarn", "unknown key 'attention.rope.type'"),
        ("mlp.activation", "gelu", "mlp.activation: Input should be 'swiglu' or 'relu2'"),
        ("moe.top_k", 5, "moe: top_k (5) exceeds num_experts (4)"),
        ("moe.top_k", 0, "moe.top_k: Input should be greater than 0 (got 0)"),
        (
            "moe.router",
            "hash",
            "moe.router: Input should be 'softmax' or 'sigmoid' (",
        ),
    ],
)
def test_a_model_that_cannot_be_is_refused_by_key(key: str, value: Any, problem: str) -> None:
    assert refusal(ModelConfig, change(MODEL, key, value)).startswith(problem)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("bias_update", 0.001, "moe: bias_update needs router = 'sigmoid'"),
        ("routed_scale", 2.5, "moe: routed_scale needs router = 'sigmoid'"),
    ],
)
def test_a_softmax_router_refuses_what_it_would_ignore(key: str, value: Any, problem: str) -> None:
    sigmoid = change(MODEL, f"moe.{key}", value)
    parse_config(ModelConfig, sigmoid, "f.toml")
    assert refusal(ModelConfig, change(sigmoid, "moe.router", "softmax")) == problem


def test_only_swiglu_has_a_gate_to_scale() -> None:
    plain = change(change(MODEL, "mlp.gate_multiplier", 0.5), "mlp.activation", "relu2")
    assert refusal(ModelConfig, plain) == "mlp: gate_multiplier needs activation = 'swiglu'"


def test_a_parallel_layer_uses_the_sections_of_both_its_halves() -> None:
    data = change(change(MODEL, "pattern", "H-E"), "parallel", {"ssm_multiplier": 0.5})
    config = parse_config(ModelConfig, data, "f.toml")
    assert (config.num_mamba2, config.num_attention, config.count("M")) == (1, 1, 0)
    for section in ("mamba", "attention"):
        message = f"pattern has 'H' but there is no [{section}] section"
        assert refusal(ModelConfig, change(data, section, ...)) == message


def test_a_factor_on_the_input_is_one_on_every_projection() -> None:
    mamba = MambaConfig(num_heads=2, head_dim=4, in_multiplier=2.0, multipliers=(1, 2, 3, 4, 5))
    assert mamba.projection_multipliers == (2.0, 4.0, 6.0, 8.0, 10.0)
    assert sum(mamba.parts) == mamba.in_proj_dim
    attention = AttentionConfig(
        num_heads=2, num_kv_heads=1, head_dim=4, in_multiplier=2.0, key_multiplier=0.25
    )
    assert attention.projection_multipliers == (2.0, 0.5, 2.0)


def test_a_pattern_of_spaces_has_no_layer() -> None:
    bare = {"pattern": "  ", "vocab_size": 9, "hidden_dim": 8, "max_positions": 8}
    assert refusal(ModelConfig, bare) == "pattern has no layer"


def test_nope_may_have_odd_heads() -> None:
    odd = change(change(MODEL, "attention.head_dim", 7), "attention.rope", ...)
    assert parse_config(ModelConfig, odd, "f.toml").attention


def test_both_kinds_of_runs_are_accepted() -> None:
    assert parse_config(PretrainConfig, PRETRAIN, "f.toml").model.layers == "ME*-"
    assert parse_config(SftConfig, SFT, "f.toml").dtype == "bfloat16"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("schedule.steps", 4, "schedule: warmup_steps (2) + decay_steps (3) exceed steps (4)"),
        ("schedule.final_lr_ratio", 1.5, "schedule.final_lr_ratio: Input should be less than or"),
        ("optim.lr", 0, "optim.lr: Input should be greater than 0 (got 0)"),
        ("optim.betas", [0.9, 1.0], "optim.betas.1: Input should be less than 1 (got 1.0)"),
        ("optim.momentum", 0.9, "unknown key 'optim.momentum'"),
        ("data.paths", [], "data.paths: Tuple should have at least 1 item"),
        ("data.sequence_len", 1, "data.sequence_len: Input should be greater than 1 (got 1)"),
        ("seed", -1, "seed: Input should be greater than or equal to 0 (got -1)"),
        ("seed", 2**63, "seed: Input should be less than 9223372036854775808"),
        ("dtype", "float16", "dtype: Input should be 'float32' or 'bfloat16' (got 'float16')"),
        ("accumulate", 0, "accumulate: Input should be greater than 0 (got 0)"),
        ("init_from", ..., "missing key 'init_from'"),
        ("model", MODEL, "unknown key 'model'"),
    ],
)
def test_a_run_that_cannot_be_is_refused_by_key(key: str, value: Any, problem: str) -> None:
    assert refusal(SftConfig, change(SFT, key, value)).startswith(problem)


def test_a_mistake_deep_in_a_recipe_has_its_whole_path() -> None:
    data = change(PRETRAIN, "model.moe.top_k", 9)
    assert refusal(PretrainConfig, data) == "model.moe: top_k (9) exceeds num_experts (4)"


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        (EngineConfig, {"page_size": 24}, "page_size: Input should be a multiple of 16 (got 24)"),
        (EngineConfig, {"dtype": "int8"}, "dtype: Input should be 'float32' or 'bfloat16'"),
        (EngineConfig, {"max_running": 0}, "max_running: Input should be greater than 0 (got 0)"),
        (ServerConfig, {"port": 65_536}, "port: Input should be less than or equal to 65535"),
        (ServerConfig, {"hots": "x"}, "unknown key 'hots'"),
    ],
)
def test_serving_configs_are_as_strict(kind: Any, data: dict[str, Any], problem: str) -> None:
    assert refusal(kind, data).startswith(problem)


MAMBA1 = {"pattern": "S", "mamba": None, "attention": None, "mlp": None, "moe": None}
SECTION = {"inner_dim": 32, "dt_rank": 2, "norms": True}


def test_mamba1_is_a_kind_of_its_own() -> None:
    config = parse_config(ModelConfig, MODEL | MAMBA1 | {"mamba1": SECTION}, "f.toml")
    assert config.mamba1
    # What dt is made of, B, C.
    assert config.mamba1.select_dim == 2 + 2 * 16
    assert config.recurrent and config.count("S") == 1
    both = MODEL | {"pattern": "MS*-E", "mamba1": SECTION}
    assert parse_config(ModelConfig, both, "f.toml").count("M") == 1
    apart = MODEL | {"pattern": "*-E", "mamba": None}
    assert not parse_config(ModelConfig, apart, "f.toml").recurrent


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "pattern has 'S' but there is no [mamba1] section"),
        ({"mamba1": SECTION | {"dt_rank": 0}}, "mamba1.dt_rank: Input should be greater than 0"),
        ({"mamba1": SECTION | {"conv_width": 1}}, "mamba1.conv_width: Input should be greater"),
        ({"mamba1": SECTION | {"bias": True}}, "unknown key 'mamba1.bias'"),
        (
            {"pattern": "M", "mamba": {"num_heads": 1, "head_dim": 8}, "mamba1": SECTION},
            "there is a [mamba1]",
        ),
    ],
)
def test_a_mamba1_that_cannot_be_is_refused_by_key(changes: dict[str, Any], problem: str) -> None:
    assert refusal(ModelConfig, MODEL | MAMBA1 | changes).startswith(problem)
