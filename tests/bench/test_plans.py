"""Commands for other engines: numbers follow from the model; what cannot be served is named."""

from math import inf
from pathlib import Path

import pytest
import torch
from checkpoint import tiny

from naga.bench.models import make_model, presets
from naga.bench.plans import (
    ENGINES,
    Plan,
    cpu_problems,
    make_plan,
    problems,
    tensor_parallel,
)
from naga.checkpoint.config import layout_for
from naga.checkpoint.convert import convert
from naga.checkpoint.fields import to_json
from naga.checkpoint.save import save_model
from naga.config.base import ConfigError
from naga.config.model import AttentionConfig, MambaConfig, ModelConfig
from naga.config.quantisation import Quantisation
from naga.model.account import account

GIB = 1 << 30
MINI = Path(__file__).parents[2] / "naga" / "assets" / "naga-mini"
PRESETS = presets()


def described(folder: Path, config: ModelConfig, **more: object) -> Path:
    """A folder with a config alone: a plan reads no weights."""
    folder.mkdir()
    data = layout_for(config, None).write(config) | more
    (folder / "config.json").write_text(to_json(data), encoding="utf-8")
    return folder


def plan_of(folder: Path, config: ModelConfig, engine: str, memory: int = 200 * GIB) -> Plan:
    return make_plan(described(folder / "m", config), engine, memory_bytes=memory)


def after(plan: Plan, flag: str, command: int = 0) -> str:
    words = plan.commands[command]
    return words[words.index(flag) + 1]


@pytest.mark.parametrize("name", ["granite-4.0-h-tiny", "nemotron-3-nano"])
def test_vllm_is_told_what_the_model_needs(name: str, tmp_path: Path) -> None:
    config = PRESETS[name]
    plan = plan_of(tmp_path, config, "vllm")
    assert after(plan, "--mamba-ssm-cache-dtype") == "float32"
    assert after(plan, "--max-model-len") == str(config.max_positions)
    assert after(plan, "--max-num-seqs") == str(plan.numbers.max_sequences)
    assert "--no-enable-prefix-caching" in plan.commands[0]
    parser = {"granite-4.0-h-tiny": "granite4", "nemotron-3-nano": "qwen3_coder"}[name]
    assert after(plan, "--tool-call-parser") == parser
    assert ("nemotron_v3" in plan.commands[0]) == (name == "nemotron-3-nano")
    assert plan.numbers.weight_bytes == 2 * account(config).parameters


def test_a_block_of_vllm_s_takes_a_layer_s_state(tmp_path: Path) -> None:
    numbers = plan_of(tmp_path, PRESETS["granite-4.0-h-tiny"], "vllm").numbers
    assert numbers.block_tokens is not None
    # 48 heads of 64 by 128 in float32 and three columns of a convolution, against 2 KiB a token.
    state = 4 * 48 * 64 * 128 + 2 * 3 * (48 * 64 + 2 * 128)
    assert 2048 * (numbers.block_tokens - 128) < state <= 2048 * numbers.block_tokens


def test_vllm_s_own_count_of_blocks_is_ours(tmp_path: Path) -> None:
    """As vLLM 0.32 logged it: 256 tokens a block, 8,192 in a GiB, 1,638.4 sequences of 512."""
    mamba = MambaConfig(num_heads=8, head_dim=32, state_dim=64, chunk_size=64)
    attention = AttentionConfig(num_heads=4, num_kv_heads=4, head_dim=32)
    config = tiny.vary(
        tiny.GRANITE_MOE,
        pattern="MEME*EME",
        hidden_dim=128,
        max_positions=512,
        mamba=mamba,
        attention=attention,
    )
    weights = 2 * account(config).parameters
    numbers = plan_of(tmp_path, config, "vllm", memory=-(-(GIB + weights) * 10 // 9)).numbers
    # Four key heads in bfloat16 are two in float32, as was logged.
    assert numbers.block_tokens == 256
    assert numbers.blocks == 8192
    assert numbers.full_sequences == 1638


def test_sequences_never_exceed_the_state_blocks(tmp_path: Path) -> None:
    config = PRESETS["granite-4.0-h-350m"]
    room = 2 * account(config).parameters + 40 * account(config).state_bytes
    numbers = plan_of(tmp_path, config, "vllm", memory=room * 10 // 9).numbers
    assert numbers.blocks is not None
    assert 1 <= numbers.max_sequences < 40
    assert numbers.max_sequences <= numbers.blocks


def test_too_little_memory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no room for a sequence; give a larger --memory"):
        plan_of(tmp_path, PRESETS["granite-4.0-h-tiny"], "vllm", memory=GIB)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, (1, 2, 4)),
        ({"num_heads": 8, "num_kv_heads": 4}, (1, 2, 4)),
        ({"num_heads": 4, "num_kv_heads": 1}, (1, 2, 4)),
        ({"num_heads": 6, "num_kv_heads": 3}, (1,)),
    ],
)
def test_devices_divide_every_size(changes: dict[str, int], counts: tuple[int, ...]) -> None:
    attention = AttentionConfig.model_validate({**tiny.ATTENTION.model_dump(), **changes})
    mamba = MambaConfig(num_heads=8, head_dim=8, num_groups=1)
    config = tiny.vary(tiny.GRANITE_MOE, attention=attention, mamba=mamba)
    assert tensor_parallel(config) == counts


def test_several_groups_must_divide_too() -> None:
    mamba = MambaConfig(num_heads=8, head_dim=8, num_groups=2)
    assert tensor_parallel(tiny.vary(tiny.GRANITE_MOE, mamba=mamba)) == (1, 2)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_wide_heads_are_refused_with_what_to_do(engine: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan(MINI, engine, memory_bytes=GIB)
    message = str(caught.value)
    assert "layer 8 (attention): it takes head_dim to be" in message
    assert "(16), here it is 32; `naga convert --to granitemoehybrid --widen`" in message


def test_naga_mini_goes_to_the_others() -> None:
    for engine in ("llama.cpp", "transformers"):
        plan = make_plan(MINI, engine, memory_bytes=GIB)
        assert plan.commands and "naga-mini" in plan.to_text()
        assert plan.to_dict()["shell"]
    llama = make_plan(MINI, "llama.cpp", memory_bytes=GIB)
    sequences = int(after(llama, "--parallel", command=1))
    assert int(after(llama, "--ctx-size", command=1)) == 2048 * sequences


def test_states_in_float32_everywhere(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, PRESETS["nemotron-3-nano"], "sglang")
    assert after(plan, "--mamba-ssm-dtype") == "float32"
    assert after(plan, "--reasoning-parser") == "nemotron_3"


def test_what_only_naga_opens_is_refused(tmp_path: Path) -> None:
    folder = described(tmp_path / "m", tiny.NAGA)
    for engine in ENGINES:
        with pytest.raises(ConfigError, match=f"{engine} cannot serve it: "):
            make_plan(folder, engine, memory_bytes=GIB)


def test_clamped_steps_are_refused() -> None:
    mamba = MambaConfig(num_heads=8, head_dim=8, dt_limit=(0.0, 0.1))
    config = tiny.vary(tiny.GRANITE_MOE, mamba=mamba)
    found = list(problems(layout_for(config, None), config, "vllm"))
    assert found == ["layer 0 (Mamba-2): it clamps dt by nothing, here dt_limit is set"]
    free = tiny.vary(config, mamba=MambaConfig(num_heads=8, head_dim=8, dt_limit=(0.0, inf)))
    assert not list(problems(layout_for(free, None), free, "vllm"))


def test_vllm_on_a_cpu_lacks_some() -> None:
    nemotron = layout_for(tiny.NEMOTRON, None)
    found = list(cpu_problems(nemotron, tiny.NEMOTRON))
    assert found[0].startswith("layer 1 (attention): on a CPU no head_dim 16, only 32, 64, 80")
    assert found[1] == "layer 4 (mixture of experts): on a CPU no experts without a gate"
    granite = PRESETS["granite-4.0-h-tiny"]
    assert not list(cpu_problems(layout_for(granite, None), granite))


def test_transformers_clamp_is_told_where_it_works(tmp_path: Path) -> None:
    config = PRESETS["nemotron-h-56b"]
    inert = make_plan(described(tmp_path / "a", config), "transformers", memory_bytes=400 * GIB)
    folder = described(tmp_path / "b", config, time_step_min=0.001)
    works = make_plan(folder, "transformers", memory_bytes=400 * GIB)
    assert not any("time_step_min" in limit for limit in inert.limits)
    assert any("time_step_min (0.001)" in limit for limit in works.limits)


def test_a_quantised_source_and_an_unknown_engine_are_refused(tmp_path: Path) -> None:
    config = tiny.GRANITE_DENSE
    tensors = tiny.random_model(config, seed=0).state_dict()
    save_model(tmp_path / "a", config, tensors, dtype=torch.float32, tokenizer=None)
    convert(tmp_path / "a", tmp_path / "b", Quantisation(format="int8", group=64))
    with pytest.raises(ConfigError, match=r"quantised .* which only naga reads; name the"):
        make_plan(tmp_path / "b", "vllm", memory_bytes=GIB)
    with pytest.raises(ConfigError, match="--plan 'ollama': unknown; use vllm, sglang"):
        make_plan(tmp_path / "a", "ollama", memory_bytes=GIB)


def test_a_chat_format_of_naga_s_has_its_reasoning_parsed(tmp_path: Path) -> None:
    config = tiny.vary(tiny.GRANITE_DENSE, vocab_size=300, attention=tiny.ATTENTION)
    make_model(config, tmp_path / "m", seed=0, dtype=torch.float32)
    plan = make_plan(tmp_path / "m", "vllm", memory_bytes=GIB)
    assert after(plan, "--reasoning-parser") == "deepseek_r1"
    assert "--tool-call-parser" not in plan.commands[0]
