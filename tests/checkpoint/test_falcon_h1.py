"""falcon_h1 against transformers' FalconH1ForCausalLM, and every key of its config.json.

Stated bounds: 1e-4 between logits in float32; in bfloat16 both are within 0.02, by norm, of the
float32 ones.
"""

import json
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, FalconH1Config, PreTrainedModel

from checkpoint import tiny
from naga.checkpoint import falcon_h1
from naga.checkpoint.config import LAYOUTS, layout_for, read_model_config
from naga.checkpoint.load import StoredModel, load_model
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MlpConfig, ModelConfig, RopeConfig
from naga.model.native import NativeModel, best_isa
from naga.model.state import StatePool, pack, place
from naga.runtime import make_runtime

TOLERANCE = 1e-4
BFLOAT16 = 0.02
HIDDEN = {
    "vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 24,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "mamba_d_ssm": 48,
    "mamba_n_heads": 6, "mamba_d_head": 8, "mamba_d_state": 16, "mamba_chunk_size": 16,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e11},
}  # fmt: skip
FACTORS = {
    "embedding_multiplier": 5.656854249492381, "lm_head_multiplier": 0.39,
    "key_multiplier": 0.390625, "attention_in_multiplier": 0.75, "attention_out_multiplier": 0.9375,
    "ssm_in_multiplier": 1.25, "ssm_out_multiplier": 0.23570226039551587,
    "ssm_multipliers": [0.3535, 0.25, 1.4142, 0.5, 1.3], "mlp_multipliers": [0.8838, 0.5859],
}  # fmt: skip
THEIRS = {
    "gate alone, every factor": FalconH1Config(**HIDDEN, **FACTORS),
    "gate first, groups, tied": FalconH1Config(
        **HIDDEN, **FACTORS, mamba_rms_norm=True, mamba_norm_before_gate=False,
        mamba_n_groups=2, tie_word_embeddings=True,
    ),
    "norm first, groups": FalconH1Config(
        **HIDDEN, mamba_rms_norm=True, mamba_norm_before_gate=True, mamba_n_groups=3,
    ),
}  # fmt: skip
names = pytest.mark.parametrize("name", THEIRS)

# Every key of the config.json of Falcon-H1 on the hub.
HUB: dict[str, Any] = {
    "architectures": ["FalconH1ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "attention_in_multiplier": 1.0, "attention_out_multiplier": 0.9375,
    "attn_layer_indices": None, "bos_token_id": 1, "embedding_multiplier": 5.656854249492381,
    "eos_token_id": 11, "head_dim": 16, "hidden_act": "silu", "hidden_size": 32,
    "initializer_range": 0.02, "intermediate_size": 24, "key_multiplier": 0.390625,
    "lm_head_multiplier": 0.0390625, "mamba_chunk_size": 128, "mamba_conv_bias": True,
    "mamba_d_conv": 4, "mamba_d_head": 8, "mamba_d_ssm": 48, "mamba_d_state": 16,
    "mamba_expand": 2, "mamba_n_groups": 1, "mamba_n_heads": 6, "mamba_norm_before_gate": False,
    "mamba_proj_bias": False, "mamba_rms_norm": False, "mamba_use_mlp": True,
    "max_position_embeddings": 16384, "mlp_bias": False, "mlp_expansion_factor": 8,
    "mlp_multipliers": [0.8838834764831844, 0.5859375], "model_type": "falcon_h1",
    "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
    "num_logits_to_keep": 1, "pad_token_id": 0, "projectors_bias": False, "rms_norm_eps": 1e-05,
    "rope_scaling": None, "rope_theta": 100000000000.0, "ssm_in_multiplier": 1.25,
    "ssm_multipliers": [0.35, 0.25, 0.35, 0.5, 0.35], "ssm_out_multiplier": 0.2357,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.52.0",
    "use_cache": True, "vocab_size": 96,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.enable_progress_bar()


def saved_by_transformers(name: str, seed: int, folder: Path) -> PreTrainedModel:
    """As they initialise it, then every parameter at a value that hides no fault."""
    model = AutoModelForCausalLM.from_config(THEIRS[name]).eval()
    tiny.randomize(model.named_parameters(), seed)
    model.save_pretrained(folder)
    return model


@torch.no_grad()
def prefill(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    return model(tokens[None], use_cache=False).logits[0]


def native_logits(model: tiny.HybridLM, tokens: Tensor) -> Tensor:
    plan = NativeModel.of(model, torch.float32, 1, best_isa())
    pool = StatePool.create(model.config, tiny.RUNTIME, num_slots=1, num_pages=8, page_size=16)
    batch = place([len(tokens)], [0], [0], [range(8)], "cpu")
    return plan.logits_rows(plan.step(tokens, batch, pool))


@pytest.mark.parametrize("seed", [0, 1])
@names
def test_prefill_gives_the_logits_of_transformers(name: str, seed: int, tmp_path: Path) -> None:
    theirs = saved_by_transformers(name, seed, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 37, seed)
    expected = prefill(theirs, tokens)
    assert expected.std() > 0.1
    for form in (tiny.forward_logits, tiny.step_logits, native_logits):
        torch.testing.assert_close(form(ours, tokens), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("form", ["reference", "native"])
@names
def test_greedy_tokens_are_those_of_transformers(name: str, form: str, tmp_path: Path) -> None:
    theirs = saved_by_transformers(name, 2, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    prompt = tiny.random_tokens(ours.config, 9, 2)
    generated = theirs.generate(
        prompt[None], max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0
    )[0]
    model = ours if form == "reference" else NativeModel.of(ours, torch.float32, 1, best_isa())
    pool = StatePool.create(ours.config, tiny.RUNTIME, num_slots=1, num_pages=8, page_size=16)
    found, piece = prompt.tolist(), prompt
    while len(found) < len(prompt) + 64:
        start = len(found) - len(piece)
        batch = place([len(piece)], [start], [0], [range(8)], "cpu")
        hidden = model.step(piece, batch, pool)
        piece = model.logits_rows(hidden[-1:]).argmax(-1)
        found.append(int(piece))
    assert generated.tolist() == found


@names
def test_packed_sequences_are_as_if_alone(name: str, tmp_path: Path) -> None:
    theirs = saved_by_transformers(name, 3, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    texts = [tiny.random_tokens(ours.config, count, 3) for count in (21, 1, 34)]
    output = ours(torch.cat(texts), pack([len(text) for text in texts], "cpu"), torch.float32)
    parts = ours.logits(output.hidden).split([len(text) for text in texts])
    for text, part in zip(texts, parts, strict=True):
        torch.testing.assert_close(part, prefill(theirs, text), atol=TOLERANCE, rtol=0)


def distance(found: Tensor, expected: Tensor) -> float:
    return ((found.float() - expected).norm() / expected.norm()).item()


@names
def test_bfloat16_is_within_the_bounds_that_transformers_keeps_too(
    name: str, tmp_path: Path
) -> None:
    exact = saved_by_transformers(name, 4, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    runtime = make_runtime("cpu", "bfloat16")
    ours = load_model(tmp_path, runtime)
    tokens = tiny.random_tokens(ours.config, 37, 4)
    expected = prefill(exact, tokens)
    pool = StatePool.create(ours.config, runtime, num_slots=1, num_pages=8, page_size=16)
    batch = place([len(tokens)], [0], [0], [range(8)], "cpu")
    found = ours.logits_rows(ours.step(tokens, batch, pool))
    assert 0 < distance(found, expected) < BFLOAT16
    assert 0 < distance(prefill(theirs, tokens), expected) < BFLOAT16


@names
def test_a_round_trip_gives_the_same_tensors_and_the_same_config(name: str, tmp_path: Path) -> None:
    theirs = saved_by_transformers(name, 5, tmp_path / "theirs")
    stored = StoredModel(tmp_path / "theirs")
    save_model(
        tmp_path / "ours",
        stored.config,
        dict(stored.tensors()),
        dtype=torch.float32,
        tokenizer=None,
    )
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert again.config.model_type == "falcon_h1"
    assert read_model_config(tmp_path / "ours") == stored.config
    before, after = theirs.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(tensor.equal(after[key]) for key, tensor in before.items())
    ours, written = theirs.config.to_dict(), again.config.to_dict()
    assert {key: written[key] for key in FACTORS} == {key: ours[key] for key in FACTORS}


def test_time_step_limits_hold_in_decode_too(tmp_path: Path) -> None:
    """transformers applies them in prefill alone: its own decode leaves its own prefill."""
    model = AutoModelForCausalLM.from_config(
        FalconH1Config(**HIDDEN, **FACTORS, time_step_limit=(0.05, 0.2))
    ).eval()
    tiny.randomize(model.named_parameters(), 6)
    model.save_pretrained(tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 12, 6)
    expected = prefill(model, tokens)
    torch.testing.assert_close(tiny.step_logits(ours, tokens), expected, atol=TOLERANCE, rtol=0)
    with torch.no_grad():
        first = model(tokens[None, :-1], use_cache=True)
        last = model(tokens[None, -1:], past_key_values=first.past_key_values).logits[0, -1]
    assert (last - expected[-1]).abs().max() > 0.01


def read_back(folder: Path, data: dict[str, Any]) -> ModelConfig:
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    return read_model_config(folder)


def test_every_key_of_the_hub_is_known(tmp_path: Path) -> None:
    config = read_back(tmp_path, HUB)
    assert config.layers == "H-H-"
    assert config.mamba and config.attention and config.mlp and config.parallel
    assert config.mamba.norm == "none"
    assert config.mamba.multipliers == (0.35, 0.25, 0.35, 0.5, 0.35)
    assert config.attention.rope == RopeConfig(theta=1e11)
    assert config.mlp.down_multiplier == 0.5859375
    assert config.parallel.ssm_multiplier == 0.2357
    assert config.logits_multiplier == 0.0390625


@pytest.mark.parametrize(
    ("normed", "before", "expected"),
    [
        (False, True, "none"),
        (False, False, "none"),
        (True, False, "gate_first"),
        (True, True, "norm_first"),
        (True, None, "norm_first"),
    ],
)
def test_the_two_flags_of_the_norm(
    normed: bool, before: bool | None, expected: str, tmp_path: Path
) -> None:
    config = read_back(tmp_path, HUB | {"mamba_rms_norm": normed, "mamba_norm_before_gate": before})
    assert config.mamba and config.mamba.norm == expected


def test_an_inner_dimension_of_null_is_a_multiple_of_the_hidden_one(tmp_path: Path) -> None:
    data = HUB | {"mamba_d_ssm": None, "mamba_n_heads": 4, "mamba_d_head": "auto"}
    config = read_back(tmp_path, data)
    assert config.mamba and config.mamba.head_dim == 16
    theirs = FalconH1Config(**{key: data[key] for key in HIDDEN if key in data})
    assert theirs.mamba_d_head == 16


MISREAD = [
    ({"attention_bias": True}, "attention_bias = true is not supported"),
    ({"projectors_bias": True}, "projectors_bias = true is not supported"),
    ({"mamba_use_mlp": False}, "mamba_use_mlp = false is not supported"),
    ({"mamba_conv_bias": False}, "mamba_conv_bias = false is not supported"),
    ({"attn_layer_indices": [0]}, "attn_layer_indices = [0] is not supported"),
    ({"hidden_act": "gelu"}, 'hidden_act = "gelu" is not supported'),
    ({"rope_scaling": {"type": "yarn"}}, "rope_type = 'yarn' is not supported"),
    ({"rope_theta": None}, "missing key 'rope_theta'"),
    ({"rope_parameters": {"rope_theta": 7.0}}, "contradictory: rope_parameters.rope_theta and"),
    ({"mamba_d_ssm": 50}, "contradictory: mamba_d_ssm is 50, mamba_n_heads 6"),
    ({"mamba_d_head": 16}, "mamba_d_head = 16 is not supported"),
    ({"ssm_multipliers": [1.0, 1.0]}, "ssm_multipliers must be 5 numbers, not [1.0, 1.0]"),
    ({"mlp_multipliers": [1.0, "x"]}, "mlp_multipliers: number 2 must be a number, not 'x'"),
    ({"key_multiplier": 0}, "attention.key_multiplier: Input should be greater than 0"),
    ({"num_hidden_layers": 0}, "num_hidden_layers must be from 1 to 100000, not 0"),
    ({"num_experts": 4}, "unknown: num_experts"),
]


@pytest.mark.parametrize(("changes", "message"), MISREAD)
def test_a_config_we_would_misread_is_one_line(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_back(tmp_path, HUB | changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "config.json"))
    assert "\n" not in str(caught.value)


def test_any_value_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    for key in HUB:
        for value in (0, -1, 3, 10**400, 1.5, -inf, "x", "", [], [0, "x"], {}, {"a": None}, True):
            try:
                config = read_back(tmp_path, HUB | {key: value})
            except ConfigError as error:
                assert "\n" not in str(error)
            else:
                assert config.layers


ROPE = RopeConfig()
REFUSED = [
    ({"pattern": "H--H"}, "layer 2: falcon_h1 has no - here; layers are pairs of H, -"),
    ({"pattern": "H-H"}, "layer 2: falcon_h1 has no last layer without a - after it"),
    ({"residual_multiplier": 0.5}, "falcon_h1 has no residual_multiplier = 0.5"),
    ({"logits_divisor": 2.0}, "falcon_h1 has no logits_divisor = 2"),
    (
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8)},
        "layer 0 (parallel attention and Mamba-2): falcon_h1 has no attention without rope",
    ),
    (
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, rope=ROPE, scale=1)},
        "falcon_h1 has no scale (1) other than head_dim ** -0.5",
    ),
    (
        {
            "attention": AttentionConfig(
                num_heads=4, num_kv_heads=2, head_dim=8, rope=ROPE, qk_norm=True
            )
        },
        "falcon_h1 has no qk_norm",
    ),
    (
        {
            "attention": AttentionConfig(
                num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig(rotary_dim=4)
            )
        },
        "falcon_h1 has no rope of 4 of 8 dims",
    ),
    (
        {"mlp": MlpConfig(inner_dim=8, activation="relu2")},
        "layer 1 (MLP): falcon_h1 has no activation = relu2",
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_the_layout_cannot_say_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        layout_for(tiny.vary(tiny.FALCON, **changes), "falcon_h1")
    assert message in str(caught.value)


def test_no_other_layout_has_parallel_heads() -> None:
    for layout in LAYOUTS:
        fits = not [*layout.refusals(tiny.FALCON)]
        assert fits == (layout.model_type in ("naga", "falcon_h1"))
    assert not [*falcon_h1.refusals(tiny.FALCON)]
