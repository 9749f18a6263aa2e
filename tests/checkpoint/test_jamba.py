"""jamba and mamba: what transformers saves and computes, what the hub's configs say."""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, JambaConfig, MambaConfig, PreTrainedConfig

from checkpoint import tiny
from checkpoint.test_layouts import read_back
from checkpoint.test_transformers import TOLERANCE, theirs_random
from naga.checkpoint.config import LAYOUTS, layout_for
from naga.checkpoint.load import load_model
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, Mamba1Config, MlpConfig, RopeConfig
from naga.model.lm import HybridLM
from naga.model.state import StatePool, pack, place
from naga.runtime import make_runtime

# Every key of Jamba's config.json files, and of state-spaces/mamba-*-hf's, as the hub has them.
JAMBA: dict[str, Any] = {
    "architectures": ["JambaForCausalLM"], "attention_dropout": 0.0, "attn_layer_offset": 4,
    "attn_layer_period": 8, "auto_map": {"AutoConfig": "configuration_jamba.JambaConfig"},
    "bos_token_id": 1, "calc_logits_for_entire_prompt": False, "eos_token_id": 2,
    "expert_layer_offset": 1, "expert_layer_period": 2, "hidden_act": "silu", "hidden_size": 32,
    "initializer_range": 0.02, "intermediate_size": 48, "mamba_conv_bias": True,
    "mamba_d_conv": 4, "mamba_d_state": 16, "mamba_dt_rank": 12, "mamba_expand": 2,
    "mamba_inner_layernorms": True, "mamba_proj_bias": False, "max_position_embeddings": 512,
    "model_type": "jamba", "n_ctx": 512, "num_attention_heads": 4, "num_experts": 6,
    "num_experts_per_tok": 2, "num_hidden_layers": 10, "num_key_value_heads": 2,
    "num_logits_to_keep": 1, "output_router_logits": False, "pad_token_id": 0,
    "rms_norm_eps": 1e-06, "router_aux_loss_coef": 0.001, "sliding_window": None,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "transformers_version": "4.40.0.dev0", "use_cache": True, "use_mamba_kernels": True,
    "vocab_size": 96,
}  # fmt: skip
MAMBA: dict[str, Any] = {
    "architectures": ["MambaForCausalLM"], "bos_token_id": 0, "conv_kernel": 4, "d_inner": 64,
    "d_model": 32, "eos_token_id": 0, "expand": 2, "fused_add_norm": True, "hidden_act": "silu",
    "hidden_size": 32, "initializer_range": 0.1, "intermediate_size": 64,
    "layer_norm_epsilon": 1e-05, "model_type": "mamba", "n_layer": 3, "num_hidden_layers": 3,
    "pad_token_id": 0, "pad_vocab_size_multiple": 8, "rescale_prenorm_residual": False,
    "residual_in_fp32": True, "rms_norm": True, "ssm_cfg": {}, "state_size": 16,
    "time_step_floor": 0.0001, "time_step_init_scheme": "random", "time_step_max": 0.1,
    "time_step_min": 0.001, "time_step_rank": 2, "time_step_scale": 1.0,
    "torch_dtype": "float32", "transformers_version": "4.39.0.dev0", "use_bias": False,
    "use_cache": True, "use_conv_bias": True, "vocab_size": 96,
}  # fmt: skip
HUB = {"jamba": JAMBA, "mamba": MAMBA}

JAMBA_SIZES = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 24, "num_attention_heads": 4,
    "num_key_value_heads": 2, "num_experts": 5, "num_experts_per_tok": 2, "mamba_d_state": 16,
    "mamba_dt_rank": 12, "max_position_embeddings": 128,
}  # fmt: skip
# Seen for seeds 0 to 3: bfloat16 logits are off by less than 0.05 of their norm, on either side.
BFLOAT16 = 0.1
THEIRS: dict[str, PreTrainedConfig] = {
    "jamba-moe": JambaConfig(
        **JAMBA_SIZES, num_hidden_layers=6, attn_layer_period=3, attn_layer_offset=1
    ),
    "jamba-dense-tied": JambaConfig(
        **JAMBA_SIZES | {"num_experts": 1, "mamba_dt_rank": "auto", "head_dim": 12},
        num_hidden_layers=3, attn_layer_period=2, attn_layer_offset=1, tie_word_embeddings=True,
    ),
    "jamba-no-attention": JambaConfig(
        **JAMBA_SIZES, num_hidden_layers=3, expert_layer_period=1, expert_layer_offset=0
    ),
    "mamba": MambaConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=3, state_size=16, time_step_rank=12
    ),
    "mamba-untied-odd": MambaConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, state_size=7, conv_kernel=3, expand=3,
        tie_word_embeddings=False, residual_in_fp32=False,
    ),
}  # fmt: skip
names = pytest.mark.parametrize("name", THEIRS)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.enable_progress_bar()


@torch.no_grad()
def prefill(model: transformers.PreTrainedModel, tokens: Tensor) -> Tensor:
    return model(tokens[None], use_cache=False).logits[0].float()


def saved(name: str, seed: int, folder: Path) -> transformers.PreTrainedModel:
    theirs = theirs_random(THEIRS[name], seed)
    theirs.save_pretrained(folder)
    return theirs


@pytest.mark.parametrize("seed", [0, 1])
@names
def test_we_compute_what_transformers_saved(name: str, seed: int, tmp_path: Path) -> None:
    theirs = saved(name, seed, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 50, seed)
    expected = prefill(theirs, tokens)
    torch.testing.assert_close(tiny.forward_logits(ours, tokens), expected, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(tiny.step_logits(ours, tokens), expected, atol=TOLERANCE, rtol=0)


@names
def test_packed_sequences_are_those_of_transformers_alone(name: str, tmp_path: Path) -> None:
    theirs = saved(name, 2, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    lengths = (9, 1, 40, 14)
    tokens = tiny.random_tokens(ours.config, sum(lengths), 2)
    alone = torch.cat([prefill(theirs, part) for part in tokens.split(lengths)])
    output = ours(tokens, pack(lengths, "cpu"), torch.float32)
    torch.testing.assert_close(ours.logits(output.hidden), alone, atol=TOLERANCE, rtol=0)


@names
def test_64_greedy_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = saved(name, 3, tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    prompt = tiny.random_tokens(ours.config, 5, 3)
    # Jamba's cache counts positions by an attention layer.
    cached = ours.config.attention is not None or name.startswith("mamba")
    theirs.generation_config.eos_token_id = None
    generated = theirs.generate(prompt[None], max_new_tokens=64, do_sample=False, use_cache=cached)
    assert generated[0, 5:].tolist() == greedy(ours, prompt, 64)


def greedy(model: HybridLM, prompt: Tensor, count: int) -> list[int]:
    """Token by token, from states in a pool."""
    pool = StatePool.create(model.config, tiny.RUNTIME, num_slots=1, num_pages=8, page_size=16)
    tokens, start, piece = list[int](), 0, prompt
    while len(tokens) < count:
        batch = place([len(piece)], [start], [0], [range(8)], "cpu")
        logits = model.logits_rows(model.step(piece, batch, pool)[-1:])
        start, piece = start + len(piece), logits.argmax(-1)
        tokens.append(int(piece))
    return tokens


@names
def test_bfloat16_is_as_near_as_transformers_own(name: str, tmp_path: Path) -> None:
    """Of the float32 logits of the same checkpoint; the median token, for routers may tip."""
    theirs = saved(name, 0, tmp_path)
    ours = load_model(tmp_path, make_runtime("cpu", "bfloat16"))
    tokens = tiny.random_tokens(ours.config, 50, 0)
    exact = prefill(theirs, tokens)
    output = ours(tokens, pack([50], "cpu"), torch.bfloat16)
    other = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for found in (ours.logits(output.hidden), prefill(other, tokens)):
        apart = ((found - exact).norm(dim=1) / exact.norm(dim=1)).median()
        assert 0 < apart < BFLOAT16


OURS = {
    "jamba-moe": tiny.JAMBA,
    "jamba-dense": tiny.JAMBA_DENSE,
    "jamba-all-experts": tiny.vary(tiny.JAMBA, pattern="SESE", mlp=None, attention=None),
    "jamba-wide-heads": tiny.vary(
        tiny.JAMBA, attention=AttentionConfig(num_heads=2, num_kv_heads=1, head_dim=24)
    ),
    "mamba": tiny.MAMBA1_ALONE,
}


@pytest.mark.parametrize("name", OURS)
def test_every_layer_is_where_it_was(name: str, tmp_path: Path) -> None:
    """Periods and offsets say the pattern; test_transformers.py compares the numbers."""
    layout = layout_for(OURS[name], name.split("-")[0])
    config = read_back(tmp_path, layout.write(OURS[name]))
    assert config.layers == OURS[name].layers
    assert config == tiny.vary(OURS[name], pattern=config.pattern)


def test_every_key_of_the_hub_is_known(tmp_path: Path) -> None:
    jamba = read_back(tmp_path, JAMBA)
    assert jamba.layers == "S-SES-SE*-SES-SES-SE"
    assert jamba.mamba1 == Mamba1Config(inner_dim=64, state_dim=16, dt_rank=12, norms=True)
    mamba = read_back(tmp_path, MAMBA)
    assert (mamba.layers, mamba.tie_embeddings, mamba.max_positions) == ("SSS", True, 2048)
    assert mamba.mamba1 == Mamba1Config(inner_dim=64, state_dim=16, dt_rank=2)


def test_defaults_are_those_of_transformers(tmp_path: Path) -> None:
    """What a config.json leaves out."""
    for theirs, name in ((JambaConfig(), "jamba"), (MambaConfig(), "mamba")):
        few = {"model_type": name, "hidden_size": 64, "num_hidden_layers": 4, "vocab_size": 9}
        full = theirs.to_dict() | few | {"dtype": None}
        if name == "jamba":
            full |= {"mamba_dt_rank": "auto"}
        else:
            full |= {"time_step_rank": "auto", "intermediate_size": None}
        assert read_back(tmp_path, few) == read_back(tmp_path, full)


REFUSED = [
    ("jamba", {"pattern": "S-*-*-S-", "moe": None}, "layer 2 (attention): jamba has them at even"),
    ("jamba", {"pattern": "S-S*E"}, "layer 3: jamba has no * here"),
    ("jamba", {"pattern": "S-*ES"}, "layer 4: jamba has no last layer"),
    ("jamba", {"residual_multiplier": 0.5}, "jamba has no residual_multiplier = 0.5"),
    ("jamba", {"embedding_multiplier": 2.0}, "jamba has no embedding_multiplier = 2"),
    ("jamba", {"logits_divisor": 2.0}, "jamba has no logits_divisor = 2"),
    (
        "jamba",
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig())},
        "layer 2 (attention): jamba has no rope",
    ),
    (
        "jamba",
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, qk_norm=True)},
        "layer 2 (attention): jamba has no qk_norm",
    ),
    (
        "jamba",
        {"attention": AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, scale=0.5)},
        "layer 2 (attention): jamba has no scale (0.5)",
    ),
    (
        "jamba",
        {"mamba1": Mamba1Config(inner_dim=64, dt_rank=2)},
        "layer 0 (Mamba-1): jamba has norms of dt, B and C",
    ),
    (
        "jamba",
        {"mamba1": Mamba1Config(inner_dim=40, dt_rank=2, norms=True)},
        "layer 0 (Mamba-1): jamba has no inner_dim (40)",
    ),
    (
        "jamba",
        {"mlp": MlpConfig(inner_dim=24, activation="relu2")},
        "layer 1 (MLP): jamba has no activation = relu2",
    ),
    ("jamba", {"mlp": MlpConfig(inner_dim=20)}, "has no experts (24) of another width than"),
    ("jamba", {"moe": tiny.GRANITE_MOE.moe}, "jamba has no weigh = 'chosen'"),
    ("mamba", {}, "layer 2 (attention): mamba has Mamba-1 layers alone"),
    (
        "mamba",
        {"pattern": "SS", "moe": None, "mlp": None, "attention": None},
        "layer 0 (Mamba-1): mamba has no norms = True",
    ),
    ("nemotron_h", {}, "layer 0 (Mamba-1): nemotron_h has no such layer"),
    ("granitemoehybrid", {}, "layer 0: granitemoehybrid has no S here"),
]


@pytest.mark.parametrize(("layout", "changes", "message"), REFUSED)
def test_what_a_layout_cannot_say_is_named(
    layout: str, changes: dict[str, object], message: str
) -> None:
    found = next(known for known in LAYOUTS if known.model_type == layout)
    problems = list(found.refusals(tiny.vary(tiny.JAMBA, **changes)))
    assert any(message in problem for problem in problems), problems
    assert not any("\n" in problem for problem in problems)


MISREAD = [
    ("jamba", {"mamba_proj_bias": True}, "mamba_proj_bias = true is not supported"),
    ("jamba", {"mamba_conv_bias": False}, "mamba_conv_bias = false is not supported"),
    ("jamba", {"mamba_inner_layernorms": False}, "mamba_inner_layernorms = false is not"),
    ("jamba", {"hidden_act": "gelu"}, 'hidden_act = "gelu" is not supported'),
    ("jamba", {"sliding_window": 128}, "sliding_window = 128 is not supported"),
    ("jamba", {"attn_layer_offset": 8}, "attn_layer_offset must be below attn_layer_period (8)"),
    ("jamba", {"expert_layer_period": 0}, "expert_layer_offset must be below"),
    ("jamba", {"n_ctx": 100}, "contradictory: n_ctx and max_position_embeddings differ (100, 512)"),
    ("jamba", {"mamba_dt_rank": "all"}, "mamba_dt_rank must be a whole number of 64 bits"),
    ("jamba", {"num_hidden_layers": 10**9}, "num_hidden_layers must be from 1 to 100000"),
    ("jamba", {"num_key_value_heads": 3}, "must be a multiple of num_kv_heads"),
    ("jamba", {"rope_theta": 10_000.0}, "unknown: rope_theta"),
    ("mamba", {"use_bias": True}, "use_bias = true is not supported"),
    ("mamba", {"use_conv_bias": False}, "use_conv_bias = false is not supported"),
    ("mamba", {"rms_norm": False}, "rms_norm = false is not supported"),
    ("mamba", {"ssm_cfg": {"layer": "Mamba2"}}, 'ssm_cfg = {"layer": "Mamba2"} is not supported'),
    ("mamba", {"d_inner": 60}, "contradictory: d_inner and intermediate_size differ"),
    ("mamba", {"intermediate_size": 60, "d_inner": 60}, "intermediate_size = 60 is not supported"),
    ("mamba", {"time_step_limit": [0.0, 1.0]}, "unknown: time_step_limit"),
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
