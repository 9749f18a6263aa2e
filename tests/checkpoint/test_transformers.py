"""transformers opens what we write and we open what it writes, both with equal numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GraniteMoeHybridConfig,
    NemotronHConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from checkpoint import tiny
from naga.checkpoint.load import load_model
from naga.checkpoint.save import save_model
from naga.config.model import AttentionConfig, ModelConfig, RopeConfig
from naga.model.state import StatePool, place

TOLERANCE = 1e-4
GRANITE = {
    "vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "layer_types": ["mamba", "attention", "mamba"],
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 16, "mamba_n_groups": 2,
    "mamba_chunk_size": 16, "intermediate_size": 12, "shared_intermediate_size": 20,
    "embedding_multiplier": 12, "residual_multiplier": 0.22, "attention_multiplier": 0.0625,
    "logits_scaling": 3, "eos_token_id": 0,
}  # fmt: skip
NEMOTRON = {
    "vocab_size": 96, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "mamba_num_heads": 8, "mamba_head_dim": 12, "ssm_state_size": 16, "n_groups": 2,
    "chunk_size": 16, "intermediate_size": 40, "n_routed_experts": 6, "num_experts_per_tok": 2,
    "moe_intermediate_size": 12, "moe_shared_expert_intermediate_size": 20,
    "routed_scaling_factor": 2.5, "time_step_min": 1e-12,
}  # fmt: skip
THEIRS: dict[str, PreTrainedConfig] = {
    "granite-moe-rope-untied": GraniteMoeHybridConfig(
        **GRANITE, num_local_experts=5, position_embedding_type="rope",
        rope_parameters={"rope_type": "default", "rope_theta": 300.0},
    ),
    "granite-dense-nope-tied": GraniteMoeHybridConfig(
        **GRANITE, num_local_experts=0, position_embedding_type="nope", tie_word_embeddings=True
    ),
    "nemotron-all-kinds": NemotronHConfig(**NEMOTRON, hybrid_override_pattern="M*-EM"),
    "nemotron-dense": NemotronHConfig(**NEMOTRON, hybrid_override_pattern="M-M*-"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """No progress bars; a warning of transformers' own logger would still be seen."""
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.enable_progress_bar()


def theirs_random(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_config(config).eval()
    tiny.randomize(iter(model.state_dict().items()), seed)
    return model


@torch.no_grad()
def prefill(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    # Its cache counts positions by an attention layer, which not every model has.
    return model(tokens[None], use_cache=False).logits[0]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", THEIRS)
def test_we_open_what_transformers_saves(name: str, seed: int, tmp_path: Path) -> None:
    theirs = theirs_random(THEIRS[name], seed)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 37, seed)
    expected = prefill(theirs, tokens)
    torch.testing.assert_close(tiny.forward_logits(ours, tokens), expected, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(tiny.step_logits(ours, tokens), expected, atol=TOLERANCE, rtol=0)


EXPRESSIBLE = {name: config for name, config in tiny.EVERY.items() if name != "naga"} | {
    "granitemoehybrid-ntk": tiny.vary(
        tiny.GRANITE_DENSE,
        attention=AttentionConfig(
            num_heads=2, num_kv_heads=1, head_dim=16, rope=RopeConfig(theta=100.0, ntk_alpha=50.0)
        ),
    ),
    "granitemoehybrid-wide-heads": tiny.vary(
        tiny.GRANITE_MOE, attention=AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=16)
    ),
    "granitemoehybrid-no-attention": tiny.BASE,
    "llama-no-scaling": tiny.vary(
        tiny.GRANITE_DENSE,
        pattern="*-*-",
        mamba=None,
        attention=AttentionConfig(num_heads=4, num_kv_heads=2, head_dim=8, rope=RopeConfig()),
    ),
    "granitemoehybrid-no-mamba": tiny.vary(
        tiny.GRANITE_DENSE, pattern="*-*-", mamba=None, attention=tiny.ATTENTION
    ),
    "nemotron_h-no-attention": tiny.vary(tiny.NEMOTRON, pattern="MEM-", attention=None),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", EXPRESSIBLE)
def test_transformers_opens_what_we_save(name: str, seed: int, tmp_path: Path) -> None:
    ours = tiny.random_model(EXPRESSIBLE[name], seed)
    theirs = opened_by_transformers(ours, tmp_path)
    assert theirs.config.model_type == name.split("-")[0]
    tokens = tiny.random_tokens(ours.config, 37, seed)
    torch.testing.assert_close(
        prefill(theirs, tokens), tiny.forward_logits(ours, tokens), atol=TOLERANCE, rtol=0
    )


@pytest.mark.parametrize("name", [name for name, config in EXPRESSIBLE.items() if config.attention])
def test_greedy_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    ours = tiny.random_model(EXPRESSIBLE[name], seed=3)
    theirs = opened_by_transformers(ours, tmp_path)
    prompt = tiny.random_tokens(ours.config, 5, seed=3)
    generated = theirs.generate(prompt[None], max_new_tokens=20, do_sample=False)[0]
    tokens = prompt
    for _ in range(20):
        tokens = torch.cat([tokens, tiny.step_logits(ours, tokens)[-1:].argmax(-1)])
    assert len(generated) == 25
    assert generated.tolist() == tokens.tolist()


def opened_by_transformers(ours: tiny.HybridLM, folder: Path) -> PreTrainedModel:
    path = folder / "saved"
    save_model(path, ours.config, ours.state_dict(), dtype=torch.float32, tokenizer=None)
    model, report = AutoModelForCausalLM.from_pretrained(
        path, trust_remote_code=False, output_loading_info=True
    )
    assert not any(report.values()), report
    return model.eval()


def test_bfloat16_is_opened_as_bfloat16(tmp_path: Path) -> None:
    ours = tiny.random_model(tiny.GRANITE_MOE, 0)
    save_model(tmp_path / "m", ours.config, ours.state_dict(), dtype=torch.bfloat16, tokenizer=None)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    assert theirs.dtype == torch.bfloat16


def test_time_step_min_is_ignored_when_read(tmp_path: Path) -> None:
    """transformers clamps dt by it in prefill alone; NVIDIA's own code and vLLM never do."""
    config = NemotronHConfig(**NEMOTRON | {"time_step_min": 0.1}, hybrid_override_pattern="M-M*-")
    clamping = theirs_random(config, 0)
    clamping.save_pretrained(tmp_path)
    unclamped = AutoModelForCausalLM.from_pretrained(tmp_path, time_step_min=1e-12)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 12, 0)
    expected = prefill(unclamped, tokens)
    torch.testing.assert_close(tiny.step_logits(ours, tokens), expected, atol=TOLERANCE, rtol=0)
    assert (prefill(clamping, tokens) - expected).abs().max() > 0.01


def test_transformers_does_not_go_on_as_it_prefills_and_naga_does(
    tmp_path: Path,
) -> None:
    """By its clamp of dt; naga's rows are the same bits in whatever pieces they come."""
    config = NemotronHConfig(**NEMOTRON | {"time_step_min": 0.1}, hybrid_override_pattern="M-M*-")
    theirs = theirs_random(config, 0)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path, tiny.RUNTIME)
    tokens = tiny.random_tokens(ours.config, 12, 0)
    with torch.no_grad():
        cache = theirs(tokens[None, :8], use_cache=True).past_key_values
        for token in tokens[8:]:
            decoded = theirs(token.view(1, 1), past_key_values=cache).logits[0, -1]
    assert (decoded - prefill(theirs, tokens)[-1]).abs().max() > 0.01
    pool = StatePool.create(ours.config, tiny.RUNTIME, num_slots=1, num_pages=1, page_size=16)
    for start, piece in ((0, tokens[:8]), *((8 + i, tokens[8 + i : 9 + i]) for i in range(4))):
        hidden = ours.step(piece, place([len(piece)], [start], [0], [[0]], "cpu"), pool)
    assert ours.logits_rows(hidden)[-1].equal(tiny.step_logits(ours, tokens)[-1])


def test_configs_name_their_own_ends(tmp_path: Path) -> None:
    """Without ids, transformers would stop at its own default eos."""
    ours: ModelConfig = tiny.GRANITE_DENSE
    state = tiny.random_model(ours, 0).state_dict()
    save_model(tmp_path / "m", ours, state, dtype=torch.float32, tokenizer=None)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "m")
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (None, None, None)
